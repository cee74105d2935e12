"""How long a host waits before it is started again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FIRST = 1.0
LONGEST = 60.0
STABLE = 10.0
"""Seconds that a host must have been ready for its troubles to be forgotten: one that comes up
and dies at once would otherwise be started every second for ever."""


@dataclass(slots=True)
class BackOff:
    """Exponential from 1 s to 60 s, with a quarter by chance, so that hosts lost together do not
    come back in step."""

    failures: int = 0
    chance: random.Random = field(default_factory=random.Random)

    def failed(self) -> float:
        """Notes a failure; the seconds to wait."""
        self.failures += 1
        full = min(LONGEST, FIRST * 2.0 ** min(self.failures - 1, 10))
        by_chance = self.chance.random() / 4
        longer = full * (1 + by_chance)
        return longer if longer <= LONGEST else LONGEST * (1 - by_chance)

    def was_ready(self, seconds: float) -> None:
        """A link has ended that had been ready for so long."""
        if seconds >= STABLE:
            self.failures = 0
