"""UDP sockets as ends of streams of datagrams (SPEC.md section 10)."""

from __future__ import annotations

import errno
import socket
from collections import OrderedDict

from norouter_core.agent.ends import DatagramEnd
from norouter_core.agent.io import error_text, reset_code
from norouter_core.agent.listen import bind, new_socket
from norouter_core.agent.resolve import failure_code, literal
from norouter_core.wire.backlog import DatagramQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from typing import Any

    from norouter_core.agent.descriptors import Descriptors
    from norouter_core.agent.io import Io
    from norouter_core.agent.loop import TimerLike
    from norouter_core.agent.resolve import Resolver
    from norouter_core.wire.codes import Address

IDLE_TIMEOUT = 30.0
"""Seconds without a datagram in either direction until a client's stream is reset."""
MAX_CLIENTS = 1024
"""Of one listener; a new client beyond it replaces the one that has been idle for longest."""
MAX_READS = 64
"""Datagrams read at one time, so that a flood does not delay everything else."""

_UNREACHABLE = frozenset(
    (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN)
)
"""Errors that concern the target; some come from an ICMP message for an earlier datagram. Any other
error concerns the one datagram, which is dropped."""


class UdpEnd(DatagramEnd):
    """A socket that is connected to a target, or waits for the look-up of its name."""

    __slots__ = ("_fatal", "_io", "_waiting", "closed", "socket")

    def __init__(self, io: Io, fatal: Container[int] = _UNREACHABLE) -> None:
        """`fatal` are the errors that end the stream."""
        super().__init__()
        self._io = io
        self._fatal = fatal
        self._waiting = DatagramQueue()
        self.closed = False
        self.socket: socket.socket | None = None

    def dial(self, resolver: Resolver, host: str, port: int) -> None:
        """Connect to a target; call this once, after `join`, since a failure resets the peer."""
        if literal(host) is not None:
            self._resolved([host], "", port)
        else:
            resolver.resolve(host, lambda found, why: self._resolved(found, why, port))

    def _resolved(self, addresses: list[str], error: str, port: int) -> None:
        if self.closed:
            return
        failure = (failure_code(error), error)
        for address in addresses:
            try:
                self.socket = _connected(self._io.descriptors, address, port)
            except OSError as trouble:
                failure = (reset_code(trouble), error_text(trouble))
                continue
            self._opened((address, port))
            return
        self._fail(*failure)

    def _opened(self, peer: Address) -> None:
        assert self.socket is not None
        self._io.loop.add_reader(self.socket.fileno(), self._read)
        if self.observer:
            self.observer.end_opened(self, peer)
        while len(self._waiting) and not self.closed:
            self.send(memoryview(self._waiting.pop()))

    # -- called by the other end -----------------------------------------------------------

    def send(self, data: memoryview) -> None:
        if self.closed:
            return
        if self.socket is None:
            self._waiting.push(bytes(data))
            return
        try:
            self.socket.send(data)
        except OSError as error:
            self._on_error(error)

    def end(self) -> None:
        if not self.closed:
            self._close("closed", "")
            if self.peer:
                self.peer.end()

    def reset(self, code: str, reason: str) -> None:
        self._close(code, reason)

    # -- from the socket -------------------------------------------------------------------

    def _read(self) -> None:
        for _ in range(MAX_READS):
            if self.closed:
                return
            assert self.socket is not None and self.peer is not None
            try:
                size = self.socket.recv_into(self._io.buffer)
            except OSError as error:
                self._on_error(error)
                return
            self.bytes_in += size
            self.peer.send(self._io.buffer[:size])

    def _on_error(self, error: OSError) -> None:
        if error.errno in self._fatal:
            self._fail(reset_code(error), error_text(error))
        elif self.socket is not None and not isinstance(error, BlockingIOError):
            # uvloop stops watching a descriptor at its first error, even one of a single datagram.
            self._io.loop.remove_reader(self.socket.fileno())
            self._io.loop.add_reader(self.socket.fileno(), self._read)

    def _fail(self, code: str, reason: str) -> None:
        if not self.closed:
            self._close(code, reason)
            if self.peer:
                self.peer.reset(code, reason)

    def _close(self, code: str, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self._waiting.clear()
        if self.socket is not None:
            self._io.loop.remove_reader(self.socket.fileno())
            self.socket.close()
        if self.observer:
            self.observer.end_closed(self, code, reason)


class UdpClient(DatagramEnd):
    """A client of a listener: the datagrams from and to its address."""

    __slots__ = ("_listener", "closed", "last_used", "name")

    def __init__(self, listener: UdpListener, name: tuple[Any, ...]) -> None:
        super().__init__()
        self._listener = listener
        self.name = name
        """What the listener knows it by."""
        self.closed = False
        self.last_used = 0.0
        """When the last datagram passed, by the loop's clock."""

    @property
    def local_address(self) -> Address:
        """The address that its datagrams are sent to."""
        return self._listener.address

    def send(self, data: memoryview) -> None:
        if not self.closed:
            self._listener.reply(self, self.name, data)

    def end(self) -> None:
        if not self.closed:
            self._close("closed", "")
            if self.peer:
                self.peer.end()

    def reset(self, code: str, reason: str) -> None:
        if not self.closed:
            self._close(code, reason)

    def receive(self, data: memoryview) -> None:
        """Pass on a datagram of this client."""
        if not self.closed and self.peer is not None:
            self.bytes_in += len(data)
            self.peer.send(data)

    def close(self, code: str, reason: str) -> None:
        """End the stream from this side."""
        if not self.closed:
            self._close(code, reason)
            if self.peer:
                self.peer.reset(code, reason)

    def _close(self, code: str, reason: str) -> None:
        self.closed = True
        self._listener.remove(self.name)
        if self.observer:
            self.observer.end_closed(self, code, reason)


class UdpListener:
    """A bound address; each new client is passed to `arrived(client, peer)`.

    That joins or resets it at once. `address` is the bound one; `idle_timeout` is in
    seconds.

    Raises:
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        io: Io,
        host: str,
        port: int,
        arrived: Callable[[UdpClient, Address], None],
        *,
        idle_timeout: float = IDLE_TIMEOUT,
        max_clients: int = MAX_CLIENTS,
    ) -> None:
        self._io = io
        self._arrived = arrived
        self._idle = idle_timeout
        self._most = max_clients
        self._closed = False
        self._clients: OrderedDict[tuple[Any, ...], UdpClient] = OrderedDict()
        self._timer: TimerLike | None = None
        self._socket = self._bind(host, port)
        name = self._socket.getsockname()
        self.address: Address = (name[0], name[1])
        io.loop.add_reader(self._socket.fileno(), self._read)

    def _bind(self, host: str, port: int) -> socket.socket:
        return bind(self._io, host, port, socket.SOCK_DGRAM)

    def close(self) -> None:
        """Close the socket, and reset the streams that use it."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for client in list(self._clients.values()):
            client.close("unpublished", "the port is no longer published")
        self._io.loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def reply(self, client: UdpClient, name: tuple[Any, ...], data: memoryview) -> None:
        """Send a datagram to a client, from the bound address."""
        self._mark_used(client, name)
        try:
            self._socket.sendto(data, name)
        except OSError:
            pass  # the datagram is lost, as any may be

    def remove(self, name: tuple[Any, ...]) -> None:
        """Forget a client whose stream has ended."""
        self._clients.pop(name, None)

    def _read(self) -> None:
        buffer = self._io.buffer
        for _ in range(MAX_READS):
            if self._closed:
                return
            try:
                size, name = self._socket.recvfrom_into(buffer)
            except OSError:
                return  # there is no more, or an earlier reply has failed
            self._receive(name, buffer[:size])

    def _receive(self, name: tuple[Any, ...], data: memoryview) -> None:
        """Pass a datagram on to the stream of a client."""
        client = self._clients.get(name) or self._add_client(name)
        if client is not None:
            self._mark_used(client, name)
            client.receive(data)

    def _add_client(self, name: tuple[Any, ...]) -> UdpClient | None:
        if len(self._clients) >= self._most:
            oldest = next(iter(self._clients.values()))
            oldest.close("idle", f"{self._most} other clients have used the port since")
        client = self._clients[name] = UdpClient(self, name)
        self._mark_used(client, name)
        if self._timer is None:
            self._timer = self._io.loop.call_later(self._idle, self._expire)
        self._arrived(client, (name[0], name[1]))
        return None if client.closed else client

    def _mark_used(self, client: UdpClient, name: tuple[Any, ...]) -> None:
        client.last_used = self._io.loop.time()
        self._clients.move_to_end(name)

    def _expire(self) -> None:
        self._timer = None
        now = self._io.loop.time()
        for client in list(self._clients.values()):
            left = client.last_used + self._idle - now
            if left > 0:
                self._timer = self._io.loop.call_later(left, self._expire)
                return
            client.close("idle", f"no datagram for {self._idle:g} s")


def _connected(descriptors: Descriptors, address: str, port: int) -> socket.socket:
    sock = new_socket(address, socket.SOCK_DGRAM)
    try:
        descriptors.check(sock.fileno())
        sock.setblocking(False)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock
