"""Snapshots of a mesh, with the rates that follow from its counters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from norouter_core.engine.status import Status
from norouter_core.session.client import INTERVAL, DocumentState, Rate, Snapshot

if TYPE_CHECKING:  # `norouter ctl` need not load an engine
    from norouter_core.engine.engine import Engine

HOST_HISTORY = 60
STREAM_HISTORY = 30
"""How many rates are kept of each host, and of each stream."""
_LINGER = 3.0
"""Seconds that sampling goes on after the last look: another one is likely."""

K = TypeVar("K", bound=Hashable)


class RateTracker(Generic[K]):
    """The rates of many things, each with its last `length` totals. What is no longer counted is
    forgotten.
    """

    def __init__(self, length: int) -> None:
        self._idle = Rate(0.0, 0.0, (0.0,) * length)
        """Shared by everything that has been idle for so long: most of thousands of streams."""
        self._known: dict[K, tuple[int, int, Rate]] = {}
        self._begun = False

    def update(self, counts: Iterable[tuple[K, int, int]], seconds: float) -> dict[K, Rate]:
        """Return the rates, `seconds` after the last update.

        Args:
            counts: Of each thing its key, and the bytes sent and received until now. A new one has
                counted from 0 since the last update, except in the first update.
        """
        fresh: dict[K, tuple[int, int, Rate]] = {}
        for key, sent, received in counts:
            old_sent, old_received, rate = self._known.get(key) or _NEW
            if not self._begun or seconds <= 0:
                rate = Rate()
            elif sent != old_sent or received != old_received:
                rate = self._moved(rate, sent - old_sent, received - old_received, seconds)
            elif rate is not self._idle:
                rate = self._paused(rate)
            fresh[key] = sent, received, rate
        self._known, self._begun = fresh, True
        return {key: known[2] for key, known in fresh.items()}

    def _moved(self, rate: Rate, sent: int, received: int, seconds: float) -> Rate:
        # A counter falls when a proxy's client goes on to another host.
        sent_rate = sent / seconds if sent > 0 else 0.0
        received_rate = received / seconds if received > 0 else 0.0
        return Rate(sent_rate, received_rate, self._longer(rate.history, sent_rate + received_rate))

    def _paused(self, rate: Rate) -> Rate:
        history = self._longer(rate.history, 0.0)
        return self._idle if history == self._idle.history else Rate(0.0, 0.0, history)

    def _longer(self, history: tuple[float, ...], value: float) -> tuple[float, ...]:
        return (*history[-len(self._idle.history) + 1 :], value)


_NEW: tuple[int, int, Rate] = (0, 0, Rate())


class MeshRates:
    """The rates of a mesh's hosts, of its streams, and of all streams together."""

    def __init__(self) -> None:
        self._hosts = RateTracker[str](HOST_HISTORY)
        self._streams = RateTracker[int](STREAM_HISTORY)
        self._total = RateTracker[str](HOST_HISTORY)
        self.hosts: dict[str, Rate] = {}
        self.streams: dict[int, Rate] = {}
        self.total = Rate()

    def update(self, status: Status, traffic: tuple[int, int], seconds: float) -> None:
        """Take the counters, `seconds` after the last ones."""
        hosts = ((host.name, host.bytes_in, host.bytes_out) for host in status.hosts)
        streams = ((s.id, s.bytes_sent, s.bytes_received) for s in status.streams)
        self.hosts = self._hosts.update(hosts, seconds)
        self.streams = self._streams.update(streams, seconds)
        self.total = self._total.update([("", *traffic)], seconds)[""]


class Sampler:
    """Makes snapshots of an engine. The rates of each are those since the one before.

    Args:
        document: Returns the state of the session's file.
    """

    def __init__(self, engine: Engine, document: Callable[[], DocumentState]) -> None:
        self._engine = engine
        self._document = document
        self._rates = MeshRates()
        self._measured = 0.0

    def sample(self) -> Snapshot:
        now = time.monotonic()
        seconds, self._measured = now - self._measured, now
        status, traffic = self._engine.status(), self._engine.traffic()
        self._rates.update(status, traffic, seconds)
        return Snapshot(
            at=time.time(),
            status=status,
            spec=self._engine.spec,
            document=self._document(),
            traffic=traffic,
            hosts=self._rates.hosts,
            streams=self._rates.streams,
            total=self._rates.total,
        )


class LatestSnapshot:
    """The newest snapshot, for those who look now and then. `run` samples only while someone does.

    Args:
        document: Returns the state of the session's file.
        interval: Seconds between two snapshots.
    """

    def __init__(
        self, engine: Engine, document: Callable[[], DocumentState], interval: float = INTERVAL
    ) -> None:
        self._engine = engine
        self._document = document
        self._sampler = Sampler(engine, document)
        self._interval = interval
        self._looked_at = -_LINGER
        self._look = asyncio.Event()
        self._sampled = asyncio.Event()
        self._ended = False
        self._latest: Snapshot | None = None

    def get(self) -> Snapshot:
        """Return the newest snapshot. Unless someone looked a moment ago, its rates begin now."""
        self._looked_at = time.monotonic()
        self._look.set()
        if self._latest is None:
            self._latest = self._sampler.sample()
        return self._latest

    async def get_measured(self) -> Snapshot:
        """Return the newest snapshot that has rates; waits for one interval at most."""
        while not (snapshot := self.get()).total.history and not self._ended:
            self._sampled.clear()
            await self._sampled.wait()
        return snapshot

    async def run(self) -> None:
        """Sample while someone looks, until cancelled."""
        try:
            while True:
                await self._look.wait()
                await asyncio.sleep(self._interval)
                if time.monotonic() - self._looked_at < _LINGER:
                    self._latest = self._sampler.sample()
                    self._sampled.set()
                else:
                    self._look.clear()
                    self._latest, self._sampler = None, Sampler(self._engine, self._document)
        finally:
            self._ended = True
            self._sampled.set()
