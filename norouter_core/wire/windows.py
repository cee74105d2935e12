"""Flow control as pure arithmetic (SPEC.md section 5). Sizes in bytes, times in seconds."""

from __future__ import annotations

from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import (
    EARLY_WINDOW,
    LINK_BUDGET,
    MAX_CREDIT,
    MAX_WINDOW,
    START_WINDOW,
)

# Below this a measured round trip says more about scheduling than about the path; it also lets
# windows on a fast local link grow enough to keep both processes busy.
_LEAST_ROUND_TRIP = 0.002


class Budget:
    """What all windows of one link's receiving side may hold together."""

    __slots__ = ("spent", "streams", "total")

    def __init__(self, total: int = LINK_BUDGET) -> None:
        self.total = total
        self.spent = 0
        self.streams = 0

    def first_window(self) -> int:
        """The window of a new stream: 1/120 of what is left, within its bounds."""
        left = max(0, self.total - self.spent)
        return max(EARLY_WINDOW, min(START_WINDOW, left // 120))

    def share(self) -> int:
        """What one stream may keep when the budget is nearly spent."""
        return max(EARLY_WINDOW, self.total // max(1, self.streams))

    @property
    def tight(self) -> bool:
        return self.spent > self.total * 7 // 8

    @property
    def exhausted(self) -> bool:
        """True when even the least windows come to twice the budget: no stream is taken then."""
        return self.spent >= 2 * self.total


class ReceiveWindow:
    """How much the peer may send on one stream, and when it is given more.

    Of `size`, `left` bytes may still be sent by the peer and `_owed` bytes have gone on and will
    be credited; the rest has come and is held somewhere on its way.
    """

    __slots__ = ("_budget", "_epoch", "_epoch_bytes", "_unacknowledged", "available", "size")

    def __init__(self, budget: Budget, size: int) -> None:
        self._budget = budget
        self.size = size
        self.available = size
        self._unacknowledged = 0
        self._epoch = -1.0
        self._epoch_bytes = 0
        budget.spent += size
        budget.streams += 1

    def on_data(self, size: int) -> None:
        """Debits what came.

        Raises:
            RemoteProtocolError: code `window`, when the peer sent more than it may.
        """
        if size > self.available:
            raise RemoteProtocolError(
                "window", f"{size} bytes of data where {self.available} were allowed"
            )
        self.available -= size

    def grant(self) -> int:
        """Grants what a stream gets when it is accepted; returns what OPENED is to say: the early
        window, which the peer has had, and what is added to it now."""
        return EARLY_WINDOW + self._grant(max(self._budget.first_window(), self.size))

    def consumed(self, size: int, now: float, round_trip: float) -> int:
        """Bytes that have gone on. Returns the credit to send now, often 0.

        Credit is sent half a window at a time: more often costs frames, more rarely lets the
        sender run dry.
        """
        self._unacknowledged += size
        self._epoch_bytes += size
        if self._unacknowledged * 2 < self.size:
            return 0
        return self._grant(self._adapted_size(now, max(round_trip, _LEAST_ROUND_TRIP)))

    def close(self) -> None:
        """Gives the budget back; the window must not be used after it."""
        self._budget.spent -= self.size
        self._budget.streams -= 1
        self.size = self.available = self._unacknowledged = 0

    def _grant(self, target: int) -> int:
        held = self.size - self.available - self._unacknowledged
        credit = max(0, target - self.available - held)
        self.available += credit
        self._unacknowledged = 0
        self._budget.spent += self.available + held - self.size
        self.size = self.available + held
        return credit

    def _adapted_size(self, now: float, round_trip: float) -> int:
        """The size this window should have: twice the measured bandwidth x round trip."""
        size = self.size
        if self._epoch < 0:
            self._epoch, self._epoch_bytes = now, 0
        elif self._epoch_bytes >= size:
            bandwidth = self._epoch_bytes / max(now - self._epoch, 1e-6)
            self._epoch, self._epoch_bytes = now, 0
            free = max(0, self._budget.total - self._budget.spent)
            size = max(size, min(int(2 * bandwidth * round_trip), MAX_WINDOW, size + free))
        if self._budget.tight:
            size = min(size, self._budget.share())
        return size


class SendWindow:
    """How much we may still send on one stream."""

    __slots__ = ("available",)

    def __init__(self, size: int = EARLY_WINDOW) -> None:
        self.available = size

    def on_opened(self, window: int) -> None:
        """What the acceptor adds to the early window.

        Raises:
            RemoteProtocolError: code `window`, for a window out of its bounds.
        """
        check_window(window)
        self.available += window - EARLY_WINDOW

    def on_credit(self, credit: int) -> None:
        """Raises:
        RemoteProtocolError: code `window`, for no credit at all or a sum above the limit.
        """
        if not 0 < credit <= MAX_CREDIT - self.available:
            raise RemoteProtocolError(
                "window", f"credit of {credit} bytes on top of {self.available}"
            )
        self.available += credit


def check_window(window: int) -> int:
    """`window` as it came in OPEN or OPENED.

    Raises:
        RemoteProtocolError: code `window`, when it is out of its bounds.
    """
    if not EARLY_WINDOW <= window <= MAX_WINDOW:
        raise RemoteProtocolError("window", f"a window of {window} bytes")
    return window
