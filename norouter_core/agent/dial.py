"""Connecting a socket to a target, by name or address (happy eyeballs, RFC 8305)."""

from __future__ import annotations

import errno
import math
import os
import socket

from norouter_core.agent.io import error_text, reset_code
from norouter_core.agent.resolve import failure_code, literal
from norouter_core.agent.tcp import TcpEnd, set_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.agent.io import Io
    from norouter_core.agent.loop import TimerLike
    from norouter_core.agent.resolve import Resolver

_TIMEOUT = 30.0
"""Seconds for a whole dial, look-up included."""
_LATE = 0.2
"""Seconds by which a timer is late in a process that stood still (suspended, stopped, swapped)."""
_STAGGER = 0.25
"""Seconds until the next address is tried beside one that has not answered (RFC 8305 s. 5)."""


_IN_PROGRESS = frozenset(
    (errno.EINPROGRESS, errno.EALREADY, errno.EINTR, errno.EAGAIN, errno.EWOULDBLOCK)
)


class Dial:
    """One dial; it calls `end.connected` or `end.failed`, exactly once."""

    __slots__ = ("_addresses", "_end", "_error", "_io", "_port", "_sockets", "_timeout", "_timers")

    def __init__(
        self,
        io: Io,
        resolver: Resolver,
        end: TcpEnd,
        host: str,
        port: int,
        *,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._io = io
        self._end: TcpEnd | None = end
        self._port = port
        self._timeout = timeout
        self._addresses: list[str] = []
        self._sockets: list[socket.socket] = []
        self._error: tuple[str, str] = ("unreachable", "no address to dial")
        self._timers: list[TimerLike] = []
        end.dialling = self
        if literal(host) is not None:
            self._addresses.append(host)
            self._next()
        elif host.lower() == "localhost":
            # Always loopback (RFC 6761), and not every container can look it up.
            self._resolved(["127.0.0.1", "::1"], "")
        else:
            resolver.resolve(host, self._resolved)
        if self._end is not None:
            # Most dials are over by now, and a timer that is cancelled stays until it is due.
            due = io.loop.time() + timeout
            self._timers.append(io.loop.call_later(timeout, self._timed_out, due))

    def cancel(self) -> None:
        """Stop without a call."""
        # A target that has accepted already sees its client's reset: see `set_options`.
        self._end = None
        self._clean_up()

    def _resolved(self, addresses: list[str], error: str) -> None:
        if self._end is None:
            return
        if not addresses:
            self._fail(failure_code(error), error)
            return
        self._addresses = _interleave(addresses)
        self._next()

    def _next(self) -> None:
        """Try the next address, while earlier ones may still answer."""
        while self._end is not None and self._addresses:
            address = self._addresses.pop(0)
            if self._start(address):
                if self._addresses:
                    self._timers.append(self._io.loop.call_later(_STAGGER, self._next))
                return
        if self._end is not None and not self._sockets:
            self._fail(*self._error)

    def _start(self, address: str) -> bool:
        """Begin to connect; return False if that fails at once."""
        sock = None
        try:
            family = literal(address)
            sock = socket.socket(family or socket.AF_INET, socket.SOCK_STREAM)
            self._io.descriptors.check(sock.fileno())
            sock.setblocking(False)
            set_options(sock)
            status = sock.connect_ex((address, self._port))
            if status == errno.EINPROGRESS:
                # To an address of this machine the handshake is over by now. A second call saves
                # an iteration of the loop, and reports a refusal at once.
                status = sock.connect_ex((address, self._port))
        except OSError as error:
            self._record_error(error)
            if sock is not None:
                sock.close()
            return False
        if status in (0, errno.EISCONN):
            self._succeed(sock, address)
            return True
        if status not in _IN_PROGRESS:
            sock.close()
            self._record_error(OSError(status, os.strerror(status)))
            return False
        self._sockets.append(sock)
        self._io.loop.add_writer(sock.fileno(), self._writable, sock, address)
        return True

    def _writable(self, sock: socket.socket, address: str) -> None:
        self._io.loop.remove_writer(sock.fileno())
        self._sockets.remove(sock)
        status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if status == 0:
            self._succeed(sock, address)
            return
        sock.close()
        self._record_error(OSError(status, os.strerror(status)))
        self._next()

    def _record_error(self, error: OSError) -> None:
        code = reset_code(error)
        # That one address has no service tells more than that there is no way to another.
        if self._error[0] != "refused" or code != "unreachable":
            self._error = (code, error_text(error))

    def _succeed(self, sock: socket.socket, address: str) -> None:
        end, self._end = self._end, None
        self._clean_up()
        if end is None:
            sock.close()
        else:
            end.connected(sock, (address, self._port))

    def _fail(self, code: str, reason: str) -> None:
        end, self._end = self._end, None
        self._clean_up()
        if end is not None:
            end.dialling = None
            end.failed(code, reason)

    def _timed_out(self, due: float) -> None:
        if self._io.loop.time() - due > _LATE:
            # This process stood still, and has not looked for an answer yet. Once is enough.
            self._timers.append(self._io.loop.call_later(_LATE, self._timed_out, math.inf))
            return
        self._fail("timeout", f"no answer within {self._timeout:g} s")

    def _clean_up(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for sock in self._sockets:
            self._io.loop.remove_writer(sock.fileno())
            sock.close()
        self._sockets.clear()


def _interleave(addresses: list[str]) -> list[str]:
    """Return IPv6 and IPv4 in turn, the resolver's first choice first (RFC 8305 section 4)."""
    first = [a for a in addresses if (":" in a) == (":" in addresses[0])]
    second = [a for a in addresses if (":" in a) != (":" in addresses[0])]
    order = []
    for index in range(max(len(first), len(second))):
        order += first[index : index + 1] + second[index : index + 1]
    return order
