"""Log lines about clients that failed: one now and then instead of one for each client."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from norouter_core.engine.publications import ListenAddress, Publication
from norouter_core.model import format_address

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

NOT_REACHED = frozenset(
    {"refused", "unreachable", "timeout", "name", "not-allowed", "gone", "too-many", "internal"}
)
"""The codes (SPEC.md section 4) with which a target is not reached."""

SCARCE_INTERVAL = 30.0
"""Seconds between two lines about the descriptors of one process."""
CUT = frozenset({"timeout", "gone", "internal"})
"""Those of them with which an open stream can end, too."""

INTERVAL = 10.0
"""Seconds between two lines about one subject."""
TOO_MANY_INTERVAL = 60.0
"""Seconds between two lines about one subject that has too many streams."""
_MAX_SUBJECTS = 256
_MAX_NUMBER = 1 << 31
_MAX_SLOW = 4
"""Hosts that start slowly and have a line each, within `INTERVAL`."""


class LogThrottle:
    """Limits the lines about each subject; remembers the latest 256 subjects.

    Args:
        log: logs a line; gets its level, the name of a host and the text.
        clock: returns the time in seconds.
    """

    def __init__(
        self, log: Callable[[str, str, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._clock = clock
        self._last: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._slow: deque[float] = deque(maxlen=_MAX_SLOW)
        """When the last lines about slow starts were printed."""
        self._more_slow = 0

    def unreached(
        self,
        publication: Publication,
        from_host: str,
        peer: Address,
        reason: str,
        *,
        was_open: bool = False,
    ) -> None:
        """Log a port that was not reached, or a stream of it that was cut."""
        interval = TOO_MANY_INTERVAL if reason.startswith("too-many") else INTERVAL
        # A stream of datagrams opens before its target can refuse them.
        was_cut = was_open and not reason.startswith("refused")
        what = "a stream to {} was cut" if was_cut else "{} was not reached"
        self._warn(
            publication.listen_address,
            publication.to_host,
            f"{what.format(publication.target_text)}: {reason} (client {format_address(peer)} "
            f"on {from_host}, by {publication.listen_address.text()}",
            ")",
            interval=interval,
        )

    def slow_start(self, host: str, text: str) -> None:
        """Log that a host starts slowly, unless many have had such a line just now."""
        now = self._clock()
        if len(self._slow) == _MAX_SLOW and now - self._slow[0] < INTERVAL:
            self._more_slow += 1
            return
        self._slow.append(now)
        more, self._more_slow = self._more_slow, 0
        self._log("warning", host, f"{text}; {more} more hosts start as slowly" if more else text)

    def refused(self, host: str, listener: int, peer: Address) -> None:
        """Log a client that a host's agent must not offer."""
        text = f"refused a client from {peer[0]}:{peer[1]}: listener {listener} is not published"
        self._warn(host, host, text)

    def other_user(self, host: str, address: ListenAddress, peer: Address, reason: str) -> None:
        """Log a client of this machine that `onlyUser` refuses."""
        text = f"refused client {format_address(peer)} of {address.text()}: {reason}"
        self._warn(("other user", address), host, text)

    def wrong_login(self, publication: Publication, from_host: str, peer: Address) -> None:
        """Log a wrong password for a proxy."""
        address = publication.listen_address
        text = (
            f"wrong user or password for the proxy at {address.text()} "
            f"(client {format_address(peer)} on {from_host}"
        )
        self._warn(("wrong login", address), publication.to_host, text, ")")

    def too_many(self, host: str, reason: str) -> None:
        """Log a client of a host whose link has too many streams."""
        text = f"refused a client: {reason}"
        self._warn(("too many", host), host, text, interval=TOO_MANY_INTERVAL)

    def _warn(
        self, subject: Hashable, host: str, text: str, end: str = "", interval: float = INTERVAL
    ) -> None:
        """Log a line with the number of those omitted before `end`; omit it soon after the last."""
        now = self._clock()
        last, omitted = self._last.get(subject, (-interval, 0))
        if now - last < interval:
            self._last[subject] = (last, omitted + 1)
            return
        self._last[subject] = (now, 0)
        self._last.move_to_end(subject)
        if len(self._last) > _MAX_SUBJECTS:
            self._last.popitem(last=False)
        more = f"; {omitted} more since the last such line" if omitted else ""
        self._log("warning", host, text + more + end)


class Scarcity:
    """Limits the lines about the descriptors of one process, whatever an agent reports."""

    def __init__(self) -> None:
        self._last = -SCARCE_INTERVAL

    def line(self, used: int, limit: int, now: float) -> str | None:
        """Return a line about a process that has hardly any descriptors; None soon after one."""
        if now - self._last < SCARCE_INTERVAL:
            return None
        self._last = now
        used, limit = (max(0, min(number, _MAX_NUMBER)) for number in (used, limit))
        return (
            f"{used} of {limit} file descriptors are in use: new clients wait until some are free "
            "(to allow more, raise the limit with ulimit -n)"
        )
