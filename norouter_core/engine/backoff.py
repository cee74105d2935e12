"""How long a host waits before it is started again, and a listener before it is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from norouter_core.timing import Timing

_MAX_JITTER = 0.25
"""The part of a delay that is random, so that hosts lost together do not come back in step."""

QUICK_ATTEMPTS = 4
_QUICK_RETRY = 0.03
_RETRY = 0.5
"""Seconds until an address in use is tried again.

At first soon, since another host of the namespace may be about to release or to report it; then
less often, since a lost agent holds it until it notices that its hub is gone. After
`_STEADY_ATTEMPTS` the delay doubles, up to `_MAX_RETRY`."""
_STEADY_ATTEMPTS = QUICK_ATTEMPTS + 20
_MAX_RETRY = 16.0


@dataclass(slots=True)
class BackOff:
    """Delays that double from `timing.first_retry` to a maximum, which is shorter if `is_local`."""

    timing: Timing = field(default_factory=Timing)
    is_local: bool = False
    failures: int = 0
    random: random.Random = field(default_factory=random.Random)

    def next_delay(self) -> float:
        """Count a failure, and return the seconds to wait."""
        self.failures += 1
        first = self.timing.first_retry
        longest = self.timing.max_local_retry if self.is_local else self.timing.max_retry
        delay = min(longest, first * 2.0 ** min(self.failures - 1, 10))
        jitter = self.random.random() * _MAX_JITTER
        longer = delay * (1 + jitter)
        return longer if longer <= longest else longest * (1 - jitter)

    def link_ended(self, ready_for: float) -> None:
        """Forget the failures if the link was ready for long enough.

        A host that comes up and dies at once would otherwise be started every second forever.
        """
        if ready_for >= self.timing.stable:
            self.failures = 0


def retry_delay(attempts: int) -> float:
    """Return the seconds until an address that has been in use so often is tried again."""
    if attempts <= QUICK_ATTEMPTS:
        return _QUICK_RETRY
    doublings = min(10, max(0, attempts - _STEADY_ATTEMPTS))
    return min(_MAX_RETRY, _RETRY * 2.0**doublings)
