"""One end of a link, without I/O: bytes in, events out; calls in, bytes to send out.

`receive` turns input into events. `open`, `accept`, `send`, `end`, `reset`, `consumed` and
`message` queue frames. The owner of the descriptor calls `outbox.fill`, writes `outbox.writing` and
then calls `outbox.written`. SPEC.md is the reference.
"""

from __future__ import annotations

from norouter_core.wire import events, frames, messages, states
from norouter_core.wire.backlog import DatagramQueue
from norouter_core.wire.codes import NOT_READING, RESET_CODES, UDP
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import (
    EARLY_WINDOW,
    LINK_BUDGET,
    MAX_AGENT_JSON,
    MAX_DATA,
    MAX_DATAGRAM_SIZE,
    MAX_JSON,
    MAX_STREAMS,
)
from norouter_core.wire.outbox import Outbox
from norouter_core.wire.stream import Stream
from norouter_core.wire.windows import Budget, ReceiveWindow, check_window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from norouter_core.wire.events import Event
    from norouter_core.wire.frames import Buffer
    from norouter_core.wire.messages import Json

HUB = "hub"
AGENT = "agent"


class Connection:
    """The protocol at one end; `role` is `HUB` or `AGENT`.

    `round_trip` (seconds) sizes the windows; the owner sets it as it is measured.
    """

    def __init__(self, role: str, *, max_streams: int = MAX_STREAMS, budget: int = LINK_BUDGET):
        self.role = role
        self.outbox = Outbox()
        self.streams: dict[int, Stream] = {}
        self.round_trip = 0.0
        self._next = 1 if role == HUB else 2
        self._peer_last = 0
        self._peer_parity = 0 if role == HUB else 1
        self._max_streams = max_streams
        self._budget = Budget(budget)
        self._decoder = frames.Decoder(MAX_AGENT_JSON if role == HUB else MAX_JSON)
        self._broken = False
        self._opened_for: dict[object, int] = {}
        """How many streams are open on behalf of each link, by its `source`."""

    # -- sending ---------------------------------------------------------------------------

    def message(self, message: messages.Json) -> None:
        """Queue a JSON message made by `messages`.

        Raises:
            ValueError: it is larger than 1 MiB.
        """
        self.outbox.put_control(frames.json_frame(messages.encode(message)))

    def open(self, detail: Json) -> Stream:
        """Open a stream; data may follow at once.

        `detail` has `target`, or `listener` and `peer` (section 4). With the `proto` `udp` it is a
        stream of datagrams (section 10).
        """
        if messages.protocol(detail) == UDP:
            stream = self._datagram_stream(self._next, states.OPENING)
        else:
            window = ReceiveWindow(self._budget, self._budget.first_window())
            stream = Stream(self._next, states.OPENING, window, EARLY_WINDOW)
            detail = {**detail, "window": window.size}
        self._next += 2
        self.streams[stream.id] = stream
        source = stream.source = self.outbox.cause.source
        self._opened_for[source] = self._opened_for.get(source, 0) + 1
        # What the hub opens at a host goes to few targets; an agent's clients differ.
        encode = messages.encode_repeated if self.role == HUB else messages.encode
        self._put(frames.OPEN, stream.id, encode(detail))
        return stream

    def refusal(self) -> str:
        """Return why the link whose frame is being handled may open no stream here; empty if it
        may.

        It may have as many streams here as are left for all others.
        """
        if self.outbox.crowded:
            return NOT_READING
        taken = self._opened_for.get(self.outbox.cause.source, 0)
        left = min(self._max_streams - len(self.streams), self._budget.room)
        if taken < left:
            return ""
        return f"{taken} streams to the host are open for these clients, and {left} more may be"

    def _datagram_stream(self, number: int, state: str) -> Stream:
        return Stream(number, state, ReceiveWindow(self._budget, 0), 0, DatagramQueue())

    def accept(self, stream: Stream, detail: Json) -> None:
        """Answer an offered stream; `detail` has `peer`, the address that it now reaches."""
        stream.state = states.next_state(stream.state, states.SENT, frames.OPENED)
        if stream.datagrams is None:
            detail = {**detail, "window": stream.receiving.grant()}
        self._put(frames.OPENED, stream.id, messages.encode_repeated(detail))

    def begin_direct_write(self, stream: Stream, size: int, on_turn: bool) -> bytes | None:
        """Return the header for `size` bytes that may be written at once, past the queues.

        Return None if `send` must queue them: other frames wait, or the window is too small. If
        it is this stream's turn (`on_turn`), it goes before the others in the ring. After a header
        was returned the bytes count as sent; the caller appends the part of header and data that
        the descriptor did not take to `outbox.writing`, which is empty.
        """
        outbox = self.outbox
        if not (outbox.clear if on_turn else outbox.idle) or stream.pending.size:
            return None
        if not 0 < size <= min(stream.sending.available, MAX_DATA):
            return None
        stream.state = states.next_state(stream.state, states.SENT, frames.DATA)
        stream.sending.available -= size
        return frames.data_header(stream.id, size)

    def send_early(self, stream: Stream, data: Buffer) -> bool:
        """Queue a copy of `data` behind the control frames that wait, if nothing else does.

        Return False if `send` must queue it. Otherwise the bytes count as sent.
        """
        size = len(data)
        if stream.pending.size or not 0 < size <= min(stream.sending.available, EARLY_WINDOW):
            return False
        if not self.outbox.put_early_data(frames.data_header(stream.id, size) + data):
            return False
        stream.state = states.next_state(stream.state, states.SENT, frames.DATA)
        stream.sending.available -= size
        return True

    def send(self, stream: Stream, data: Buffer) -> None:
        """Queue a copy of `data`, even beyond the window: the caller must bound it."""
        if not len(data):
            return
        stream.state = states.next_state(stream.state, states.SENT, frames.DATA)
        stream.pending.push(data)
        if stream.sendable:
            self.outbox.enqueue(stream)

    def send_datagram(self, stream: Stream, data: Buffer) -> None:
        """Queue a copy of one datagram.

        It is dropped if the queue is full, if it is too large, or if the state of the stream does
        not allow it.
        """
        may = states.may_send(stream.state, frames.DATAGRAM) and not stream.ending
        if may and len(data) <= MAX_DATAGRAM_SIZE:
            frame = frames.stream_frame(frames.DATAGRAM, stream.id, bytes(data))
            self.outbox.put_datagram(stream, frame)

    def end(self, stream: Stream) -> None:
        """Send EOF once the backlog has been sent."""
        if stream.ending or not states.may_send(stream.state, frames.EOF):
            return
        stream.ending = True
        self._end_if_due(stream)

    def reset(self, stream: Stream, code: str, reason: str) -> None:
        """End the stream in both directions at once, unless it has ended."""
        if stream.closed:
            return
        self._put(frames.RESET, stream.id, messages.encode(reset_detail(code, reason)))
        self._close(stream)

    def consumed(self, stream: Stream, size: int, now: float) -> None:
        """Note that `size` received bytes have been passed on; send credit if it is due."""
        if stream.closed:
            return
        credit = stream.receiving.consumed(size, now, self.round_trip)
        # After its EOF the peer has no use for credit.
        if credit and stream.state != states.HALF_CLOSED_REMOTE:
            self.outbox.put_control(frames.credit_frame(stream.id, credit))

    def on_drained(self, stream: Stream) -> None:
        """Note that `outbox.fill` has taken data of a stream; must be called each time."""
        self._end_if_due(stream)

    def _end_if_due(self, stream: Stream) -> None:
        due = stream.ending and not stream.waiting
        if due and states.may_send(stream.state, frames.EOF):
            state = stream.state = states.next_state(stream.state, states.SENT, frames.EOF)
            self.outbox.put_control(frames.stream_frame(frames.EOF, stream.id))
            if state == states.CLOSED:
                self._close(stream)

    def _put(self, kind: int, number: int, payload: bytes) -> None:
        self.outbox.put_control(frames.stream_frame(kind, number, payload))

    def _close(self, stream: Stream) -> None:
        stream.state = states.CLOSED
        self.outbox.forget(stream)
        if self.streams.pop(stream.id, None) is not None:
            stream.receiving.close()
            if stream.id % 2 != self._peer_parity:
                self._opened_for[stream.source] -= 1
                if not self._opened_for[stream.source]:
                    del self._opened_for[stream.source]

    # -- receiving -------------------------------------------------------------------------

    def receive(self, data: memoryview) -> Iterator[Event | None]:
        """Yield the events that the next bytes cause, and None for each frame that is ignored.

        Handle each event before you ask for the next: the state changes with them. A violation
        is not raised, but yielded as the last event, `Broken`. `Data` views are valid until the
        buffer behind `data` is used again.
        """
        if self._broken:
            return
        try:
            for kind, number, payload in self._decoder.feed(data):
                yield self._frame(kind, number, payload)
        except RemoteProtocolError as violation:
            self._broken = True
            yield events.Broken(violation)

    @property
    def in_frame(self) -> bool:
        """Whether only the beginning of a frame has come."""
        return not self._decoder.idle

    def _frame(self, kind: int, number: int, payload: Buffer) -> Event | None:
        if kind == frames.JSON:
            decode = messages.decode_agent if self.role == HUB else messages.decode
            return _message(decode(payload), len(payload))
        if kind == frames.OPEN:
            return self._got_open(number, payload)
        stream = self.streams.get(number)
        if stream is None:
            self._check_was_open(kind, number)
            return None
        before = stream.state
        stream.state = states.next_state(before, states.GOT, kind)
        return _HANDLERS[kind](self, stream, payload)

    def _got_open(self, number: int, payload: Buffer) -> Event | None:
        if number % 2 != self._peer_parity or number <= self._peer_last:
            raise RemoteProtocolError("stream", f"OPEN of stream {number} after {self._peer_last}")
        self._peer_last = number
        detail = messages.decode(payload) if self.role == HUB else messages.decode_repeated(payload)
        datagrams = messages.protocol(detail) == UDP
        window = 0 if datagrams else check_window(messages.field(detail, "window", int))
        full = self.outbox.full
        if full or len(self.streams) >= self._max_streams or not self._budget.room:
            reason = NOT_READING if full else f"{len(self.streams)} streams are open on this link"
            self._put(frames.RESET, number, messages.encode(reset_detail("too-many", reason)))
            return events.Refused(reason)
        if datagrams:
            stream = self._datagram_stream(number, states.OFFERED)
        else:
            receiving = ReceiveWindow(self._budget, EARLY_WINDOW)
            stream = Stream(number, states.OFFERED, receiving, window)
        self.streams[number] = stream
        return events.Opened(stream, detail, offered=True)

    def _check_was_open(self, kind: int, number: int) -> None:
        theirs = number % 2 == self._peer_parity
        if number == 0 or number > (self._peer_last if theirs else self._next - 2):
            name = frames.NAMES[kind]
            raise RemoteProtocolError(
                "stream", f"{name} on stream {number}, which was never opened"
            )

    def _got_opened(self, stream: Stream, payload: Buffer) -> Event:
        detail = messages.decode_repeated(payload)
        if stream.datagrams is None:
            stream.sending.on_opened(messages.field(detail, "window", int))
        if stream.sendable:
            self.outbox.enqueue(stream)
        return events.Opened(stream, detail, offered=False)

    def _got_data(self, stream: Stream, payload: Buffer) -> Event:
        if stream.datagrams is not None:
            raise RemoteProtocolError(
                "stream", f"DATA on stream {stream.id}, a stream of datagrams"
            )
        stream.receiving.on_data(len(payload))
        assert isinstance(payload, memoryview)
        return events.Data(stream, payload)

    def _got_credit(self, stream: Stream, payload: Buffer) -> Event:
        if stream.datagrams is not None:
            raise RemoteProtocolError(
                "stream", f"CREDIT on stream {stream.id}, a stream of datagrams"
            )
        stream.sending.on_credit(frames.credit_value(payload))
        if stream.sendable:
            self.outbox.enqueue(stream)
        return events.Writable(stream)

    def _got_eof(self, stream: Stream, payload: Buffer) -> Event:
        if stream.closed:
            self._close(stream)
        return events.Ended(stream)

    def _got_reset(self, stream: Stream, payload: Buffer) -> Event:
        detail = messages.decode(payload)
        code = messages.field(detail, "code", str)
        reason = messages.field(detail, "reason", str)
        self._close(stream)
        # Bounded here, since it may be sent on to another host.
        return events.Reset(stream, **reset_detail(code, reason))

    def _got_datagram(self, stream: Stream, payload: Buffer) -> Event:
        if stream.datagrams is None:
            raise RemoteProtocolError(
                "stream", f"DATAGRAM on stream {stream.id}, a stream of bytes"
            )
        return events.Datagram(stream, bytes(payload))


_HANDLERS = {
    frames.OPENED: Connection._got_opened,
    frames.DATA: Connection._got_data,
    frames.CREDIT: Connection._got_credit,
    frames.EOF: Connection._got_eof,
    frames.RESET: Connection._got_reset,
    frames.DATAGRAM: Connection._got_datagram,
}


def reset_detail(code: str, reason: str) -> dict[str, str]:
    """Return the object of a RESET: a code of section 4 and a reason of bounded length."""
    return {"code": code if code in RESET_CODES else "internal", "reason": reason[:500]}


def _message(value: Json, size: int) -> Event:
    kind = messages.field(value, "type", str)
    if kind not in ("request", "result", "event"):
        raise RemoteProtocolError("json", f"a message of type {kind[:100]!r}")
    return events.Message(kind, messages.field(value, "body", dict), size)
