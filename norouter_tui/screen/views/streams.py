"""The streams: a live table, filtered, sorted, frozen."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from norouter_core.commands import filters
from norouter_core.commands.tokenizer import TokenError
from norouter_core.engine.status import StreamState, StreamStatus
from norouter_core.session.client import Rate, Snapshot
from norouter_tui.screen.messages import NothingToDo, RunCommand, TapWanted
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import (
    STREAM_LOOKS,
    Cell,
    age,
    amount,
    plain,
    sparkline,
    tidy,
)
from norouter_tui.screen.widgets.filterbar import FilterBar
from norouter_tui.screen.widgets.grid import Grid, GridColumn, sort_bindings


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream as it stands; `age` in seconds."""

    status: StreamStatus
    rate: Rate
    age: float

    @property
    def way(self) -> str:
        """From where to where it leads."""
        return f"{self.status.from_host} → {self.status.to_host} {self.status.target}"


def _state(row: StreamRow) -> Cell:
    look = STREAM_LOOKS[row.status.state]
    return Cell(f"{look.glyph} {look.word}", look.style)


def _spark(row: StreamRow, width: int) -> Cell:
    return Cell(sparkline(row.rate.history, width), "spark")


_STATE_ORDER = list(StreamState)

COLUMNS: tuple[GridColumn[StreamRow], ...] = (
    GridColumn(
        "id",
        "id",
        lambda r: Cell(str(r.status.id), "muted"),
        3,
        most=8,
        rank=1,
        right=True,
        letter="I",
        order=lambda r: r.status.id,
    ),
    GridColumn(
        "from",
        "from",
        lambda r: plain(r.status.from_host),
        6,
        most=20,
        rank=0,
        letter="F",
        order=lambda r: r.status.from_host,
    ),
    GridColumn(
        "to",
        "to",
        lambda r: plain(r.status.to_host, "strong"),
        6,
        most=20,
        rank=0,
        letter="T",
        order=lambda r: r.status.to_host,
    ),
    GridColumn(
        "target",
        "target",
        lambda r: plain(r.status.target),
        14,
        most=32,
        rank=4,
        letter="R",
        order=lambda r: r.status.target,
    ),
    GridColumn(
        "by",
        "by",
        lambda r: plain(filters.way(r.status), "muted"),
        8,
        rank=8,
        letter="B",
        order=lambda r: filters.way(r.status),
    ),
    GridColumn(
        "state",
        "state",
        _state,
        9,
        most=13,
        rank=5,
        letter="S",
        order=lambda r: _STATE_ORDER.index(r.status.state),
    ),
    GridColumn(
        "age",
        "age",
        lambda r: Cell(age(r.age), "muted"),
        4,
        rank=3,
        right=True,
        letter="A",
        order=lambda r: r.age,
    ),
    GridColumn(
        "sent",
        "sent",
        lambda r: amount(r.status.bytes_sent),
        6,
        rank=6,
        right=True,
        letter="O",
        order=lambda r: r.status.bytes_sent,
        down=True,
    ),
    GridColumn(
        "received",
        "received",
        lambda r: amount(r.status.bytes_received),
        6,
        rank=6,
        right=True,
        letter="K",
        order=lambda r: r.status.bytes_received,
        down=True,
    ),
    GridColumn(
        "sent-rate",
        "sent/s",
        lambda r: amount(r.rate.sent, "accent"),
        7,
        rank=2,
        right=True,
        letter="H",
        order=lambda r: r.rate.sent,
        down=True,
    ),
    GridColumn(
        "received-rate",
        "received/s",
        lambda r: amount(r.rate.received, "accent"),
        7,
        rank=2,
        right=True,
        letter="C",
        order=lambda r: r.rate.received,
        down=True,
    ),
    GridColumn(
        "flow",
        "flow",
        lambda r: Cell(" " * 24),
        5,
        most=24,
        rank=7,
        letter="W",
        order=lambda r: r.rate.total,
        down=True,
        drawn=_spark,
    ),
)


class StreamGrid(Grid[StreamRow]):
    """The table itself."""

    columns: ClassVar = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = sort_bindings(COLUMNS)
    empty = (
        "No open streams.\n\n"
        "They appear here as clients connect;\ny on a port copies a line to try."
    )

    def key_of(self, row: StreamRow) -> Hashable:
        return row.status.id


