"""Listening TCP sockets."""

from __future__ import annotations

import errno
import select
import socket
import struct
import sys

from norouter_core.agent.resolve import literal
from norouter_core.agent.tcp import set_options

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]  # a module or nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.io import Io
    from norouter_core.wire.codes import Address

_BACKLOG = 1024
_MAX_ACCEPTS = 64
"""Connections accepted at one time, so that a flood does not delay open streams."""
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1
_RETRY_DELAY = 0.2
"""Seconds until the next attempt when there is no free descriptor."""


class Listener:
    """A bound address; each connection is passed to `accepted(socket, peer)`.

    `address` is the bound one.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        io: Io,
        host: str,
        port: int,
        accepted: Callable[[socket.socket, Address], None],
    ) -> None:
        self._io = io
        self._accepted = accepted
        self._closed = False
        self._socket = self._bind(host, port)
        name = self._socket.getsockname()
        self.address: Address = (name[0], name[1])
        self._watch()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._io.loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _bind(self, host: str, port: int) -> socket.socket:
        return bind(self._io, host, port, socket.SOCK_STREAM)

    def _watch(self) -> None:
        if not self._closed:
            self._io.loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        descriptors = self._io.descriptors
        for _ in range(_MAX_ACCEPTS):
            if not descriptors.has_room():
                self._pause()
                return
            try:
                sock, name = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    descriptors.run_out()
                self._pause()
                return
            sock.setblocking(False)
            descriptors.accepted(sock.fileno())
            self._accepted(sock, (name[0], name[1]))
            if self._closed or not _is_readable(self._socket):
                return

    def _pause(self) -> None:
        """Leave clients in the backlog until there may be descriptors and memory again."""
        self._io.loop.remove_reader(self._socket.fileno())
        self._io.loop.call_later(_RETRY_DELAY, self._watch)


def _is_readable(sock: socket.socket) -> bool:
    """Return False if `accept` would find no client, which costs it ten times as much as a poll."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def bind(
    io: Io,
    host: str,
    port: int,
    kind: int,
    prepare: Callable[[socket.socket], None] = lambda sock: None,
) -> socket.socket:
    """Return a socket of a kind that is bound to an address, and listens if it is of streams.

    `prepare` sets the options that it needs before it is bound.

    Raises:
        OSError: the address cannot be bound.
    """
    sock = new_socket(host, kind)
    try:
        io.descriptors.check_listener(sock.fileno())
        prepare(sock)
        if _is_loopback(host) and _loopback_is_down(sock):
            # It can be bound, but nobody can connect to it.
            raise OSError(errno.ENETDOWN, "the loopback interface is down")
        if kind == socket.SOCK_STREAM:
            # With UDP, two sockets could then bind the same address.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            set_options(sock)
            sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    except OverflowError as error:
        sock.close()
        raise OSError(errno.EINVAL, str(error)) from None
    return sock


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host == "::1"


def _loopback_is_down(sock: socket.socket) -> bool:
    """Return whether Linux says so, as in a network namespace that is new."""
    if fcntl is None or sys.platform != "linux":
        return False
    request = struct.pack("16sh14x", b"lo", 0)
    try:
        answer = fcntl.ioctl(sock.fileno(), _SIOCGIFFLAGS, request)
    except OSError:
        return False
    return not struct.unpack("16sh14x", answer)[1] & _IFF_UP


def new_socket(host: str, kind: int) -> socket.socket:
    """Return a socket of a kind, of the address family of an IP literal.

    Raises:
        OSError: there is no such socket, or `host` is a name.
    """
    family = literal(host)
    if family is None:
        raise OSError(errno.EINVAL, f"{host!r} is not an address")
    return socket.socket(family, kind)
