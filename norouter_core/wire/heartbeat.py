"""The liveness and the round trip of a link (SPEC.md section 7); callers pass the time."""

from __future__ import annotations

SILENT_INTERVALS = 3


class Heartbeat:
    """`interval` and all times are in seconds, from one monotonic clock."""

    __slots__ = ("_number", "_pinged", "interval", "last_heard", "round_trip")

    def __init__(self, interval: float, now: float) -> None:
        self.interval = interval
        self.round_trip: float | None = None
        """Smoothed over about the last eight pings, as in RFC 6298; None until measured."""
        self.last_heard = now
        self._number = 0
        self._pinged = 0.0

    def heard(self, now: float) -> None:
        """Note that the peer has sent anything."""
        self.last_heard = now

    def is_silent(self, now: float) -> bool:
        """Return whether the peer has sent nothing for `SILENT_INTERVALS` intervals."""
        return now - self.last_heard > SILENT_INTERVALS * self.interval

    def next_due(self, now: float) -> float:
        """Return the seconds until the next ping is due or the silence has lasted too long."""
        left = self.last_heard + SILENT_INTERVALS * self.interval - now
        # A little longer, so that the silence is over the limit then.
        return max(0.001, min(self.interval, left + 0.01))

    def ping(self, now: float) -> int:
        """Return the number of the ping to send now; only the latest is measured."""
        self._number += 1
        self._pinged = now
        return self._number

    def pong(self, number: int, now: float) -> None:
        """Note a pong; that of an older ping is ignored."""
        if number != self._number:
            return
        sample = now - self._pinged
        known = self.round_trip
        self.round_trip = sample if known is None else known + (sample - known) / 8