class StreamsView(View):
    """The tab of the streams."""

    title = "Streams"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True, id="filter"),
        Binding("f", "freeze", "Freeze", id="freeze"),
        Binding("x", "kill", "Kill", id="kill-stream"),
        Binding("t", "tap", "Tap", id="tap-stream"),
        Binding("escape", "all", "Show all", show=False, id="show-all"),
    ]

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._snapshot: Snapshot | None = None
        self._frozen: frozenset[int] | None = None
        self._filter = filters.ALL

    def compose(self) -> ComposeResult:
        yield StreamGrid(id="streams-grid")
        yield FilterBar("host:db  bytes>1M  age<10s  state:open  by:http  any text")

    @property
    def grid(self) -> StreamGrid:
        return self.query_one(StreamGrid)

    @property
    def selected(self) -> StreamRow | None:
        return self.grid.selected

    @property
    def focus_target(self) -> Widget:
        return self.grid

    def number(self, snapshot: Snapshot) -> int | None:
        return len(snapshot.status.streams)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Shows the streams of a snapshot; a frozen table only counts those that are new."""
        if self._frozen is None:
            self._snapshot = snapshot
            self._refresh_rows()
        else:
            new = sum(s.id not in self._frozen for s in snapshot.status.streams)
            self._note(f"frozen, {new} new")

    def _refresh_rows(self) -> None:
        if self._snapshot is not None:
            self.grid.empty = _NONE_MATCH if self._filter.tests else StreamGrid.empty
            self.grid.show(rows_of(self._snapshot, self._filter))
            self._note("frozen" if self._frozen is not None else "")

    def _note(self, frozen: str) -> None:
        words = [frozen] if frozen else []
        if self._filter.tests and self._snapshot is not None:
            shown, total = len(self.grid.rows), len(self._snapshot.status.streams)
            words.append(f"{shown} of {total}: {tidy(self._filter.text)}")
        column = next((c for c in COLUMNS if c.key == self.grid.sorted_by), None)
        if column is not None:
            words.append(f"by {column.title} {'▼' if self.grid.descending else '▲'}")
        self.set_note("  ".join(words))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether a key is for this tab: a letter is not, where text is typed."""
        return action != "filter" or not isinstance(self.screen.focused, Input)

    # -- what its keys do ------------------------------------------------------------------

    def action_filter(self) -> None:
        """Opens the line for a filter."""
        self.query_one(FilterBar).open()

    def action_all(self) -> None:
        """Takes the filter away; where there is none, Escape is for others."""
        self.query_one(FilterBar).clear_or_skip()

    def action_freeze(self) -> None:
        """Holds the table still, or lets it go on."""
        if self._frozen is None and self._snapshot is not None:
            self._frozen = frozenset(s.id for s in self._snapshot.status.streams)
            self._note("frozen, 0 new")
        else:
            self._frozen = None
            self._note("")

    def action_kill(self) -> None:
        """Resets the stream under the cursor at both of its ends."""
        row = self.grid.selected
        if row is None:
            self.post_message(NothingToDo("stream"))
            return
        text = f"Kill stream {row.status.id}, {row.way}?\nBoth of its ends are reset."
        self.post_message(RunCommand(f"stream kill {row.status.id}", ask=text))

    def action_tap(self) -> None:
        """Looks at the bytes of the stream under the cursor."""
        row = self.grid.selected
        self.post_message(TapWanted(row.status.id, row.way) if row else NothingToDo("stream"))

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        bar = self.query_one(FilterBar)
        try:
            self._filter = filters.parse(event.text)
        except TokenError as bad:
            # What was there last stays: a table that empties at every key would flicker.
            bar.wrong(f"{bad.message}: {bad.hint}" if bad.hint else bad.message)
            return
        bar.wrong("")
        self._refresh_rows()

    @on(FilterBar.Closed)
    def _filter_closed(self, event: FilterBar.Closed) -> None:
        event.stop()
        self.grid.focus()

    @on(StreamGrid.Sorted)
    def _sorted(self) -> None:
        self._note("frozen" if self._frozen is not None else "")


def rows_of(snapshot: Snapshot, wanted: filters.Filter = filters.ALL) -> list[StreamRow]:
    """A row for each stream of a snapshot that the filter lets through."""
    now, rates = snapshot.at, snapshot.streams
    rows = []
    for status in snapshot.status.streams:
        rate = rates.get(status.id, _STILL)
        if not wanted.tests or wanted.matches(status, rate, now):
            rows.append(StreamRow(status, rate, now - status.opened))
    return rows


_STILL = Rate()
_NONE_MATCH = "No open stream matches.\n\nEscape shows all of them."
