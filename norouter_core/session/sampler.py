"""How everything stands, a few times a second, for as long as somebody looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

from norouter_core.engine import Engine
from norouter_core.session.client import DocumentState, Snapshot
from norouter_core.session.rates import RateTracker

INTERVAL = 0.4
"""Seconds between two snapshots."""
HOST_HISTORY = 60
STREAM_HISTORY = 30
"""Rates that are kept of each host, and of each stream."""
_GLANCE = 3.0
"""Seconds that sampling goes on after a glance: another one is likely."""


class Snapshots:
    """An async iterator of snapshots, for one reader: of those that it was too slow for it gets the
    newest only. Ends with the sampler."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._waiting: Snapshot | None = None
        self._arrived = asyncio.Event()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Looks no more."""
        self._sampler.leave(self)
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Snapshot:
        while self._waiting is None:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        snapshot, self._waiting = self._waiting, None
        return snapshot

    def put(self, snapshot: Snapshot) -> None:
        self._waiting = snapshot
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()


class Sampler:
    """Makes snapshots of an engine; `run` does the work, as a task of its owner's.

    Args:
        engine: what is looked at.
        document: tells how the session's file stands.
        interval: seconds between two snapshots.
    """

    def __init__(
        self, engine: Engine, document: Callable[[], DocumentState], interval: float = INTERVAL
    ) -> None:
        self._engine = engine
        self._document = document
        self._interval = interval
        self._readers: list[Snapshots] = []
        self._looked_at = asyncio.Event()
        self._glanced = -_GLANCE
        self._last: Snapshot | None = None
        self._measured = 0.0
        self._hosts = RateTracker[str](HOST_HISTORY)
        self._streams = RateTracker[int](STREAM_HISTORY)
        self._total = RateTracker[str](HOST_HISTORY)

    def subscribe(self) -> Snapshots:
        """Snapshots from now on; the first one at once."""
        reader = Snapshots(self)
        reader.put(self._fresh())
        self._readers.append(reader)
        self._looked_at.set()
        return reader

    def leave(self, reader: Snapshots) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def latest(self) -> Snapshot:
        """The newest snapshot, for who looks now and then. Its rates are those of the last
        interval, where somebody has looked a moment ago; else they begin now."""
        self._glanced = time.monotonic()
        self._looked_at.set()
        return self._fresh()

    async def run(self) -> None:
        """Samples until cancelled, and only while somebody looks."""
        try:
            while True:
                await self._looked_at.wait()
                await asyncio.sleep(self._interval)
                if self._readers or time.monotonic() - self._glanced < _GLANCE:
                    snapshot = self._sample()
                    for reader in self._readers:
                        reader.put(snapshot)
                else:
                    self._rest()
        finally:
            for reader in self._readers:
                reader.end()

    def _rest(self) -> None:
        self._looked_at.clear()
        self._last = None
        for gauge in (self._hosts, self._streams, self._total):
            gauge.reset()

    def _fresh(self) -> Snapshot:
        return self._last or self._sample()

    def _sample(self) -> Snapshot:
        now = time.monotonic()
        seconds, self._measured = now - self._measured, now
        status = self._engine.status()
        hosts = ((host.name, host.bytes_in, host.bytes_out) for host in status.hosts)
        streams = ((s.id, s.bytes_sent, s.bytes_received) for s in status.streams)
        self._last = Snapshot(
            at=time.time(),
            status=status,
            spec=self._engine.spec,
            document=self._document(),
            hosts=self._hosts.update(hosts, seconds),
            streams=self._streams.update(streams, seconds),
            total=self._total.update([("", *self._engine.traffic())], seconds)[""],
        )
        return self._last
