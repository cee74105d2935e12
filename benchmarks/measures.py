"""Runs the loads over the paths and collects what they cost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.paths import Forwarder, Path
from benchmarks.processes import MIB, Memory, cpu_seconds, memory
from benchmarks.protocol import LoadError
from benchmarks.results import (
    CPU_STREAMS,
    FAIR_STREAMS,
    IDLE_STREAMS,
    STALLED_STREAMS,
    STREAMS,
    Results,
    percentile,
)

MEASURES = (
    "bulk",
    "fairness",
    "cpu",
    "pingpong",
    "connections",
    "proxies",
    "memory",
    "stalled",
    "start",
)

_STEADY, _GROWTH, _WORK = 1.0, 0.25, 0.1
"""A forwarder has settled when for so many seconds it grew by less than that many MiB and worked
less than that many CPU seconds. The work counts because the kernel's socket buffers, some MiB for
each stream, fill up first: memory that does not grow yet says nothing."""


@dataclass(frozen=True)
class Plan:
    """How much to do. `size` is in bytes per bulk run, `fresh_runs` is for what needs a new
    forwarder each time, `stall_limit` the seconds that memory gets to settle.
    """

    only: frozenset[str]
    runs: int
    fresh_runs: int
    size: int
    trips: int
    connections: int
    stall_limit: float


class Bench:
    """One run of the benchmark. `say` is told what is being done."""

    def __init__(self, plan: Plan, paths: list[Path], say: Callable[[str], None]) -> None:
        self._plan = plan
        self._paths = paths
        self._say = say
        self.results = Results()

    def run(self, agent_start: Callable[[], float] | None) -> None:
        """All measures of the plan. Runs go round the paths, so that a change in the machine's
        mood meets all of them.
        """
        only = self._plan.only
        if only & {"bulk", "fairness", "cpu", "pingpong", "connections", "proxies"}:
            with self._shared_forwarders() as standing:
                self._loads(standing)
        forwarding = [path for path in self._paths if path.fresh]
        if "memory" in only:
            self._fresh("memory", self._plan.fresh_runs, forwarding, self._memory)
        if "stalled" in only:
            for direction in ("down", "up"):
                stall = _in_direction(self._stalled, direction)
                self._fresh(f"stalled {direction}", self._plan.fresh_runs, forwarding, stall)
        if "start" in only:
            self._fresh("start", self._plan.runs, forwarding, self._first_byte)
            if agent_start:
                self._agent_start(agent_start)

    @contextlib.contextmanager
    def _shared_forwarders(self) -> Iterator[dict[str, Forwarder]]:
        standing: dict[str, Forwarder] = {}
        with contextlib.ExitStack() as stack:
            for path in self._paths:
                if path.shared in standing:
                    continue
                self._say(f"starting {path.title}")
                with self._noting(path, "start"):
                    standing[path.shared] = stack.enter_context(path.start())
            yield standing

    def _loads(self, standing: dict[str, Forwarder]) -> None:
        plan = self._plan
        bulk_streams = set(STREAMS) if "bulk" in plan.only else set()
        bulk_streams |= {FAIR_STREAMS} if "fairness" in plan.only else set()
        bulk_streams |= set(CPU_STREAMS) if "cpu" in plan.only else set()
        for streams in sorted(bulk_streams):
            for direction in ("down", "up"):
                load = _with_streams(self._bulk, direction, streams)
                self._round(f"bulk {direction}, {streams} at once", standing, load)
        if "pingpong" in plan.only:
            self._round("ping-pong", standing, self._pingpong)
        if "connections" in plan.only:
            for at_once in (1, 32):
                load = _at_once(self._connections, at_once)
                self._round(f"connections, {at_once} at once", standing, load)
        if "proxies" in plan.only:
            self._round("proxies", standing, self._proxies)

    def _round(
        self,
        what: str,
        standing: dict[str, Forwarder],
        load: Callable[[Path, Forwarder], None],
    ) -> None:
        for run in range(self._plan.runs):
            for path in self._paths:
                forwarder = standing.get(path.shared)
                if forwarder is None:
                    continue
                self._say(f"{what}: run {run + 1} of {self._plan.runs}, {path.title}")
                with self._noting(path, what):
                    load(path, forwarder)

    def _fresh(
        self,
        what: str,
        runs: int,
        paths: list[Path],
        load: Callable[[Path, Forwarder], None],
    ) -> None:
        for run in range(runs):
            for path in paths:
                self._say(f"{what}: run {run + 1} of {runs}, {path.title}")
                with self._noting(path, what), path.start() as forwarder:
                    load(path, forwarder)

    @contextlib.contextmanager
    def _noting(self, path: Path, what: str) -> Iterator[None]:
        """One load that fails costs one figure, not the run."""
        try:
            yield
        except LoadError as fault:
            self.results.note(f"{path.title}, {what}: {fault}")

    def _bulk(self, path: Path, forwarder: Forwarder, direction: str, streams: int) -> None:
        processes = list(forwarder.ends())
        before = cpu_seconds(processes)
        took = path.client.run("bulk", *forwarder.address, direction, streams, self._plan.size)
        cpu = cpu_seconds(processes) - before
        if "bulk" in self._plan.only:
            speed = took["bytes"] / MIB / took["last"]
            self.results.add(f"bulk.{direction}.{streams}", path.name, speed)
        if "fairness" in self._plan.only and streams == FAIR_STREAMS:
            self.results.add(f"fairness.{direction}", path.name, took["first"] / took["last"])
        if "cpu" in self._plan.only and streams in CPU_STREAMS and path.name != "direct":
            per_gib = cpu / (took["bytes"] / MIB / 1024)
            self.results.add(f"cpu.{direction}.{streams}", path.name, per_gib)

    def _pingpong(self, path: Path, forwarder: Forwarder) -> None:
        trips = path.client.run("pingpong", *forwarder.address, self._plan.trips)
        for percent in (50, 99):
            value = percentile(trips, percent) * 1e6
            self.results.add(f"pingpong.p{percent}", path.name, value)

    def _connections(self, path: Path, forwarder: Forwarder, at_once: int) -> None:
        # What takes turns needs more of them for a figure of the same worth.
        count = self._plan.connections * (1 if at_once == 1 else 2)
        seconds = path.client.run("connections", *forwarder.address, count, at_once)
        self.results.add(f"connections.{at_once}", path.name, count / seconds)

    def _proxies(self, path: Path, forwarder: Forwarder) -> None:
        for proxy in forwarder.proxies.get(path.name, ()):
            by = [proxy.kind, proxy.host, proxy.port]
            for direction in ("down", "up"):
                took = path.client.run(
                    "bulk", *forwarder.address, direction, 1, self._plan.size, by
                )
                speed = took["bytes"] / MIB / took["last"]
                self.results.add(f"proxy.{proxy.kind}.bulk.{direction}", path.name, speed)
            for at_once in (1, 32):
                count = self._plan.connections * (1 if at_once == 1 else 2)
                seconds = path.client.run("connections", *forwarder.address, count, at_once, by)
                row = f"proxy.{proxy.kind}.connections.{at_once}"
                self.results.add(row, path.name, count / seconds)

    def _memory(self, path: Path, forwarder: Forwarder) -> None:
        self._add_memory("idle", path, forwarder)
        try:
            path.client.run("idle", *forwarder.address, IDLE_STREAMS)
            self._add_memory("streams", path, forwarder)
        finally:
            path.client.run("release")

    def _add_memory(self, state: str, path: Path, forwarder: Forwarder) -> None:
        ends = forwarder.ends()
        for side, processes in (("near", ends.near), ("far", ends.far)):
            found = memory(processes)
            if found is None:
                self.results.note(f"{path.title}: no process found at the {side} end")
                continue
            key = f"memory.{state}.{side}"
            self.results.add(f"{key}.rss", path.name, found.rss)
            if found.pss is not None:
                self.results.add(f"{key}.pss", path.name, found.pss)

    def _stalled(self, path: Path, forwarder: Forwarder, direction: str) -> None:
        before = _both_ends(forwarder)
        try:
            path.client.run("stalled", *forwarder.address, direction, STALLED_STREAMS)
            peak, settled = _peak(forwarder, self._plan.stall_limit)
        finally:
            path.client.run("release")
            path.server.release()
        if not settled:
            limit = self._plan.stall_limit
            self.results.note(f"{path.title}, stalled {direction}: not settled after {limit:.0f} s")
        for side, most in peak.items():
            if side in before:
                grown = most - before[side]
                self.results.add(f"stalled.{direction}.{side}", path.name, grown)

    def _first_byte(self, path: Path, forwarder: Forwarder) -> None:
        self.results.add("start.first", path.name, forwarder.first_byte * 1e3)

    def _agent_start(self, agent_start: Callable[[], float]) -> None:
        for run in range(self._plan.runs):
            self._say(f"agent's start: run {run + 1} of {self._plan.runs}")
            try:
                self.results.add("start.agent", "ours", agent_start() * 1e3)
            except LoadError as fault:
                self.results.note(f"agent's start: {fault}")


def _both_ends(forwarder: Forwarder) -> dict[str, float]:
    """RSS in MiB of the largest process at each end."""
    ends = forwarder.ends()
    found: dict[str, Memory | None] = {"near": memory(ends.near), "far": memory(ends.far)}
    return {side: one.rss for side, one in found.items() if one is not None}


def _peak(forwarder: Forwarder, limit: float) -> tuple[dict[str, float], bool]:
    """Return the most that each end took, and whether the forwarder settled in `limit` seconds."""
    processes = list(forwarder.ends())
    peak = settled = _both_ends(forwarder)
    worked, since = cpu_seconds(processes), time.monotonic()
    end = since + limit
    while time.monotonic() < end:
        time.sleep(0.1)
        now, work = _both_ends(forwarder), cpu_seconds(processes)
        peak = {side: max(value, now.get(side, 0.0)) for side, value in peak.items()}
        grown = any(value > settled[side] + _GROWTH for side, value in peak.items())
        if grown or work > worked + _WORK:
            settled, worked, since = peak, work, time.monotonic()
        elif time.monotonic() - since > _STEADY:
            return peak, True
    return peak, False


_Load = Callable[[Path, Forwarder], None]


def _with_streams(
    load: Callable[[Path, Forwarder, str, int], None], direction: str, streams: int
) -> _Load:
    return lambda path, forwarder: load(path, forwarder, direction, streams)


def _in_direction(load: Callable[[Path, Forwarder, str], None], direction: str) -> _Load:
    return lambda path, forwarder: load(path, forwarder, direction)


def _at_once(load: Callable[[Path, Forwarder, int], None], at_once: int) -> _Load:
    return lambda path, forwarder: load(path, forwarder, at_once)
