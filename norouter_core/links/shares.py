"""Fair shares of this machine's descriptors among the hosts whose clients it dials for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from norouter_core.wire.limits import MAX_STREAMS

if TYPE_CHECKING:
    from norouter_core.agent.io import Io
    from norouter_core.agent.tcp import TcpEnd
    from norouter_core.agent.udp import UdpEnd

_FREE = 16
"""Streams of one host that are not worth a look at the descriptors."""


class DialShares:
    """The ends that were dialled, by the link whose clients they are for.

    A link may have as many as are left for all others. This machine's own clients are not limited.
    """

    def __init__(self, io: Io) -> None:
        self._io = io
        self._dialled: dict[object, list[TcpEnd | UdpEnd]] = {}
        self._check_at: dict[object, int] = {}

    def refusal(self) -> str:
        """Return why the link whose frame is being handled may dial no more; empty if it may."""
        source = self._io.cause.source
        if source is None or (taken := self._taken(source)) < _FREE:
            return ""
        others = sum(len(ends) for ends in self._dialled.values())
        left = min(MAX_STREAMS - others, self._io.descriptors.left())
        if taken < left:
            return ""
        return f"{taken} streams to this machine are open for these clients, and {left} more may be"

    def add(self, end: TcpEnd | UdpEnd) -> None:
        """Note an end that was dialled for the link whose frame is being handled."""
        source = self._io.cause.source
        if source is None:
            return
        if source not in self._dialled:
            for known in list(self._dialled):
                self._forget_closed(known)  # the links of some may be gone
        self._dialled.setdefault(source, []).append(end)

    def _taken(self, source: object) -> int:
        """Return how many of its ends are open, or may be: closed ones are counted for a while."""
        if len(self._dialled.get(source, ())) >= self._check_at.get(source, _FREE):
            self._forget_closed(source)
        return len(self._dialled.get(source, ()))

    def _forget_closed(self, source: object) -> None:
        is_open = [end for end in self._dialled[source] if not end.closed]
        if is_open:
            self._dialled[source] = is_open
            self._check_at[source] = len(is_open) + max(_FREE, len(is_open) // 4)
        else:
            del self._dialled[source]
            self._check_at.pop(source, None)
