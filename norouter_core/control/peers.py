"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import ctypes
import os
import socket
import struct


def peer_uid(sock: socket.socket) -> int | None:
    """The user id that the other side had when it connected (or began to listen); None where
    the system does not tell, and the folder's mode alone keeps others out."""
    if hasattr(socket, "SO_PEERCRED"):
        return _by_peercred(sock)
    return _by_getpeereid(sock.fileno())


def _by_peercred(sock: socket.socket) -> int | None:
    """Linux: `struct ucred` of unix(7)."""
    form = struct.Struct("3i")
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size)
    except OSError:
        return None
    uid: int = form.unpack(raw)[1]
    return uid


def _by_getpeereid(fd: int) -> int | None:
    """macOS and the BSDs: getpeereid(3)."""
    try:
        getpeereid = ctypes.CDLL(None, use_errno=True).getpeereid
    except (AttributeError, OSError):
        return None
    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    if getpeereid(fd, ctypes.byref(uid), ctypes.byref(gid)) != 0:
        return None
    return uid.value


def is_own(uid: int | None) -> bool:
    """Whether a peer is the user that this process runs as. Root is no exception: who can become
    anybody can become this one."""
    return uid is None or uid == os.geteuid()
