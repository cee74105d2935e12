"""Rates by deltas of counters, only while somebody looks, and the newest for a slow reader."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from norouter_core.agent.ends import End
from norouter_core.engine.engine import Engine
from norouter_core.engine.publications import Publication
from norouter_core.session.client import DocumentState, Snapshot
from norouter_core.session.snapshots import LatestSnapshot, RateTracker, Sampler
from tests.engine.meshes import forward, local, mesh, relayed
from tests.servers import connect, echoing

pytestmark = pytest.mark.anyio

KIB = 1024


@asynccontextmanager
async def sampling(engine: Engine, interval: float = 0.02) -> AsyncIterator[LatestSnapshot]:
    latest = LatestSnapshot(engine, lambda: DocumentState("mesh.yaml", unsaved=True), interval)
    running = asyncio.ensure_future(latest.run())
    try:
        yield latest
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def sampled(engine: Engine, interval: float) -> AsyncIterator[Snapshot]:
    sampler = Sampler(engine, lambda: DocumentState("mesh.yaml", unsaved=True))
    while True:
        yield sampler.sample()
        await asyncio.sleep(interval)


async def test_bytes_that_flow_are_rates_of_their_hosts_and_stream() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            snapshots = sampled(made.engine, 0.05)
            async with asyncio.timeout(10):
                with await connect(made.address("web")) as client:
                    first = await anext(snapshots)
                    assert first.total.total == 0 and first.spec == made.engine.spec
                    assert first.document.unsaved
                    assert await client.says(b"x" * 64 * KIB)
                    number = made.streams[0].id
                    seen = [first]
                    while _echoed(seen[-1], number) < 64 * KIB:
                        seen.append(await anext(snapshots))
                    moved = _moved(seen, number)
                    assert sum(moved) == pytest.approx(128 * KIB, rel=0.3)
                    busy = max(seen, key=lambda snapshot: snapshot.total.total)
                    stream = busy.streams[number]
                    assert stream.sent > 0 and stream.received > 0
                    assert busy.hosts["hub"].sent == pytest.approx(stream.sent)
                    assert busy.hosts["web"].sent == pytest.approx(stream.received)
                    assert busy.hosts["web"].received == pytest.approx(stream.sent)
                    assert busy.total.sent == pytest.approx(stream.sent)
                    assert busy.hosts["web"].history[-1] == busy.hosts["web"].total
                while number in (await anext(snapshots)).streams:
                    pass


def _moved(seen: list[Snapshot], number: int) -> list[float]:
    """The bytes of a stream between each two snapshots, by the rates alone."""
    return [
        snapshot.streams[number].total * (snapshot.at - before.at)
        for before, snapshot in itertools.pairwise(seen)
        if number in snapshot.streams
    ]


def _echoed(snapshot: Snapshot, number: int) -> int:
    return sum(s.bytes_received for s in snapshot.status.streams if s.id == number)


async def test_nothing_is_done_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mesh(local()) as made, sampling(made.engine) as sampler, asyncio.timeout(10):
        asked = 0
        status = made.engine.status

        def counted() -> object:
            nonlocal asked
            asked += 1
            return status()

        monkeypatch.setattr(made.engine, "status", counted)
        await asyncio.sleep(0.1)
        assert asked == 0
        await sampler.get_measured()
        assert asked >= 2
        while sampler._latest is not None:  # noqa: ASYNC110  # there is no event of doing nothing
            await asyncio.sleep(0.01)
        before = asked
        await asyncio.sleep(0.1)
        assert asked == before


async def test_who_waits_for_rates_is_not_left_waiting_at_the_end() -> None:
    async with mesh(local()) as made, asyncio.timeout(10):
        async with sampling(made.engine, 60) as latest:
            waiting = asyncio.ensure_future(latest.get_measured())
            await asyncio.sleep(0)
        assert not (await waiting).total.history


async def test_glances_have_rates_too() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            async with sampling(made.engine) as sampler, asyncio.timeout(10):
                assert sampler.get().total.total == 0
                with await connect(made.address("web")) as client:
                    while sampler.get().total.total == 0:
                        assert await client.says(b"x" * KIB)
                        await asyncio.sleep(0.005)


def test_the_gauge_counts_from_what_was_first_seen() -> None:
    gauge = RateTracker[str](3)
    assert gauge.update([("a", 1000, 10)], 5.0)["a"].total == 0
    rates = gauge.update([("a", 1100, 30), ("new", 50, 0)], 2.0)
    assert (rates["a"].sent, rates["a"].received, rates["a"].history) == (50, 10, (60,))
    assert (rates["new"].sent, rates["new"].history) == (25, (25,))
    rates = gauge.update([("a", 1000, 30)], 1.0)
    assert (rates["a"].total, rates["a"].history) == (0, (60, 0)), "a counter fell"
    assert set(rates) == {"a"}
    for _ in range(3):
        rates = gauge.update([("a", 1000, 30)], 1.0)
    assert rates["a"].history == (0, 0, 0)
    assert gauge.update([("a", 1004, 30)], 1.0)["a"].history == (0, 0, 4)


async def test_two_thousand_streams_are_cheap() -> None:
    """Far more is allowed than it takes: nothing here asserts a speed, but for what would be
    quadratic."""
    engine = Engine()
    published = Publication(("127.0.0.1", 1), "web", ("10.0.0.1", 80))
    for number in range(2000):
        stream = engine._streams.add("hub", ("127.0.0.1", number), published, End())
        stream.target = End()
        stream.client.bytes_in = number
    sampler = Sampler(engine, DocumentState)
    started = time.perf_counter()
    for _ in range(3):
        snapshot = sampler.sample()
    assert len(snapshot.streams) == 2000
    assert time.perf_counter() - started < 3


async def test_statuses_are_the_same_while_nothing_changes() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                (one,), (other,) = made.streams, made.streams
                assert one is other
                assert await client.says(b"hello")
                (third,) = made.streams
                assert (third.bytes_sent, third.bytes_received) == (10, 10)
