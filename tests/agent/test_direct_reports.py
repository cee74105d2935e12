"""Every direct stream is reported, and forgotten, however many others are busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from norouter_core.agent.direct import DirectStream, DirectTable
from norouter_core.agent.ends import End
from norouter_core.agent.io import Io
from norouter_core.engine.publications import ListenAddress, publications
from norouter_core.engine.streams import Streams, check_direct_row
from norouter_core.model import Forward, Host
from norouter_core.wire import messages
from norouter_core.wire.limits import MAX_STREAMS

PUBLICATION = publications(
    (Host("web", "127.0.42.1", None, ports=(Forward(80, "127.0.0.1", 8080),)),)
)[ListenAddress("127.0.42.1", 80)]


class HandDriven:
    """The one verb of a loop that a table uses; its timers fire when the test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any:
        self.due.append(lambda: callback(*args))

    def tick(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


class Reporter:
    """A table, and the hub's side of what it reports."""

    def __init__(self, loop: HandDriven) -> None:
        self.loop = loop
        self.largest = 0
        self.reports = 0
        self.opened = 0
        self.reasons: list[str] = []
        self.hub = Streams(self._opened, lambda stream: self.reasons.append(stream.reason))
        whole: Any = loop
        self.table = DirectTable(Io(whole), self._report)

    def _opened(self, stream: object) -> None:
        self.opened += 1

    def _report(self, rows: list[list[Any]]) -> None:
        self.reports += 1
        encoded = messages.encode(messages.event("direct", {"streams": rows}))
        self.largest = max(self.largest, len(encoded))
        for row in map(check_direct_row, messages.decode(encoded)["body"]["data"]["streams"]):
            self.hub.report("web", PUBLICATION, row)

    def add(self) -> DirectStream:
        stream = self.table.add(1, ("127.0.0.1", 4711))
        assert stream is not None
        end: Any = End()
        stream.client = stream.target = end
        return stream

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.loop.tick()


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(HandDriven())


def test_short_ones_are_reported_while_long_ones_are_busy(reporter: Reporter) -> None:
    busy = [reporter.add() for _ in range(1200)]
    for stream in busy:
        stream.end_opened(End(), ("127.0.0.1", 8080))
    short = 0
    for _ in range(20):
        for stream in busy:
            assert stream.client is not None
            stream.client.bytes_in += 1
        for _ in range(300):
            reporter.add().end_closed(End(), "reset", "by its peer")
            short += 1
        reporter.loop.tick()
    # None waits: the table is asked 4 times a second.
    assert len(reporter.reasons) == short == 6000
    assert set(reporter.reasons) == {"reset: by its peer"}
    assert len(reporter.table._ended) == 0 and len(reporter.table._open) == 1200
    assert reporter.hub.opened_total == reporter.opened == 7200
    # The busy ones had their turns too.
    reporter.ticks(4)
    assert len(reporter.hub.statuses()) == 1200
    assert sum(reporter.hub.traffic) == 2 * 20 * 1200
    for stream in busy:
        stream.end_closed(End(), "reset", "")
    reporter.ticks(2)
    assert list(reporter.hub) == [] and not reporter.table._open and not reporter.table._ended
    assert reporter.hub.opened_total == 7200
    assert reporter.largest < 200_000
    reporter.ticks(3)
    assert reporter.loop.due == [], "a table with nothing to report still sets a timer"


def test_many_that_end_at_once_are_reported_piece_by_piece(reporter: Reporter) -> None:
    streams = [reporter.add() for _ in range(MAX_STREAMS)]
    assert reporter.table.add(1, ("127.0.0.1", 4711)) is None, "there is no bound"
    for stream in streams:
        stream.end_closed(End(), "reset", "")
    refilled = [reporter.add() for _ in range(100)]
    reporter.ticks(3)
    assert reporter.hub.opened_total == MAX_STREAMS + 100
    assert {stream.remote_number for stream in reporter.hub._direct["web"].values()} == {
        stream.number for stream in refilled
    }
    assert reporter.largest < 200_000 and reporter.reports <= 20


def test_a_table_that_was_closed_reports_no_more(reporter: Reporter) -> None:
    stream = reporter.add()
    reporter.table.close()
    stream.end_closed(End(), "reset", "")
    reporter.ticks(3)
    assert reporter.reports == 0
