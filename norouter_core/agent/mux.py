"""The I/O of a link: a `Connection` over a `Channel`, for the hub and for agents."""

from __future__ import annotations

from itertools import islice

from norouter_core.agent.turns import Allowance, TurnQueue, run_turn
from norouter_core.agent.wire_end import WireEnd, wire_end
from norouter_core.wire import events, messages, states
from norouter_core.wire.connection import AGENT, HUB
from norouter_core.wire.errors import LocalProtocolError, RemoteProtocolError
from norouter_core.wire.heartbeat import AGENT_TIMEOUT, HUB_TIMEOUT, Heartbeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from norouter_core.agent.channel import Channel
    from norouter_core.agent.io import Io
    from norouter_core.wire.connection import Connection
    from norouter_core.wire.events import Event
    from norouter_core.wire.frames import Buffer
    from norouter_core.wire.messages import Json
    from norouter_core.wire.stream import Stream

    class LinkHandler(Protocol):
        """What a `Mux` calls: the agent's main object, or the hub's link."""

        def link_message(self, kind: str, body: Json) -> Iterator[None] | None:
            """Handle a request, a result, or an event other than the heartbeat's.

            Return the steps that are left to take before the next frame, if any.

            Raises:
                RemoteProtocolError: it is malformed, which ends the link.
            """
            ...

        def link_offer(self, end: WireEnd, detail: Json) -> None:
            """Handle a stream that the peer opened: join and accept it, or reset it.

            Raises:
                RemoteProtocolError: `detail` is malformed, which ends the link.
            """
            ...

        def link_refused(self, reason: str) -> None:
            """Note that a stream of the peer was refused, since there are too many."""
            ...

        def link_down(self, reason: str, error: RemoteProtocolError | None) -> None:
            """Note that the link has ended and its streams have been reset; called once."""
            ...


_MAX_BUFFERS = 512
"""Buffers in one write; IOV_MAX is larger on every system."""
_MAX_TURNS = 32
"""Turns of streams before the rest of the loop runs."""
_MESSAGE_RATE = 1024 * 1024
"""Bytes of JSON that the hub reads of an agent in a second: a message is decoded in one go."""
_CLOSE_TIMEOUT = 2.0
"""Seconds in which an orderly end must have written what is queued."""


