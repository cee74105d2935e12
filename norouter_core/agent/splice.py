"""Splicing: joining the sockets of two streams of one link on their host (SPEC.md section 11).

The hub relays between the two streams, and still relays what is under way. Each direction ends with
an EOF on the link, which follows the last byte.
"""

from __future__ import annotations

from norouter_core.agent.ends import End
from norouter_core.agent.tcp import TcpEnd
from norouter_core.wire import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.agent.wire_end import WireEnd


class Splice:
    """Takes over the sockets of two streams, `one` and `other`, which the hub has joined.

    From then on no socket is read until all earlier bytes have been written to the other one, so
    that no byte overtakes another. The two directions are independent. Call `abandon` when a socket
    has ended by anything but an orderly close.
    """

    def __init__(self, one: WireEnd, other: WireEnd) -> None:
        first, second = _Side(self, one), _Side(self, other)
        first.twin, second.twin = second, first
        self._sides = (first, second)
        for side in self._sides:
            side.socket.peer = _SocketPeer(side)
            side.wire.peer = _WirePeer(side)
        for side in self._sides:
            # Earlier bytes go first; an ending stream has no room for its socket.
            side.wire.end()
        for side in self._sides:
            if side.wire.stream.state in _RECEIVED_EOF:
                side.hand_over()

    def abandon(self, code: str, reason: str) -> None:
        """Reset what is left of the streams and the sockets."""
        for side in self._sides:
            side.wire.reset(code, reason)
            side.socket.reset(code, reason)

    def join_if_done(self) -> None:
        """Join the sockets without anything between them once both are `direct`."""
        first, second = self._sides
        if first.direct and second.direct:
            first.socket.peer, second.socket.peer = second.socket, first.socket


_RECEIVED_EOF = (states.HALF_CLOSED_REMOTE, states.CLOSED)


class _Side:
    """One socket and its stream; once `direct`, its twin's socket writes to it."""

    __slots__ = ("direct", "socket", "splice", "twin", "wire")

    twin: _Side

    def __init__(self, splice: Splice, wire: WireEnd) -> None:
        sock = socket_of(wire)
        assert sock is not None
        self.splice = splice
        self.wire = wire
        self.socket = sock
        self.direct = False

    def hand_over(self) -> None:
        """Note that all that the link brought for this socket has been written to it."""
        if self.direct:
            return
        self.direct = True
        source = self.twin.socket
        self.splice.join_if_done()
        if source.received_eof:
            # The link's EOF does not say whether the source had ended; its socket does.
            self.socket.end()
        else:
            source.wake()


class _SocketPeer(End):
    """What a socket is joined to.

    What is read goes to the twin's socket once that is `direct`. Until this side is `direct`,
    what is written comes from the stream.
    """

    __slots__ = ("_side",)

    def __init__(self, side: _Side) -> None:
        super().__init__()
        self._side = side

    def send(self, data: memoryview) -> None:
        self._side.twin.socket.send(data)

    def end(self) -> None:
        # An end is read, and nothing is read before the twin is direct.
        self._side.twin.socket.end()

    def room(self) -> int:
        twin = self._side.twin
        return twin.socket.room() if twin.direct else 0

    def reset(self, code: str, reason: str) -> None:
        self._side.splice.abandon(code, reason)

    def wake(self) -> None:
        side = self._side
        if side.direct:
            side.twin.socket.wake()
        else:
            side.wire.wake()

    def consumed(self, size: int) -> None:
        if not self._side.direct:
            self._side.wire.consumed(size)


class _WirePeer(End):
    """What a stream is joined to, for the bytes that the hub had under way."""

    __slots__ = ("_side",)

    def __init__(self, side: _Side) -> None:
        super().__init__()
        self._side = side

    def send(self, data: memoryview) -> None:
        self._side.socket.send(data)

    def end(self) -> None:
        self._side.hand_over()

    def room(self) -> int:
        return self._side.socket.room()

    def reset(self, code: str, reason: str) -> None:
        self._side.splice.abandon(code, reason)

    def wake(self) -> None:
        """Do nothing: the stream has room, but nothing is read for it any more."""

    def consumed(self, size: int) -> None:
        """Do nothing: a socket needs no credit."""


def socket_of(wire: WireEnd) -> TcpEnd | None:
    """Return the connected socket that a stream's end is joined to.

    Return None if it is joined to something else, or the stream has ended.
    """
    sock = wire.peer
    if (
        not wire.stream.closed
        and isinstance(sock, TcpEnd)
        and sock.socket is not None
        and not sock.closed
    ):
        return sock
    return None
