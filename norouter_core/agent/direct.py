"""Direct streams: those that do not cross the link, since the host has both of their sockets.

They are clients of a host's own VIP, and spliced streams. The hub shows them too, so the agent
reports their counters (SPEC.md section 3, event `direct`).
"""

from __future__ import annotations

import itertools
from collections import deque

from norouter_core.wire.limits import MAX_STREAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from norouter_core.agent.ends import End
    from norouter_core.agent.io import Io
    from norouter_core.agent.splice import Splice
    from norouter_core.agent.tcp import TcpEnd
    from norouter_core.agent.udp import UdpClient, UdpEnd
    from norouter_core.wire.codes import Address

REPORT_INTERVAL = 0.25
"""The least number of seconds between two reports."""
_MAX_ROWS = 1000
"""Streams in one report, which stays far below the limit of a message."""
_MAX_REPORTS_PER_TICK = 16
"""Reports of ended streams at one time; the rest wait for the next."""
_MAX_STREAMS_PER_TICK = 4000
"""Open streams whose counters are compared at one time."""


class DirectStream:
    """A client's end joined to a target's end on this host; observes both."""

    def __init__(self, number: int, listener: int, peer: Address, table: DirectTable):
        self.number = number
        self.listener = listener
        self.peer = peer
        self.client: TcpEnd | UdpClient | None = None
        self.target: TcpEnd | UdpEnd | None = None
        self.state = "opening"
        self.reason = ""
        self.reported: tuple[int, int, str] = (-1, -1, "")
        self.splice: Splice | None = None
        self._table = table

    def take_over(self, client: TcpEnd, target: TcpEnd) -> None:
        """Observe two sockets that are connected already."""
        self.client, self.target = client, target
        client.observer = target.observer = self
        self.state = "half-closed" if client.received_eof or target.received_eof else "open"

    def row(self) -> list[Any]:
        """Return the stream as a row of SPEC.md section 3."""
        sent, received, state = self.snapshot()
        return [self.number, self.listener, *self.peer, sent, received, state, self.reason]

    def snapshot(self) -> tuple[int, int, str]:
        client, target = self.client, self.target
        return client.bytes_in if client else 0, target.bytes_in if target else 0, self.state

    def end_opened(self, end: End, peer: Address) -> None:
        self.state = "open"
        self._table.schedule_report()

    def end_half_closed(self, end: End) -> None:
        self.state = "half-closed"
        self._table.schedule_report()

    def end_closed(self, end: End, code: str, reason: str) -> None:
        if self.state == "closed":
            return
        if code == "closed":
            # An orderly end takes both sides. The second one closes in the same call chain, or
            # when its socket has taken the last bytes.
            other = self.target if end is self.client else self.client
            if other is not None and not other.closed:
                return
        self.state = "closed"
        self.reason = code if not reason else f"{code}: {reason}"
        self._table.on_ended(self)
        if self.splice is not None and code != "closed":
            self.splice.abandon(code, reason)


class DirectTable:
    """All direct streams of a host; reports changes at most 4 times a second."""

    def __init__(self, io: Io, report: Callable[[list[list[Any]]], None]) -> None:
        self._io = io
        self._report = report
        # Open streams, the least recently compared first. Ended ones have a queue of their own,
        # so that neither delays the reports of the other.
        self._open: dict[int, DirectStream] = {}
        self._by_listener: dict[int, dict[int, DirectStream]] = {}
        self._ended: deque[DirectStream] = deque()
        self._last = 0
        self._timer_set = False
        self._closed = False

    def add(self, listener: int, peer: Address) -> DirectStream | None:
        """Add and return a stream; return None if there are as many as a link may have."""
        if len(self._open) >= MAX_STREAMS:
            return None
        self._last += 1
        stream = self._open[self._last] = DirectStream(self._last, listener, peer, self)
        self._by_listener.setdefault(listener, {})[self._last] = stream
        self.schedule_report()
        return stream

    def kill(self, number: int, code: str, reason: str) -> None:
        """Reset a stream; an unknown one has ended already."""
        stream = self._open.get(number)
        if stream is not None:
            for end in (stream.client, stream.target):
                if end is not None:
                    end.reset(code, reason)

    def kill_listener(self, listener: int, code: str, reason: str) -> None:
        """Reset every stream of a listener."""
        for number in list(self._by_listener.get(listener, ())):
            self.kill(number, code, reason)

    def close(self) -> None:
        """Report no more."""
        self._closed = True

    def on_ended(self, stream: DirectStream) -> None:
        """Note that a stream has ended; it is reported once more."""
        if self._open.pop(stream.number, None) is not None:
            self._ended.append(stream)
            known = self._by_listener[stream.listener]
            del known[stream.number]
            if not known:
                del self._by_listener[stream.listener]
        self.schedule_report()

    def schedule_report(self) -> None:
        if not self._timer_set and not self._closed:
            self._timer_set = True
            self._io.loop.call_later(REPORT_INTERVAL, self._send_reports)

    def _send_reports(self) -> None:
        self._timer_set = False
        if self._closed:
            return
        for _ in range(_MAX_REPORTS_PER_TICK):
            if not self._ended:
                break
            size = min(len(self._ended), _MAX_ROWS)
            self._report([self._ended.popleft().row() for _ in range(size)])
        rows = self._changed_rows()
        if rows:
            self._report(rows)
        if self._open or self._ended:
            self.schedule_report()

    def _changed_rows(self) -> list[list[Any]]:
        rows: list[list[Any]] = []
        for number in list(itertools.islice(self._open, _MAX_STREAMS_PER_TICK)):
            stream = self._open.pop(number)
            self._open[number] = stream
            now = stream.snapshot()
            if now != stream.reported:
                stream.reported = now
                rows.append(stream.row())
                if len(rows) == _MAX_ROWS:
                    break
        return rows
