"""Rates out of counters that are looked at now and then."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from norouter_core.session.client import Rate

K = TypeVar("K", bound=Hashable)


class RateTracker(Generic[K]):
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
            counts: what was counted until now, of each thing: its key, bytes sent, bytes received.
                One
                that is new has counted from 0 since the last update, except at the first.
        """
        fresh: dict[K, tuple[int, int, Rate]] = {}
        for key, sent, received in counts:
            old_sent, old_received, rate = self._known.get(key) or _NEW
            if not self._begun:
                rate = Rate()
            elif sent != old_sent or received != old_received:
                rate = self._moved(rate, sent - old_sent, received - old_received, seconds)
            elif rate is not self._idle:
                rate = self._rested(rate)
            fresh[key] = sent, received, rate
        self._known, self._begun = fresh, True
        return {key: known[2] for key, known in fresh.items()}

    def _moved(self, rate: Rate, sent: int, received: int, seconds: float) -> Rate:
        # A counter falls where a proxy's client goes on to another host.
        sent_rate = sent / seconds if sent > 0 else 0.0
        received_rate = received / seconds if received > 0 else 0.0
        return Rate(sent_rate, received_rate, self._longer(rate.history, sent_rate + received_rate))

    def _rested(self, rate: Rate) -> Rate:
        history = self._longer(rate.history, 0.0)
        return self._idle if history == self._idle.history else Rate(0.0, 0.0, history)

    def _longer(self, history: tuple[float, ...], value: float) -> tuple[float, ...]:
        return (*history[-len(self._idle.history) + 1 :], value)


_NEW: tuple[int, int, Rate] = (0, 0, Rate())
