"""What is told of clients that did not get where they wanted: one line now and then, not one for
each of a thousand."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from norouter_core.engine.publications import ListenAddress, Publication
from norouter_core.model import format_address

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

NOT_REACHED = frozenset(
    {"refused", "unreachable", "timeout", "name", "not-allowed", "gone", "too-many", "internal"}
)
"""The codes (SPEC.md section 4) that say so; a reset or an orderly end is the two ends' own."""

INTERVAL = 10.0
"""Seconds between two lines about the same."""
_MAX_SUBJECTS = 256


class LogThrottle:
    """Limits the lines per subject; remembers at most 256 of them."""

    def __init__(self) -> None:
        self._last: OrderedDict[ListenAddress | str, tuple[float, int]] = OrderedDict()

    def unreached(
        self, publication: Publication, from_host: str, peer: Address, reason: str, now: float
    ) -> str | None:
        """The line to be told now; None while the last one about that port is fresh."""
        more = self._suffix(publication.listen_address, now)
        if more is None:
            return None
        return (
            f"{publication.target_text} was not reached: {reason} "
            f"(client {format_address(peer)} on {from_host}, by {publication.listen_address.text()}"
            f"{more})"
        )

    def refused(self, host: str, listener: int, peer: Address, now: float) -> str | None:
        """The same for what a host's agent offers and must not: it may do so without end."""
        more = self._suffix(host, now)
        if more is None:
            return None
        return (
            f"refused a client from {peer[0]}:{peer[1]}: listener {listener} is not published{more}"
        )

    def _suffix(self, subject: ListenAddress | str, now: float) -> str | None:
        """What to say of the lines left out since the last one; None to leave this one out, too."""
        told, silent = self._last.get(subject, (-INTERVAL, 0))
        if now - told < INTERVAL:
            self._last[subject] = (told, silent + 1)
            return None
        self._last[subject] = (now, 0)
        self._last.move_to_end(subject)
        if len(self._last) > _MAX_SUBJECTS:
            self._last.popitem(last=False)
        return f"; {silent} more since the last such line" if silent else ""
