"""What a peer sends is handled in short turns: others get theirs in between."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from norouter_core.agent.channel import SocketChannel
from norouter_core.agent.ends import NullEnd, join
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux
from norouter_core.agent.turns import Allowance, TurnQueue
from norouter_core.agent.wire_end import WireEnd
from norouter_core.wire import frames, messages
from norouter_core.wire.connection import AGENT, HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import EARLY_WINDOW, MAX_AGENT_JSON, MAX_JSON
from tests.servers import eventually

pytestmark = pytest.mark.anyio


def work() -> None:
    """Keep the loop busy for half a millisecond."""
    until = time.perf_counter() + 0.0005
    while time.perf_counter() < until:
        pass


class Sink(NullEnd):
    def __init__(self) -> None:
        super().__init__()
        self.got = bytearray()

    def send(self, data: memoryview) -> None:
        self.got += data
        work()


class Slow:
    """A link each of whose frames costs half a millisecond."""

    def __init__(self, role: str) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.down: list[str] = []
        self.sink = Sink()
        (self.out, reading), (self.back, writing) = socket.socketpair(), socket.socketpair()
        self.out.setblocking(False)
        self.loop = asyncio.get_running_loop()
        self.mux = Mux(Io(self.loop), Connection(role), SocketChannel(reading, writing), self)
        self.mux.start()
        self.mux.start_heartbeat(0.1)

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.out, data)

    def link_message(self, kind: str, body: messages.Json) -> Iterator[None] | None:
        if body.get("type") == "direct":
            return self.rows(body["data"]["streams"])
        work()
        self.seen.append((kind, body))
        return None

    def rows(self, rows: list[Any]) -> Iterator[None]:
        for row in rows:
            work()
            self.seen.append(("row", row))
            yield

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        join(self.sink, end)
        end.accept(("127.0.0.1", 1))

    def link_refused(self, reason: str) -> None:
        raise AssertionError(reason)

    def link_down(self, reason: str, error: RemoteProtocolError | None) -> None:
        self.down.append(reason)


@contextmanager
def slow(role: str) -> Iterator[Slow]:
    link = Slow(role)
    yield link
    link.mux.close("the test is over")
    link.out.close()
    link.back.close()


class Turns:
    """Counts the turns of the loop that others get."""

    def __init__(self) -> None:
        self.count = 0
        self._ended = False
        self._next()

    def _next(self) -> None:
        if not self._ended:
            self.count += 1
            asyncio.get_running_loop().call_soon(self._next)

    def stop(self) -> int:
        self._ended = True
        return self.count


def event(name: str, data: Any) -> bytes:
    return frames.json_frame(messages.encode(messages.event(name, data)))


async def test_events_by_the_hundred() -> None:
    with slow(AGENT) as link:
        await link.send(b"".join(event("x", n) for n in range(400)))
        turns = Turns()
        await eventually(lambda: len(link.seen) == 400 or link.down, "all events are handled")
        assert turns.stop() > 50
        assert [body["data"] for _, body in link.seen] == list(range(400))
        # It reads on, and the time it took was not silence.
        await link.send(event("x", "more"))
        await eventually(lambda: len(link.seen) == 401, "the next is read")
        assert not link.down


async def test_rows_of_one_event_before_the_next() -> None:
    with slow(HUB) as link:
        await link.send(event("direct", {"streams": list(range(200))}) + event("x", 200))
        turns = Turns()
        await eventually(lambda: len(link.seen) == 201, "all rows are handled")
        assert turns.stop() > 25
        assert [row for kind, row in link.seen if kind == "row"] == list(range(200))
        assert link.seen[-1][0] == "event"


async def test_bytes_in_between_stay_whole() -> None:
    with slow(AGENT) as link:
        detail = {"target": ["127.0.0.1", 1], "window": EARLY_WINDOW}
        await link.send(frames.stream_frame(frames.OPEN, 1, messages.encode(detail)))
        sent = bytes(range(256)) * 60
        piece = 100
        for at in range(0, len(sent), piece * 100):
            part = sent[at : at + piece * 100]
            cut = [part[n : n + piece] for n in range(0, len(part), piece)]
            await link.send(b"".join(frames.data_header(1, len(each)) + each for each in cut))
        await eventually(lambda: len(link.sink.got) >= len(sent) or link.down, "all has come")
        assert bytes(link.sink.got) == sent


async def test_frames_of_streams_that_have_ended() -> None:
    """They are ignored, and cost time all the same."""
    with slow(AGENT) as link:
        detail = {"target": ["127.0.0.1", 1], "window": EARLY_WINDOW}
        reset = messages.encode({"code": "reset", "reason": ""})
        await link.send(
            frames.stream_frame(frames.OPEN, 1, messages.encode(detail))
            + frames.stream_frame(frames.RESET, 1, reset)
        )
        turns = Turns()
        late = frames.credit_frame(1, 1) * 100_000
        await link.send(late + event("x", None))
        await eventually(lambda: link.seen, "all are passed over")
        assert turns.stop() > 10


async def test_a_link_that_ends_between_two_turns() -> None:
    with slow(AGENT) as link:
        await link.send(b"".join(event("x", n) for n in range(100)))
        await eventually(lambda: link.seen, "the first turn is over")
        link.mux.close("enough")
        handled = len(link.seen)
        assert link.down == ["enough"] and handled < 100
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(link.seen) == handled


async def test_streams_of_a_link_that_has_ended() -> None:
    ended: list[str] = []

    class Busy(NullEnd):
        def reset(self, code: str, reason: str) -> None:
            work()
            ended.append(code)

    with slow(HUB) as link:
        for _ in range(200):
            join(Busy(), link.mux.open({"target": ["127.0.0.1", 1]}))
        turns = Turns()
        link.mux.close("enough")
        assert 0 < len(ended) < 200 and not link.down
        await eventually(lambda: link.down, "the end is reported")
        assert ended == ["gone"] * 200
        assert turns.stop() > 25


async def test_messages_beyond_their_rate_wait() -> None:
    with slow(HUB) as link:
        begun = time.perf_counter()
        for number in range(6):
            await link.send(event("x", [number, "y" * 240_000]))
        await eventually(lambda: len(link.seen) == 6, "all are read")
        # 6 x 240,000 bytes, of which 1 MiB comes at once.
        assert time.perf_counter() - begun > 0.1
        assert [body["data"][0] for _, body in link.seen] == list(range(6))
        assert not link.down


async def test_a_message_of_an_agent_is_shorter_than_one_of_the_hub() -> None:
    data = "y" * MAX_AGENT_JSON
    with slow(HUB) as link:
        await link.send(event("x", data)[:8])
        await eventually(lambda: link.down, "it is a violation")
        assert link.down[0].startswith("length: JSON with")
    with slow(AGENT) as link:
        await link.send(event("x", data[: MAX_JSON // 2]))
        await eventually(lambda: link.seen, "it is read")


def test_an_allowance() -> None:
    allowance = Allowance(100, now=0)
    assert allowance.take(100, now=0) == 0
    assert allowance.take(50, now=0) == 0.5
    assert allowance.take(50, now=0.5) == 0.5
    # What is not used does not add up for ever.
    assert allowance.take(100, now=1000) == 0
    assert allowance.take(1, now=1000) == 0.01


async def test_a_queue_runs_in_order_and_in_turns() -> None:
    done: list[int] = []

    def steps(start: int) -> Iterator[None]:
        for number in range(start, start + 20):
            work()
            done.append(number)
            yield

    queue = TurnQueue(asyncio.get_running_loop())
    queue.add(steps(0))
    assert 0 < len(done) < 20
    queue.add(steps(20))
    await eventually(lambda: len(done) == 40, "both are done")
    assert done == list(range(40))
    queue.add(steps(40))
    queue.clear()
    left = len(done)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(done) == left < 60
