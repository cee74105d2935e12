"""A link's I/O: one `Connection` over one `Channel`, on a loop, for hub and agent alike."""

from __future__ import annotations

from itertools import islice

from norouter_core.agent.ends import DatagramEnd, End
from norouter_core.wire import events, messages, states
from norouter_core.wire.connection import AGENT, HUB
from norouter_core.wire.errors import LocalProtocolError, RemoteProtocolError
from norouter_core.wire.heartbeat import Heartbeat
from norouter_core.wire.limits import EARLY_WINDOW, MAX_DATA, QUANTUM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from norouter_core.agent.channel import Channel
    from norouter_core.agent.io import Io
    from norouter_core.wire.codes import Address
    from norouter_core.wire.connection import Connection
    from norouter_core.wire.events import Event
    from norouter_core.wire.frames import Buffer
    from norouter_core.wire.messages import Json
    from norouter_core.wire.stream import Stream

    class LinkHandler(Protocol):
        """Who is behind a link: the agent's main object, or the hub's link."""

        def link_message(self, kind: str, body: Json) -> None:
            """A request, a result, or an event other than the heartbeat's.

            Raises:
                RemoteProtocolError: it is malformed; ends the link.
            """
            ...

        def link_offer(self, end: WireEnd, detail: Json) -> None:
            """The peer opened a stream: to be joined and accepted, or reset.

            Raises:
                RemoteProtocolError: `detail` is malformed; ends the link.
            """
            ...

        def link_down(self, reason: str, error: RemoteProtocolError | None) -> None:
            """The link has ended; its streams have been reset. Called once."""
            ...


_MAX_BUFFERS = 512
"""Buffers in one write: below the IOV_MAX of every system (1024 on most)."""
_MAX_TURNS = 32
"""Turns of streams that are written before the rest of the loop has its own."""
_CLOSE_TIMEOUT = 2.0
"""Seconds that an orderly end waits for what is queued to be written."""


