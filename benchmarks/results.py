"""What was measured: rows of the table, medians, ratios, and the first marks."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NOROUTER_CONNECTIONS = {1: 410.0, 32: 1100.0}
"""Connections per second of NoRouter 0.6.5 on a two-core machine, by how many at once."""

PROXIES = {"connect": "CONNECT", "socks5": "SOCKS5"}
"""Kinds of proxies, and how the table calls them."""

STREAMS = (1, 8, 64)
FAIR_STREAMS = 64
CPU_STREAMS = (1, 64)
IDLE_STREAMS = 1000
STALLED_STREAMS = 256


@dataclass(frozen=True)
class Row:
    """One measured quantity. `ratio` says whether dividing it by another path's makes sense."""

    key: str
    label: str
    unit: str
    ratio: bool = True


def rows() -> list[Row]:
    """Every row there is, in the order of the table."""
    found = []
    for streams in STREAMS:
        for direction in ("down", "up"):
            label = f"bulk {direction}, {_count(streams, 'stream')}"
            found.append(Row(f"bulk.{direction}.{streams}", label, "MiB/s"))
    for direction in ("down", "up"):
        label = f"fairness {direction}, {FAIR_STREAMS} streams"
        found.append(Row(f"fairness.{direction}", label, "first/last", ratio=False))
    for streams in CPU_STREAMS:
        for direction in ("down", "up"):
            label = f"CPU {direction}, {_count(streams, 'stream')}"
            found.append(Row(f"cpu.{direction}.{streams}", label, "s/GiB"))
    found += [Row(f"pingpong.p{p}", f"ping-pong 64 bytes, p{p}", "us") for p in (50, 99)]
    found += [Row(f"connections.{n}", f"connections, {n} at once", "1/s") for n in (1, 32)]
    found += _proxy_rows()
    found += _memory_rows()
    found += [
        Row("start.agent", "command's start to agent ready", "ms", ratio=False),
        Row("start.first", "program's start to first byte", "ms"),
    ]
    return found


def _proxy_rows() -> list[Row]:
    found = []
    for kind, title in PROXIES.items():
        for direction in ("down", "up"):
            label = f"bulk {direction} through {title}"
            found.append(Row(f"proxy.{kind}.bulk.{direction}", label, "MiB/s"))
        for at_once in (1, 32):
            label = f"connections through {title}, {at_once} at once"
            found.append(Row(f"proxy.{kind}.connections.{at_once}", label, "1/s"))
    return found


def _memory_rows() -> list[Row]:
    sides = {"near": "hub or ssh", "far": "agent or sshd"}
    found = []
    for state, said in (("idle", "idle"), ("streams", f"{IDLE_STREAMS} idle streams")):
        for side, who in sides.items():
            for kind in ("rss", "pss"):
                label = f"{kind.upper()} of {who}, {said}"
                found.append(Row(f"memory.{state}.{side}.{kind}", label, "MiB"))
    for direction in ("down", "up"):
        for side, who in sides.items():
            label = f"{who}, {STALLED_STREAMS} stalled {direction}"
            found.append(Row(f"stalled.{direction}.{side}", label, "MiB more"))
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class Results:
    """Every run of every row on every path."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.notes: list[str] = []
        """What was skipped or went wrong, and why."""

    def add(self, row: str, path: str, value: float) -> None:
        self._runs[row, path].append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def runs(self, row: str, path: str) -> list[float]:
        return list(self._runs.get((row, path), ()))

    def median(self, row: str, path: str) -> float | None:
        """Return the median of the runs; None if there were none."""
        runs = self._runs.get((row, path))
        return statistics.median(runs) if runs else None

    def ratio(self, row: str, path: str, base: str) -> float | None:
        """Median of `path` over median of `base`; None where either is missing."""
        value, other = self.median(row, path), self.median(row, base)
        return value / other if value is not None and other else None

    def measured(self) -> list[Row]:
        """Return the rows that have at least one value."""
        keys = {row for row, _ in self._runs}
        return [row for row in rows() if row.key in keys]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of `values`, which need not be sorted nor many.

    Raises:
        ValueError: no values, or `percent` not in (0, 100].
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no {percent}th percentile of {len(values)} values")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


@dataclass(frozen=True)
class Mark:
    """A goal. `measured` is None when its row was not measured in this run."""

    text: str
    measured: float | None
    wanted: float | None
    at_least: bool

    @property
    def verdict(self) -> str:
        if self.measured is None or self.wanted is None:
            return "not measured"
        met = self.measured >= self.wanted if self.at_least else self.measured < self.wanted
        return "ok" if met else "missed"

    def to_json(self) -> dict[str, Any]:
        return {
            "mark": self.text,
            "measured": self.measured,
            "wanted": self.wanted,
            "at_least": self.at_least,
            "verdict": self.verdict,
        }


def marks(results: Results) -> list[Mark]:
    """Return the first marks, all of them for local to remote."""
    ours = "ours"
    found = []
    for direction in ("down", "up"):
        row = f"bulk.{direction}.1"
        ratio = results.ratio(row, ours, "direct")
        found.append(Mark(f"bulk {direction}, 1 stream, over direct", ratio, 0.25, True))
        ratio = results.ratio(row, ours, "ssh-gcm")
        found.append(Mark(f"bulk {direction}, 1 stream, over ssh -L gcm", ratio, 1.0, True))
        value = results.median(f"fairness.{direction}", ours)
        found.append(Mark(f"fairness {direction}, {FAIR_STREAMS} streams", value, 0.8, True))
    for at_once, norouter in NOROUTER_CONNECTIONS.items():
        value = results.median(f"connections.{at_once}", ours)
        found.append(Mark(f"connections/s, {at_once} at once", value, 3 * norouter, True))
    below = {
        "ping-pong p50, us": ("pingpong.p50", 350.0),
        "command's start to agent ready, ms": ("start.agent", 250.0),
        "agent RSS idle, MiB": ("memory.idle.far.rss", 25.0),
        f"hub, {STALLED_STREAMS} stalled down, MiB more": ("stalled.down.near", 64.0),
        f"hub, {STALLED_STREAMS} stalled up, MiB more": ("stalled.up.near", 64.0),
    }
    found += [Mark(t, results.median(r, ours), limit, False) for t, (r, limit) in below.items()]
    return found
