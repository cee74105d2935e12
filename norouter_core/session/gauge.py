"""Rates out of counters that are looked at now and then."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from norouter_core.session.client import Rate

K = TypeVar("K", bound=Hashable)


class Gauge(Generic[K]):
    """The rates of many things, each with its last `length` sums; what is not counted any more is
    forgotten."""

    def __init__(self, length: int) -> None:
        self._idle = Rate(0.0, 0.0, (0.0,) * length)
        """Of whatever has been idle for so long: most of thousands of streams are."""
        self._known: dict[K, tuple[int, int, Rate]] = {}
        self._begun = False

    def reset(self) -> None:
        """Forgets everything: what is counted next are the first counts."""
        self._known.clear()
        self._begun = False

    def update(self, counts: Iterable[tuple[K, int, int]], seconds: float) -> dict[K, Rate]:
        """The rates, `seconds` after the last update.

        Args:
            counts: what was counted until now, of each thing: its key, bytes forth, bytes back. One
                that is new has counted from 0 since the last update, except at the first.
        """
        fresh: dict[K, tuple[int, int, Rate]] = {}
        for key, forth, back in counts:
            old_forth, old_back, rate = self._known.get(key) or _NEW
            if not self._begun:
                rate = Rate()
            elif forth != old_forth or back != old_back:
                rate = self._moved(rate, forth - old_forth, back - old_back, seconds)
            elif rate is not self._idle:
                rate = self._rested(rate)
            fresh[key] = forth, back, rate
        self._known, self._begun = fresh, True
        return {key: known[2] for key, known in fresh.items()}

    def _moved(self, rate: Rate, forth: int, back: int, seconds: float) -> Rate:
        # A counter falls where a proxy's client goes on to another host.
        forth_rate = forth / seconds if forth > 0 else 0.0
        back_rate = back / seconds if back > 0 else 0.0
        return Rate(forth_rate, back_rate, self._longer(rate.history, forth_rate + back_rate))

    def _rested(self, rate: Rate) -> Rate:
        history = self._longer(rate.history, 0.0)
        return self._idle if history == self._idle.history else Rate(0.0, 0.0, history)

    def _longer(self, history: tuple[float, ...], value: float) -> tuple[float, ...]:
        return (*history[-len(self._idle.history) + 1 :], value)


_NEW: tuple[int, int, Rate] = (0, 0, Rate())
