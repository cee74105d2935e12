"""Log lines about clients that failed: one now and then instead of one for each client."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
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
    """Limits the lines about each subject; remembers the latest 256 subjects."""

    def __init__(self) -> None:
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
        now: float,
        *,
        was_open: bool = False,
    ) -> str | None:
        """Return a line about a port that was not reached, or a stream of it that was cut.

        Return None soon after the last one.
        """
        interval = TOO_MANY_INTERVAL if reason.startswith("too-many") else INTERVAL
        more = self._suffix(publication.listen_address, now, interval)
        if more is None:
            return None
        # A stream of datagrams opens before its target can refuse them.
        was_cut = was_open and not reason.startswith("refused")
        what = "a stream to {} was cut" if was_cut else "{} was not reached"
        return (
            f"{what.format(publication.target_text)}: {reason} "
            f"(client {format_address(peer)} on {from_host}, by {publication.listen_address.text()}"
            f"{more})"
        )

    def slow_start(self, text: str, now: float) -> str | None:
        """Return a line about a host that starts slowly; None if many have had one just now."""
        if len(self._slow) == _MAX_SLOW and now - self._slow[0] < INTERVAL:
            self._more_slow += 1
            return None
        self._slow.append(now)
        more, self._more_slow = self._more_slow, 0
        return f"{text}; {more} more hosts start as slowly" if more else text

    def refused(self, host: str, listener: int, peer: Address, now: float) -> str | None:
        """Return a line about a client that a host's agent must not offer; None soon after one."""
        more = self._suffix(host, now)
        if more is None:
            return None
        return (
            f"refused a client from {peer[0]}:{peer[1]}: listener {listener} is not published{more}"
        )

    def other_user(
        self, address: ListenAddress, peer: Address, reason: str, now: float
    ) -> str | None:
        """Return a line about a client of this machine that `onlyUser` refuses; None soon after."""
        more = self._suffix(("other user", address), now)
        client = format_address(peer)
        return (
            more if more is None else f"refused client {client} of {address.text()}: {reason}{more}"
        )

    def wrong_login(
        self, address: ListenAddress, from_host: str, peer: Address, now: float
    ) -> str | None:
        """Return a line about a wrong password for a proxy; None soon after one."""
        more = self._suffix(("wrong login", address), now)
        return (
            None
            if more is None
            else (
                f"wrong user or password for the proxy at {address.text()} "
                f"(client {format_address(peer)} on {from_host}{more})"
            )
        )

    def too_many(self, host: str, reason: str, now: float) -> str | None:
        """Return a line about a client of a host whose link has too many streams; None soon after
        one.
        """
        more = self._suffix(("too many", host), now, TOO_MANY_INTERVAL)
        return None if more is None else f"refused a client: {reason}{more}"

    def _suffix(self, subject: Hashable, now: float, interval: float = INTERVAL) -> str | None:
        """Return the end of a line, which counts those left out; None to leave it out, too."""
        last, omitted = self._last.get(subject, (-interval, 0))
        if now - last < interval:
            self._last[subject] = (last, omitted + 1)
            return None
        self._last[subject] = (now, 0)
        self._last.move_to_end(subject)
        if len(self._last) > _MAX_SUBJECTS:
            self._last.popitem(last=False)
        return f"; {omitted} more since the last such line" if omitted else ""


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
