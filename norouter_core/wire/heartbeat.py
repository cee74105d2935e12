"""The liveness and the round trip of a link (SPEC.md section 7); callers pass the time."""

from __future__ import annotations

HUB_TIMEOUT = 3
"""Intervals of silence after which the hub considers a link dead."""
AGENT_TIMEOUT = 6
"""The same for an agent. It sees the end of a hub at once, by EOF, and so waits for one that stands
still."""


class Heartbeat:
    """`interval` and all times are in seconds, from one monotonic clock.

    `timeout` is the number of intervals without input that end the link.
    """

    __slots__ = (
        "_due",
        "_forgiven",
        "_number",
        "_pinged",
        "_timeout",
        "interval",
        "last_heard",
        "round_trip",
    )

    def __init__(self, interval: float, now: float, timeout: int = HUB_TIMEOUT) -> None:
        self.interval = interval
        self.round_trip: float | None = None
        """Smoothed over about the last eight pings, as in RFC 6298; None until measured."""
        self.last_heard = now
        self._timeout = timeout * interval
        self._due = now
        self._forgiven = False
        self._number = 0
        self._pinged = 0.0

    def heard(self, now: float) -> None:
        """Note that the peer has sent anything."""
        self.last_heard = now
        self._forgiven = False

    def check_silence(self, now: float) -> bool:
        """Return whether the peer has been silent for too long; call it when `next_due` says so.

        If the call is late, this process stood still (a suspended machine, SIGSTOP, swapping) and
        may not have read what the peer sent meanwhile. That restarts the silence, once.
        """
        if self._is_late(now) and not self._forgiven:
            self._forgiven = True
            self.last_heard = now
        return now - self.last_heard > self._timeout

    def next_due(self, now: float) -> float:
        """Return the seconds until the next ping is due or the silence has lasted too long."""
        left = self.last_heard + self._timeout - now
        # A little longer, so that the silence is over the limit then.
        delay = max(0.001, min(self.interval, left + 0.01))
        self._due = now + delay
        return delay

    def ping(self, now: float) -> int:
        """Return the number of the ping to send now; only the latest is measured."""
        self._number += 1
        self._pinged = now
        return self._number

    def pong(self, number: int, now: float) -> None:
        """Note a pong; that of an older ping is ignored, and that of a time of standing still."""
        if number != self._number or self._is_late(now):
            return
        sample = now - self._pinged
        known = self.round_trip
        self.round_trip = sample if known is None else known + (sample - known) / 8

    def _is_late(self, now: float) -> bool:
        return now - self._due > self.interval
