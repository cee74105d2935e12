"""A stream of a link as one end of a stream."""

from __future__ import annotations

from norouter_core.agent.ends import DatagramEnd, End
from norouter_core.wire.limits import EARLY_WINDOW, MAX_DATA, QUANTUM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from norouter_core.wire.codes import Address
    from norouter_core.wire.connection import Connection
    from norouter_core.wire.stream import Stream

    class LinkSender(Protocol):
        """What an end needs of its link's `Mux`."""

        connection: Connection
        turn: WireEnd | None

        def send(self, end: WireEnd, data: memoryview) -> None: ...
        def consumed(self, stream: Stream, size: int) -> None: ...
        def schedule_flush(self) -> None: ...


class WireEnd(End):
    """A stream of a link as one end of a stream."""

    __slots__ = ("mux", "starved", "stream")

    def __init__(self, mux: LinkSender, stream: Stream) -> None:
        super().__init__()
        self.mux = mux
        self.stream = stream
        self.starved = False
        stream.owner = self

    def accept(self, peer: Address) -> None:
        """Answer an offered stream with the address that it now reaches."""
        if not self.stream.closed:
            self.mux.connection.accept(self.stream, {"peer": peer})
            self.mux.schedule_flush()

    def send(self, data: memoryview) -> None:
        self.mux.send(self, data)

    def end(self) -> None:
        self.mux.connection.end(self.stream)
        self.close_if_done()
        self.mux.schedule_flush()

    def reset(self, code: str, reason: str) -> None:
        if not self.stream.closed:
            self.mux.connection.reset(self.stream, code, reason)
            self.mux.schedule_flush()
            self._notify_closed(code, reason)

    def room(self) -> int:
        stream = self.stream
        room = stream.room
        if room <= 0:
            self.starved = True
            return 0
        mux = self.mux
        outbox = mux.connection.outbox
        if mux.turn is self:
            return min(room, QUANTUM if outbox.contended else MAX_DATA)
        if not outbox.idle:
            if outbox.only_control:
                # A small piece is copied and goes with those frames in one write, as the first
                # bytes of a stream go with its OPEN.
                return min(room, EARLY_WINDOW)
            outbox.wait_turn(stream)
            mux.schedule_flush()
            return 0
        return min(room, MAX_DATA)

    def wake(self) -> None:
        """Do nothing: what this end receives is bounded by its window."""

    def consumed(self, size: int) -> None:
        self.mux.consumed(self.stream, size)

    # -- called by the mux -----------------------------------------------------------------

    def on_writable(self) -> None:
        """Note that the window has grown."""
        if self.starved:
            self.starved = False
            if self.peer:
                self.peer.wake()

    def on_eof(self) -> None:
        if self.observer:
            self.observer.end_half_closed(self)
        if self.peer:
            self.peer.end()
        self.close_if_done()

    def on_reset(self, code: str, reason: str) -> None:
        if self.peer:
            self.peer.reset(code, reason)
        self._notify_closed(code, reason)

    def _notify_closed(self, code: str, reason: str) -> None:
        if self.observer:
            observer, self.observer = self.observer, None
            observer.end_closed(self, code, reason)

    def close_if_done(self) -> None:
        """Notify the observer if our EOF has ended the stream."""
        if self.stream.closed:
            self._notify_closed("closed", "")


class DatagramWireEnd(DatagramEnd, WireEnd):
    """A stream of datagrams of a link."""

    __slots__ = ()

    def send(self, data: memoryview) -> None:
        self.mux.connection.send_datagram(self.stream, data)
        self.mux.schedule_flush()

    def on_eof(self) -> None:
        # A UDP socket cannot be half-closed: see SPEC.md section 10.
        self.mux.connection.end(self.stream)
        self.mux.schedule_flush()
        super().on_eof()


def wire_end(mux: LinkSender, stream: Stream) -> WireEnd:
    """Return the end for a new stream, of the stream's kind."""
    return WireEnd(mux, stream) if stream.datagrams is None else DatagramWireEnd(mux, stream)
