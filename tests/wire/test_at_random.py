"""A connected pair driven at random: every byte arrives in order, and every stream ends."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from norouter_core.wire import events
from norouter_core.wire.connection import AGENT, HUB, Connection
from norouter_core.wire.stream import Stream

_MOST_STREAMS = 6
_ALL = 1 << 22


class End:
    """One end of the pair: its connection, and what its user has sent and received."""

    def __init__(self, role: str, chance: random.Random) -> None:
        self._chance = chance
        self.connection = Connection(role)
        self.streams: list[Stream] = []
        self.sent: dict[int, bytearray] = {}
        self.came: dict[int, bytearray] = {}
        self.unconsumed: dict[int, int] = {}
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.on_the_way = bytearray()

    def open(self) -> None:
        self.streams.append(self.connection.open({"target": ["a", 1]}))

    def send(self, stream: Stream, size: int) -> None:
        """Send at most `size` bytes, as a source that respects the window does."""
        size = min(size, stream.room)
        if size > 0:
            data = self._chance.randbytes(size)
            self.connection.send(stream, data)
            self.sent.setdefault(stream.id, bytearray()).extend(data)

    def give_up(self, stream: Stream) -> None:
        if not stream.closed:
            self.connection.reset(stream, "killed", "")
            self.reset.add(stream.id)

    def consume(self, now: float) -> None:
        for number, size in self.unconsumed.items():
            stream = self.connection.streams.get(number)
            if stream is not None and size:
                self.connection.consumed(stream, size, now)
        self.unconsumed.clear()

    def write(self, most: int) -> None:
        """Fill a batch, as the owner of a descriptor does, which takes at most `most` bytes."""
        outbox = self.connection.outbox
        sent: list[tuple[Stream, int]] = []
        outbox.fill(sent)
        for stream, _ in sent:
            self.connection.on_drained(stream)
        data = b"".join(outbox.writing)[:most]
        outbox.written(len(data))
        self.on_the_way += data

    def deliver(self, other: End, size: int) -> None:
        """Carry bytes that are on the way over to the other end."""
        data = bytes(self.on_the_way[:size])
        del self.on_the_way[:size]
        for event in other.connection.receive(memoryview(data)):
            if event is not None:
                other.take(event)

    def take(self, event: events.Event) -> None:
        assert not isinstance(event, events.Broken), event.error
        assert not isinstance(event, (events.Message, events.Datagram, events.Refused))
        stream = event.stream
        if isinstance(event, events.Opened) and event.offered:
            self.streams.append(stream)
            if self._chance.random() < 0.05:
                self.give_up(stream)
            else:
                self.connection.accept(stream, {"peer": ["a", 1]})
        elif isinstance(event, events.Data):
            self.came.setdefault(stream.id, bytearray()).extend(event.view)
            self.unconsumed[stream.id] = self.unconsumed.get(stream.id, 0) + len(event.view)
        elif isinstance(event, events.Ended):
            self.ended.add(stream.id)
        elif isinstance(event, events.Reset):
            self.reset.add(stream.id)

    @property
    def quiet(self) -> bool:
        return self.connection.outbox.idle and not self.on_the_way


def step(end: End, other: End, chance: random.Random, now: float) -> None:
    """One thing that happens at `end`."""
    dice = chance.random()
    stream = chance.choice(end.streams) if end.streams else None
    if dice < 0.12:
        if len(end.streams) < _MOST_STREAMS:
            end.open()
    elif dice < 0.6 and stream is not None:
        if dice < 0.5:
            end.send(stream, chance.choice((1, 1000, 70_000, 300_000)))
        elif dice < 0.58:
            end.connection.end(stream)
        else:
            end.give_up(stream)
    elif dice < 0.7:
        end.consume(now)
    elif dice < 0.85:
        end.write(chance.choice((0, 100, 100_000, _ALL)))
    else:
        end.deliver(other, chance.choice((1, 7, 12, 100, 5000, _ALL)))


def finish(hub: End, agent: End, now: float) -> None:
    """End every stream, and carry over all that is left."""
    for _ in range(1000):
        for end, other in ((hub, agent), (agent, hub)):
            for stream in end.streams:
                end.connection.end(stream)
            end.consume(now)
            end.write(_ALL)
            end.deliver(other, _ALL)
        if hub.quiet and agent.quiet:
            return
    raise AssertionError("they never fall silent")


@given(st.integers(0, 2**32))
def test_whatever_happens_every_byte_arrives_and_every_stream_ends(seed: int) -> None:
    chance = random.Random(seed)
    hub, agent = End(HUB, chance), End(AGENT, chance)
    now = 0.0
    for _ in range(chance.randrange(50, 400)):
        now += chance.random() / 100
        step(*chance.choice(((hub, agent), (agent, hub))), chance, now)
    finish(hub, agent, now)
    resets = hub.reset | agent.reset
    for end, other in ((hub, agent), (agent, hub)):
        assert not end.connection.streams
        assert end.connection._budget.spent == 0
        for number, sent in end.sent.items():
            came = other.came.get(number, bytearray())
            if number in resets:
                assert sent.startswith(came)
            else:
                assert came == sent
                assert number in other.ended
