"""Who can reach a socket of norouter: its private directory, and the user at the other end."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import stat
import struct
import warnings
from pathlib import Path

import platformdirs

from norouter_core.errors import NorouterError

_MAX_PATH = 100
"""Bytes in the path of a socket: `sun_path` has 104 on macOS and the BSDs, 108 on Linux."""
_MAX_NAME = 40
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH

SUFFIX = ".sock"


class NoSocketDirectory(NorouterError):
    """There is no directory for a control socket; the message says why and what to do."""


def socket_directories() -> list[Path]:
    """Return the directories that can have sockets of this user, the usual one first."""
    return list(dict.fromkeys((*_usual(), _short())))


def _usual() -> list[Path]:
    with warnings.catch_warnings():
        # Without a login, XDG_RUNTIME_DIR is not set; that is not the user's fault.
        warnings.simplefilter("ignore")
        try:
            return [Path(platformdirs.user_runtime_dir("norouter", appauthor=False))]
        except OSError:
            return []  # something else is there, which is not the user's


def _short() -> Path:
    """Return the directory to use if there is no other, or its path is too long for a socket."""
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"norouter-{os.geteuid()}"


def socket_path(name: str) -> Path:
    """Return a path for the socket of this process, and make its directory.

    Raises:
        NoSocketDirectory: No directory is safe and has a path that is short enough.
    """
    short = _UNSAFE.sub("_", name)[:_MAX_NAME].strip("._") or "mesh"
    for directory in socket_directories():
        for file in (f"{os.getpid()}-{short}{SUFFIX}", f"{os.getpid()}{SUFFIX}"):
            path = directory / file
            if len(os.fsencode(path)) <= _MAX_PATH:
                make_private(directory)
                return path
    raise NoSocketDirectory(
        f"the path of {socket_directories()[-1]} is too long for a socket: "
        "set XDG_RUNTIME_DIR or TMPDIR to a shorter one"
    )


def make_private(directory: Path) -> None:
    """Make a directory that only its owner can enter, or make an existing one so.

    Raises:
        NoSocketDirectory: It cannot be made, or somebody else could reach what is in it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            if status.st_mode & _OTHERS:
                directory.chmod(0o700)
    except OSError as error:
        raise NoSocketDirectory(f"{error.filename or directory}: {error.strerror}") from None
    trouble = not_private(directory)
    if trouble:
        raise NoSocketDirectory(
            f"{trouble}: remove it, or set XDG_RUNTIME_DIR to a directory of your own"
        )


def not_private(directory: Path) -> str:
    """Return why somebody else could reach what is in a directory; empty if nobody can.

    A directory that cannot be examined is not private.
    """
    try:
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return f"{directory} is not a directory"
        if status.st_uid != os.geteuid():
            return f"{directory} belongs to another user"
        if status.st_mode & _OTHERS:
            return f"{directory} is open to other users"
        return _why_replaceable(directory.resolve())
    except OSError as error:
        return f"{directory}: {error.strerror}"


def _why_replaceable(directory: Path) -> str:
    """Return why somebody else could rename a parent directory and put another in its place."""
    for parent in directory.parents:
        status = parent.stat()
        if status.st_uid not in (0, os.geteuid()):
            return f"{parent} belongs to another user"
        if status.st_mode & _WRITABLE and not status.st_mode & stat.S_ISVTX:
            return f"{parent} is writable by other users"
    return ""


def peer_uid(sock: socket.socket) -> int | None:
    """Return the user id that the other side had when it connected, or began to listen.

    None if the system does not say; then only the mode of the directory keeps others out.
    """
    if hasattr(socket, "SO_PEERCRED"):
        return _by_peercred(sock)
    return _by_getpeereid(sock.fileno())


def _by_peercred(sock: socket.socket) -> int | None:
    """Use `struct ucred` of unix(7), on Linux."""
    form = struct.Struct("3i")
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size)
    except OSError:
        return None
    uid: int = form.unpack(raw)[1]
    return uid


def _by_getpeereid(fd: int) -> int | None:
    """Use getpeereid(3), on macOS and the BSDs."""
    try:
        getpeereid = ctypes.CDLL(None, use_errno=True).getpeereid
    except (AttributeError, OSError):
        return None
    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    if getpeereid(fd, ctypes.byref(uid), ctypes.byref(gid)) != 0:
        return None
    return uid.value


def is_own(uid: int | None, user: int) -> bool:
    """Return whether a peer is `user`, or unknown.

    Root is no exception: it can become this user.
    """
    return uid is None or uid == user
