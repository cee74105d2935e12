"""A hub's and an agent's connection joined without I/O: what one queues the other receives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from norouter_core.wire import events, frames, messages
from norouter_core.wire.connection import AGENT, HUB, Connection
from norouter_core.wire.stream import Stream

Split = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> Iterable[bytes]:
    return [data] if data else []


def every_byte(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def output(connection: Connection) -> bytes:
    """Everything that a connection has to send now."""
    out = bytearray()
    while True:
        sent: list[tuple[Stream, int]] = []
        turn = connection.outbox.fill(sent)
        for stream, _ in sent:
            connection.on_drained(stream)
        size = sum(map(len, connection.outbox.writing))
        out += b"".join(connection.outbox.writing)
        connection.outbox.written(size)
        if not size and turn is None and connection.outbox.idle:
            return bytes(out)


class Side:
    """One end: its connection, and a log of its events that can be compared."""

    def __init__(self, role: str, consume: bool = True) -> None:
        self.connection = Connection(role)
        self.log: list[tuple[object, ...]] = []
        self.data: dict[int, bytearray] = {}
        self.datagrams: dict[int, list[bytes]] = {}
        self.streams: dict[int, Stream] = {}
        self.violation: str | None = None
        self._consume = consume

    def receive(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            for event in self.connection.receive(memoryview(piece)):
                if event is None:
                    continue
                self._take(event)

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.Data):
            # Pieces of data depend on the split, their sum does not.
            self.data.setdefault(event.stream.id, bytearray()).extend(event.view)
            if self._consume:
                self.connection.consumed(event.stream, len(event.view), 0.0)
        elif isinstance(event, events.Datagram):
            self.datagrams.setdefault(event.stream.id, []).append(event.data)
            self.log.append(("datagram", event.stream.id, event.data))
        elif isinstance(event, events.Message):
            self.log.append(("message", event.kind, messages.encode(event.body)))
        elif isinstance(event, events.Opened):
            self.streams[event.stream.id] = event.stream
            self.log.append(("opened", event.stream.id, event.offered))
        elif isinstance(event, events.Ended):
            self.log.append(("ended", event.stream.id))
        elif isinstance(event, events.Reset):
            self.log.append(("reset", event.stream.id, event.code, event.reason))
        elif isinstance(event, events.Refused):
            self.log.append(("refused", event.reason))
        elif isinstance(event, events.Broken):
            self.violation = event.error.code
            self.log.append(("broken", event.error.code))


class Pair:
    """Hub and agent; `pump` carries bytes both ways until nothing more is to be sent."""

    def __init__(self, split: Split = whole, consume: bool = True) -> None:
        self.hub = Side(HUB, consume)
        self.agent = Side(AGENT, consume)
        self._split = split

    def pump(self) -> None:
        while True:
            down, up = output(self.hub.connection), output(self.agent.connection)
            if not down and not up:
                return
            self.agent.receive(self._split(down))
            self.hub.receive(self._split(up))


def frame(kind: int, number: int, payload: bytes = b"") -> bytes:
    return frames.stream_frame(kind, number, payload)