class Mux:
    """Reads, dispatches and writes one link, and keeps its heartbeat.

    Nothing here blocks: reading goes on while writing cannot, and a link that takes nothing delays
    only its own streams. What the peer sends is handled in turns of about 2 ms, and nothing more is
    read between them, so that a peer that causes much work delays nobody else.
    """

    def __init__(
        self, io: Io, connection: Connection, channel: Channel, handler: LinkHandler
    ) -> None:
        self.connection = connection
        connection.outbox.cause = io.cause
        self.turn: WireEnd | None = None
        """The end whose turn it is to send, while its peer's `wake` runs."""
        self.heartbeat: Heartbeat | None = None
        self.silence: float | None = None
        """Seconds of silence after which the link was declared dead."""
        self._io = io
        self._channel = channel
        self._handler = handler
        self._buffer: memoryview | None = None
        """The buffer whose contents are being handled."""
        self._input: Iterator[object] = iter(())
        self._reading_paused = False
        self._messages = (
            Allowance(_MESSAGE_RATE, io.loop.time()) if connection.role == HUB else None
        )
        self._rest = 0.0
        """Seconds to wait before more input is handled."""
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
        """Begin to send pings, and to expect input, every `interval` seconds."""
        timeout = HUB_TIMEOUT if self.connection.role == HUB else AGENT_TIMEOUT
        self.heartbeat = Heartbeat(interval, self._io.loop.time(), timeout)
        self._tick()

    def close_gracefully(self, done: Callable[[], None]) -> None:
        """Send `bye` and what is queued, close our side, and call `done`.

        This takes at most 2 s, even if the link takes nothing.
        """
        if self._down or self._ending is not None:
            done()
            return
        self._ending = done
        self.message(messages.event("bye", {}))
        self._io.loop.call_later(_CLOSE_TIMEOUT, self._finish_closing)
        self.schedule_flush()

    def close(self, reason: str) -> None:
        """End the link now; its streams are reset with `gone`."""
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
        self._buffer = None
        loop = self._io.loop
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        loop.remove_reader(self._channel.read_fd)
        self._watch_writing(False)
        self._channel.close()
        ending, self._ending = self._ending, None
        if ending is not None:
            ending()
        TurnQueue(loop).add(self._reset_all(reason, error))

    def _reset_all(self, reason: str, error: RemoteProtocolError | None) -> Iterator[None]:
        """Reset all streams, in steps, since there may be thousands; then report the end."""
        for stream in list(self.connection.streams.values()):
            self._reset_with_link(stream, reason)
            yield
        self.connection.streams.clear()
        self._handler.link_down(reason, error)

    def _reset_with_link(self, stream: Stream, reason: str) -> None:
        """End a stream together with its link."""
        self.connection.streams.pop(stream.id, None)
        if stream.owner is not None and not stream.closed:
            stream.state = states.CLOSED
            stream.owner.on_reset("gone", reason)

    def _tick(self) -> None:
        heartbeat = self.heartbeat
        assert heartbeat is not None
        now = self._io.loop.time()
        if heartbeat.check_silence(now):
            self.silence = now - heartbeat.last_heard
            self._end(f"no sign of life for {self.silence:.0f} s", None)
            return
        # A ping behind so many frames would measure nothing.
        if not self.connection.outbox.full:
            round_trip = heartbeat.round_trip if self.connection.role == HUB else None
            data = {"n": heartbeat.ping(now), "rtt": round_trip}
            self.message(messages.event("ping", data))
        self.schedule_flush()
        self._tick_timer = self._io.loop.call_later(heartbeat.next_due(now), self._tick)

    # -- sending ---------------------------------------------------------------------------

    def message(self, message: Json) -> None:
        """Send a message made by `messages`."""
        if not self._down:
            self.connection.message(message)
            self.schedule_flush()

    def open(self, detail: Json) -> WireEnd:
        """Open a stream (SPEC.md section 4) and return its end, to be joined at once."""
        end = wire_end(self, self.connection.open(detail))
        if self._down:
            # The link has just ended, and the caller does not know yet.
            self._io.loop.call_soon(self._reset_with_link, end.stream, "the link has ended")
        self.schedule_flush()
        return end

    def send(self, end: WireEnd, data: memoryview) -> None:
        """Write a stream's bytes past the queues if nothing else waits, else queue them."""
        connection, stream = self.connection, end.stream
        if self._down or self._write_ended or stream.closed or stream.ending:
            return
        on_turn = self.turn is end
        if on_turn:
            # A turn is one piece. A source that has more waits in the ring for its next turn,
            # without asking the loop whether it is readable.
            self.turn = None
        header = connection.begin_direct_write(stream, len(data), on_turn)
        if header is None:
            if not connection.send_early(stream, data):
                connection.send(stream, data)
            elif end.peer is not None:
                end.peer.consumed(len(data))
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
        """Have what is queued written after the current callback, in one write."""
        if not (self._flush_scheduled or self._watching_writes or self._down or self._write_ended):
            self._flush_scheduled = True
            self._io.loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write until nothing is queued or the descriptor takes no more."""
        self._flush_scheduled = False
        outbox = self.connection.outbox
        # Bounded: with fast sources and a fast descriptor this would never end, and nothing else
        # would run on this loop.
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
        """Fill `writing` with the next frames; return False if there are none."""
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
        """Note that `size` bytes of a stream's backlog have been taken."""
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
        """Return False if the peer causes frames and reads none, after ending the link."""
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
            # Not now: the caller may be handling a stream.
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
        buffer = self._io.take_buffer()
        try:
            size = self._channel.read(buffer)
        except (BlockingIOError, InterruptedError):
            self._io.give_back(buffer)
            return
        except OSError as error:
            self._end(f"reading failed: {error.strerror}", None)
            return
        self._buffer = buffer
        self.received(buffer[:size])

    def received(self, data: memoryview) -> None:
        """Dispatch input; no bytes at all mean the end of the link."""
        if not data:
            # What carries the link may be killed at any byte, so that the end comes inside a frame.
            where = " inside a frame" if self.connection.in_frame else ""
            self._end(f"the other side closed the link{where}", None)
            return
        self._input = self._handle(data)
        self._take_turn()

    def _take_turn(self) -> None:
        """Handle input for a turn; read on when all of it is handled."""
        if self._down:
            return
        loop = self._io.loop
        if self.heartbeat is not None:
            self.heartbeat.heard(loop.time())
        cause = self._io.cause
        cause.source = self.connection.outbox.source
        try:
            more = run_turn(self._input)
        finally:
            cause.source = None
        if self._watching_writes:
            self._check_backlog()
        elif not self.connection.outbox.idle:
            self._flush()
        if not more and self._buffer is not None:
            self._io.give_back(self._buffer)
            self._buffer = None
        if self._down:
            return
        if more:
            if not self._reading_paused:
                self._reading_paused = True
                loop.remove_reader(self._channel.read_fd)
            rest, self._rest = self._rest, 0.0
            loop.call_later(rest, self._take_turn) if rest else loop.call_soon(self._take_turn)
        elif self._reading_paused:
            self._reading_paused = False
            self.start()

    def _handle(self, data: memoryview) -> Iterator[object]:
        """Handle what the peer has sent, in steps; one is true if a rest is due."""
        for event in self.connection.receive(data):
            if self._down:
                return
            if event is not None:
                try:
                    left = self._dispatch(event)
                    if left is not None:
                        yield from left
                except RemoteProtocolError as error:
                    self._end(str(error), error)
                except LocalProtocolError as error:
                    self._report_fault(getattr(event, "stream", None), error)
            yield self._rest

    def _dispatch(self, event: Event) -> Iterator[None] | None:
        return _DISPATCH[type(event)](self, event)

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

    def _refused(self, event: events.Refused) -> None:
        self._handler.link_refused(event.reason)

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

    def _message(self, event: events.Message) -> Iterator[None] | None:
        if self._messages is not None:
            self._rest = self._messages.take(event.size, self._io.loop.time())
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
            return self._handler.link_message(event.kind, body)
        return None

    def _set_round_trip(self, seconds: float | None) -> None:
        if seconds is not None:
            # Bounded: the figure comes from the peer, and sizes the windows.
            self.connection.round_trip = min(max(0.0, seconds), 5.0)


_DISPATCH: dict[type, Callable[..., Iterator[None] | None]] = {
    events.Data: Mux._data,
    events.Datagram: Mux._datagram,
    events.Message: Mux._message,
    events.Opened: Mux._opened,
    events.Refused: Mux._refused,
    events.Writable: Mux._writable,
    events.Ended: Mux._ended,
    events.Reset: Mux._reset,
    events.Broken: Mux._broken,
}