class Mux:
    """Reads, dispatches and writes one link; owns its heartbeat.

    Nothing here waits: reading goes on while writing is blocked, and a link that does not take
    what is written to it holds up its own streams only.
    """

    def __init__(
        self, io: Io, connection: Connection, channel: Channel, handler: LinkHandler
    ) -> None:
        self.connection = connection
        connection.outbox.cause = io.cause
        self.turn: WireEnd | None = None
        """The end whose turn it is to send, during the call of its peer's `wake`."""
        self.heartbeat: Heartbeat | None = None
        self.silence: float | None = None
        """Seconds of silence that the link was given up for."""
        self._io = io
        self._channel = channel
        self._handler = handler
        self._buffer = memoryview(bytearray(MAX_DATA))
        self._flush_scheduled = False
        self._watching_writes = False
        self._down = False
        self._write_ended = False
        self._ending: Callable[[], None] | None = None
        self._tick_timer: Any = None

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        self._io.loop.add_reader(self._channel.read_fd, self._readable)

    def start_heartbeat(self, interval: float) -> None:
        """Begins to ping, and to demand signs of life, every `interval` seconds."""
        self.heartbeat = Heartbeat(interval, self._io.loop.time())
        self._tick()

    def close_gracefully(self, done: Callable[[], None]) -> None:
        """Ends in an orderly way: `bye`, what is queued, then the end of our side; then `done`.

        Bounded by 2 s: a link that takes nothing is not waited for.
        """
        if self._down or self._ending is not None:
            done()
            return
        self._ending = done
        self.message(messages.event("bye", {}))
        self._io.loop.call_later(_CLOSE_TIMEOUT, self._finish_closing)
        self.schedule_flush()

    def close(self, reason: str) -> None:
        """Ends the link now; every stream of it is reset with `gone`."""
        self._end(reason, None)

    def _finish_closing(self) -> None:
        if self._ending is not None and not self._down:
            done, self._ending = self._ending, None
            self._watch_writing(False)
            self._write_ended = True
            self._channel.end_writing()
            done()

    def _end(self, reason: str, error: RemoteProtocolError | None) -> None:
        if self._down:
            return
        self._down = True
        loop = self._io.loop
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        loop.remove_reader(self._channel.read_fd)
        self._watch_writing(False)
        self._channel.close()
        for stream in list(self.connection.streams.values()):
            self._reset_with_link(stream, reason)
        self.connection.streams.clear()
        ending, self._ending = self._ending, None
        if ending is not None:
            ending()
        self._handler.link_down(reason, error)

    def _reset_with_link(self, stream: Stream, reason: str) -> None:
        """Ends a stream together with its link."""
        self.connection.streams.pop(stream.id, None)
        if stream.owner is not None and not stream.closed:
            stream.state = states.CLOSED
            stream.owner.on_reset("gone", reason)

    def _tick(self) -> None:
        heartbeat = self.heartbeat
        assert heartbeat is not None
        now = self._io.loop.time()
        if heartbeat.is_silent(now):
            self.silence = now - heartbeat.last_heard
            self._end(f"nothing was heard for {self.silence:.0f} s", None)
            return
        # Behind so many other frames a ping would measure nothing, and only add to them.
        if not self.connection.outbox.full:
            told = heartbeat.round_trip if self.connection.role == HUB else None
            data = {"n": heartbeat.ping(now), "rtt": told}
            self.message(messages.event("ping", data))
        self.schedule_flush()
        self._tick_timer = self._io.loop.call_later(heartbeat.next_due(now), self._tick)

    # -- sending ---------------------------------------------------------------------------

    def message(self, message: Json) -> None:
        """Queues a message made by `messages`, and sees to it that it goes."""
        if not self._down:
            self.connection.message(message)
            self.schedule_flush()

    def open(self, detail: Json) -> WireEnd:
        """Opens a stream (SPEC.md section 4); the end is to be joined at once."""
        end = wire_end(self, self.connection.open(detail))
        if self._down:
            # The link has just ended, and not everybody has been told yet.
            self._io.loop.call_soon(self._reset_with_link, end.stream, "the link has ended")
        self.schedule_flush()
        return end

    def send(self, end: WireEnd, data: memoryview) -> None:
        """Writes a stream's bytes past the queues if nothing else waits, or queues them."""
        connection, stream = self.connection, end.stream
        if self._down or self._write_ended or stream.closed or stream.ending:
            return
        header = connection.begin_direct_write(stream, len(data), self.turn is end)
        if header is None:
            connection.send(stream, data)
            self.schedule_flush()
            return
        written = self._write([header, data])
        if written < len(header):
            connection.outbox.writing.append(header[written:])
            written = len(header)
        rest = data[written - len(header) :]
        if rest:
            connection.outbox.writing.append(bytes(rest))
        if end.peer is not None:
            end.peer.consumed(len(data))

    def consumed(self, stream: Stream, size: int) -> None:
        connection = self.connection
        connection.consumed(stream, size, self._io.loop.time())
        if not connection.outbox.clear:
            self.schedule_flush()

    def schedule_flush(self) -> None:
        """Sees to it that what is queued is written, soon: after the current callback, so that
        what it queues goes in one write."""
        if not (self._flush_scheduled or self._watching_writes or self._down or self._write_ended):
            self._flush_scheduled = True
            self._io.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Writes until nothing is queued or the descriptor takes no more."""
        self._flush_scheduled = False
        outbox = self.connection.outbox
        # Bounded: with sources and a descriptor that are both fast this would never end, and
        # nothing else of this loop would have its turn.
        for _ in range(_MAX_TURNS):
            if self._down or self._write_ended:
                return
            if not outbox.writing and not self._refill():
                break
            if outbox.writing:
                written = self._write(list(islice(outbox.writing, _MAX_BUFFERS)))
                if not written:
                    return
                outbox.written(written)
                if outbox.idle:
                    break
        if outbox.idle:
            self._watch_writing(False)
            if self._ending is not None:
                self._finish_closing()
        elif not self._down:
            self._watch_writing(True)

    def _refill(self) -> bool:
        """Frame what comes next; return False if there is nothing."""
        if not self._check_backlog():
            return False
        outbox = self.connection.outbox
        sent: list[tuple[Stream, int]] = []
        turn = outbox.fill(sent)
        for stream, size in sent:
            try:
                self._on_drained(stream, size)
            except Exception as error:
                self._report_fault(stream, error)
        if turn is not None and turn.owner is not None:
            self.turn = turn.owner
            try:
                turn.owner.peer.wake()
            except Exception as error:
                self._report_fault(turn, error)
            finally:
                self.turn = None
            return True
        return not outbox.idle

    def _on_drained(self, stream: Stream, size: int) -> None:
        """`size` bytes of a stream's backlog have left."""
        self.connection.on_drained(stream)
        owner = stream.owner
        if owner is None:
            return
        if owner.peer is not None:
            owner.peer.consumed(size)
        owner.close_if_done()

    def _report_fault(self, stream: Stream | None, error: Exception) -> None:
        """Report an internal error, and end the one stream that it hit.

        Raised further, it would cost the other streams of the batch their credit, and they would
        stall forever.
        """
        what = "a message" if stream is None else f"stream {stream.id}"
        context = {"message": f"{what} of a link", "exception": error}
        self._io.loop.call_exception_handler(context)
        if stream is not None:
            self._io.loop.call_soon(self._abandon, stream)

    def _abandon(self, stream: Stream) -> None:
        owner = stream.owner
        if owner is not None:
            peer = owner.peer
            owner.reset("internal", "internal error")
            if peer is not None:
                peer.reset("internal", "internal error")

    def _check_backlog(self) -> bool:
        """False where the peer causes frames and reads none: the link has ended then."""
        try:
            self.connection.outbox.check_backlog()
        except RemoteProtocolError as violation:
            self._end(str(violation), violation)
            return False
        return True

    def _write(self, buffers: list[Buffer]) -> int:
        try:
            written = self._channel.write(buffers)
        except (BlockingIOError, InterruptedError):
            written = 0
        except OSError as error:
            # Not from in here: the caller may be in the middle of a stream's work.
            self._io.loop.call_soon(self._end, f"writing failed: {error.strerror}", None)
            self._io.loop.remove_reader(self._channel.read_fd)
            return 0
        if written < sum(map(len, buffers)):
            self._watch_writing(True)
        return written

    def _watch_writing(self, on: bool) -> None:
        if on != self._watching_writes:
            self._watching_writes = on
            if on:
                self._io.loop.add_writer(self._channel.write_fd, self._flush)
            else:
                self._io.loop.remove_writer(self._channel.write_fd)

    # -- receiving -------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            size = self._channel.read(self._buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(f"reading failed: {error.strerror}", None)
            return
        self.received(self._buffer[:size])

    def received(self, data: memoryview) -> None:
        """Dispatches what was read; no bytes at all are the end of the link."""
        if not data:
            for event in self.connection.receive_eof():
                self._dispatch(event)
            self._end("the other side closed the link", None)
            return
        if self.heartbeat is not None:
            self.heartbeat.heard(self._io.loop.time())
        cause = self._io.cause
        cause.source = self.connection.outbox.source
        try:
            for event in self.connection.receive(data):
                if self._down:
                    return
                try:
                    self._dispatch(event)
                except RemoteProtocolError as error:
                    self._end(str(error), error)
                except LocalProtocolError as error:
                    self._report_fault(getattr(event, "stream", None), error)
        finally:
            cause.source = None
        if self._watching_writes:
            self._check_backlog()
        elif not self.connection.outbox.idle:
            self._flush()

    def _dispatch(self, event: Event) -> None:
        _DISPATCH[type(event)](self, event)

    def _data(self, event: events.Data) -> None:
        end: WireEnd = event.stream.owner
        if end.peer is not None:
            end.bytes_in += len(event.view)
            end.peer.send(event.view)

    def _datagram(self, event: events.Datagram) -> None:
        end: WireEnd = event.stream.owner
        if end.peer is not None:
            end.bytes_in += len(event.data)
            end.peer.send(memoryview(event.data))

    def _writable(self, event: events.Writable) -> None:
        event.stream.owner.on_writable()

    def _ended(self, event: events.Ended) -> None:
        event.stream.owner.on_eof()

    def _reset(self, event: events.Reset) -> None:
        event.stream.owner.on_reset(event.code, event.reason)

    def _broken(self, event: events.Broken) -> None:
        self._end(str(event.error), event.error)

    def _opened(self, event: events.Opened) -> None:
        if event.offered:
            self._handler.link_offer(wire_end(self, event.stream), event.detail)
            return
        end: WireEnd = event.stream.owner
        if end.observer:
            end.observer.end_opened(end, messages.address(event.detail.get("peer")))
        end.on_writable()

    def _message(self, event: events.Message) -> None:
        body = event.body
        name = body.get("type") if event.kind == "event" else None
        if name == "ping":
            data = messages.field(body, "data", dict)
            if not isinstance(data.get("rtt"), (float, int, type(None))):
                raise RemoteProtocolError("json", "'rtt' is not a number")
            self.message(messages.event("pong", {"n": messages.field(data, "n", int)}))
            if self.connection.role == AGENT:
                self._set_round_trip(data.get("rtt"))
        elif name == "pong":
            number = messages.field(messages.field(body, "data", dict), "n", int)
            if self.heartbeat is not None:
                self.heartbeat.pong(number, self._io.loop.time())
                if self.connection.role == HUB:
                    self._set_round_trip(self.heartbeat.round_trip)
        else:
            self._handler.link_message(event.kind, body)

    def _set_round_trip(self, seconds: float | None) -> None:
        if seconds is not None:
            # A peer that tells nonsense must not make windows of any size.
            self.connection.round_trip = min(max(0.0, seconds), 5.0)


