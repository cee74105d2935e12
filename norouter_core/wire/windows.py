"""Flow control (SPEC.md section 5) as arithmetic, in bytes and seconds."""

from __future__ import annotations

from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import (
    EARLY_WINDOW,
    LINK_BUDGET,
    MAX_CREDIT,
    MAX_WINDOW,
    START_WINDOW,
)

# A shorter round trip measures scheduling, not the path. The minimum also lets windows on a fast
# local link grow enough to keep both processes busy.
_MIN_ROUND_TRIP = 0.002


class Budget:
    """The limit for the sum of all windows that one end of a link grants."""

    __slots__ = ("spent", "streams", "total")

    def __init__(self, total: int = LINK_BUDGET) -> None:
        self.total = total
        self.spent = 0
        self.streams = 0

    def first_window(self) -> int:
        """Return the window of a new stream: 1/120 of what is left, within bounds."""
        left = max(0, self.total - self.spent)
        return max(EARLY_WINDOW, min(START_WINDOW, left // 120))

    def share(self) -> int:
        """Return the window that a stream may keep when the budget is nearly spent."""
        return max(EARLY_WINDOW, self.total // max(1, self.streams))

    @property
    def tight(self) -> bool:
        return self.spent > self.total * 7 // 8

    @property
    def room(self) -> int:
        """How many streams of minimal windows are left until three times the budget is spent."""
        return max(0, 3 * self.total - self.spent) // EARLY_WINDOW


class ReceiveWindow:
    """How much the peer may send on one stream, and when it gets more credit.

    Of `size`, the peer may still send `available` bytes; `_unacknowledged` bytes have been passed
    on, but not credited; the rest has been received and not passed on.
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
        """Note `size` received bytes.

        Raises:
            RemoteProtocolError: code `window`: the peer sent more than it may.
        """
        if size > self.available:
            raise RemoteProtocolError(
                "window", f"{size} bytes of data, but only {self.available} were allowed"
            )
        self.available -= size

    def grant(self) -> int:
        """Grant the window of a stream that is being accepted; return the `window` of OPENED.

        That is the early window, which the peer has had, and what is added to it now.
        """
        return EARLY_WINDOW + self._grant(max(self._budget.first_window(), self.size))

    def consumed(self, size: int, now: float, round_trip: float) -> int:
        """Note that `size` bytes were passed on; return the credit to send now, often 0.

        Credit is sent for half a window at a time. More often would cost more frames; less often
        would stall the sender.
        """
        self._unacknowledged += size
        self._epoch_bytes += size
        if self._unacknowledged * 2 < self.size:
            return 0
        return self._grant(self._adapted_size(now, max(round_trip, _MIN_ROUND_TRIP)))

    def close(self) -> None:
        """Give the bytes back to the budget; the window must not be used again."""
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
        """Return the best size: twice the measured bandwidth times the round trip."""
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
        """Add what the acceptor has granted beyond the early window.

        Raises:
            RemoteProtocolError: code `window`: `window` is out of bounds.
        """
        check_window(window)
        self.available += window - EARLY_WINDOW

    def on_credit(self, credit: int) -> None:
        """Add a credit.

        Raises:
            RemoteProtocolError: code `window`: it is 0, or the sum is above the limit.
        """
        if not 0 < credit <= MAX_CREDIT - self.available:
            raise RemoteProtocolError(
                "window", f"credit of {credit} bytes on top of {self.available}"
            )
        self.available += credit


def check_window(window: int) -> int:
    """Return `window`, of an OPEN or OPENED.

    Raises:
        RemoteProtocolError: code `window`: it is out of bounds.
    """
    if not EARLY_WINDOW <= window <= MAX_WINDOW:
        raise RemoteProtocolError("window", f"a window of {window} bytes")
    return window
