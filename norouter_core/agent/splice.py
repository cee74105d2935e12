"""Joining two streams of one link where both of their sockets are: here (SPEC.md section 11).

The hub relays between the two and goes on doing so for what is on its way. Each way has an end of
its own: EOF on the link, which says "no more by this stream" and travels behind the last byte.
"""

from __future__ import annotations

from norouter_core.agent.ends import End
from norouter_core.agent.tcp import TcpEnd
from norouter_core.wire import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.agent.mux import WireEnd


class Splice:
    """Takes over the sockets of two streams, `one` and `other`, which the hub has joined.

    From here on neither socket is read until all that went before has been written to the other
    one: no byte can overtake another. The two ways are independent. `abandon` is to be called
    when a socket has ended by anything but an orderly close.
    """

    def __init__(self, one: WireEnd, other: WireEnd) -> None:
        first, second = _Side(self, one), _Side(self, other)
        first.twin, second.twin = second, first
        self._sides = (first, second)
        for side in self._sides:
            side.socket.peer = _SocketPeer(side)
            side.wire.peer = _WirePeer(side)
        for side in self._sides:
            # What was read before goes first; a stream that is ending gives its socket no room.
            side.wire.end()
        for side in self._sides:
            if side.wire.stream.state in _RECEIVED_EOF:
                side.hand_over()

    def abandon(self, code: str, reason: str) -> None:
        """Resets what is left of the streams and of the sockets."""
        for side in self._sides:
            side.wire.reset(code, reason)
            side.socket.reset(code, reason)

    def join_if_done(self) -> None:
        """Once both ways have been handed over, nothing needs to stand in between any more."""
        first, second = self._sides
        if first.direct and second.direct:
            first.socket.peer, second.socket.peer = second.socket, first.socket


_RECEIVED_EOF = (states.HALF_CLOSED_REMOTE, states.CLOSED)


class _Side:
    """One socket, the stream that it had, and whether it is written to by its twin's socket."""

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
        """All that came for this socket by the link has been written to it."""
        if self.direct:
            return
        self.direct = True
        source = self.twin.socket
        self.splice.join_if_done()
        if source.received_eof:
            # The end that was seen before it was spliced, or the one that made it so: for the
            # link there is no difference, for the socket there is.
            self.socket.end()
        else:
            source.wake()


class _SocketPeer(End):
    """What a socket is joined to: for reading its twin's socket, once that is `direct`; for
    writing the stream, until this is."""

    __slots__ = ("_side",)

    def __init__(self, side: _Side) -> None:
        super().__init__()
        self._side = side

    def send(self, data: memoryview) -> None:
        self._side.twin.socket.send(data)

    def end(self) -> None:
        # Only what is read tells of an end, and nothing is read before the twin is direct.
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
    """What a stream is joined to: it still brings what the hub had under way."""

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
        """The stream has room: nothing is read for it any more."""

    def consumed(self, size: int) -> None:
        """A socket needs no credit."""


def socket_of(wire: WireEnd) -> TcpEnd | None:
    """The connected socket that a stream's end is joined to; None where there is no such, or where
    the stream has ended."""
    sock = wire.peer
    if (
        not wire.stream.closed
        and isinstance(sock, TcpEnd)
        and sock.socket is not None
        and not sock.closed
    ):
        return sock
    return None