_DISPATCH: dict[type, Callable[..., None]] = {
    events.Data: Mux._data,
    events.Datagram: Mux._datagram,
    events.Message: Mux._message,
    events.Opened: Mux._opened,
    events.Writable: Mux._writable,
    events.Ended: Mux._ended,
    events.Reset: Mux._reset,
    events.Broken: Mux._broken,
}


class WireEnd(End):
    """One stream of a link as one end of a stream."""

    __slots__ = ("mux", "starved", "stream")

    def __init__(self, mux: Mux, stream: Stream) -> None:
        super().__init__()
        self.mux = mux
        self.stream = stream
        self.starved = False
        stream.owner = self

    def accept(self, peer: Address) -> None:
        """Answers an offered stream with the address that it now reaches."""
        if not self.stream.closed:
            self.mux.connection.accept(self.stream, {"peer": list(peer)})
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
                # Little enough to be copied, and to go with the frames before it in one write: the
                # first bytes of a stream go with its OPEN.
                return min(room, EARLY_WINDOW)
            outbox.wait_turn(stream)
            mux.schedule_flush()
            return 0
        return min(room, MAX_DATA)

    def wake(self) -> None:
        """What came is bounded by its window: this end has nothing that waits for room."""

    def consumed(self, size: int) -> None:
        self.mux.consumed(self.stream, size)

    # -- called by the mux -----------------------------------------------------------------

    def on_writable(self) -> None:
        """The window has grown."""
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
        """To be called when our own EOF may have been the last of the stream."""
        if self.stream.closed:
            self._notify_closed("closed", "")


class DatagramWireEnd(DatagramEnd, WireEnd):
    """One stream of datagrams of a link."""

    __slots__ = ()

    def send(self, data: memoryview) -> None:
        self.mux.connection.send_datagram(self.stream, data)
        self.mux.schedule_flush()

    def on_eof(self) -> None:
        # A half that is left is of no use: see SPEC.md section 10.
        self.mux.connection.end(self.stream)
        self.mux.schedule_flush()
        super().on_eof()


def wire_end(mux: Mux, stream: Stream) -> WireEnd:
    """The end for a new stream, of the stream's kind."""
    return WireEnd(mux, stream) if stream.datagrams is None else DatagramWireEnd(mux, stream)
