"""Listening sockets: accept, pause when descriptors run out, fall back where a VIP cannot be."""

from __future__ import annotations

import errno
import socket

from norouter_core.agent.resolve import literal
from norouter_core.agent.tcp import set_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.io import Io

_BACKLOG = 1024
_ACCEPTS = 64
"""Connections taken in one go, so that a flood does not hold up running streams."""
_PAUSE = 0.2
"""Seconds to wait for descriptors when there are none left."""


class Listener:
    """A bound address; what arrives goes to `accepted(socket, peer)`.

    `address` is where it listens in truth. `fallback` is True where the wanted address is not
    this machine's (127.0.42.101 on macOS, say) and a free port of 127.0.0.1 was taken instead.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        io: Io,
        host: str,
        port: int,
        accepted: Callable[[socket.socket, tuple[str, int]], None],
    ) -> None:
        self._io = io
        self._accepted = accepted
        self._closed = False
        self.fallback = False
        try:
            self._socket = _bind(host, port)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or literal(host) != socket.AF_INET:
                raise
            self._socket = _bind("127.0.0.1", 0)
            self.fallback = True
        name = self._socket.getsockname()
        self.address: tuple[str, int] = (name[0], name[1])
        self._watch()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._io.loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _watch(self) -> None:
        if not self._closed:
            self._io.loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            if self._closed:
                return
            try:
                sock, name = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Out of descriptors or memory: the client waits in the backlog meanwhile.
                self._io.loop.remove_reader(self._socket.fileno())
                self._io.loop.call_later(_PAUSE, self._watch)
                return
            self._accepted(sock, (name[0], name[1]))


def _bind(host: str, port: int) -> socket.socket:
    family = literal(host)
    if family is None:
        raise OSError(errno.EINVAL, f"{host!r} is not an address")
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        set_options(sock)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except (OSError, OverflowError) as error:
        sock.close()
        raise error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error)) from None
    return sock
