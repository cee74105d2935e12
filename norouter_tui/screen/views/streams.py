"""The streams tab: a live table that can be filtered, sorted and frozen."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from norouter_core.commands import filters
from norouter_core.commands.call import build_call
from norouter_core.commands.tokenizer import TokenError
from norouter_core.session.client import Rate, Snapshot
from norouter_core.session.tables import STREAMS, StreamRow
from norouter_tui.screen.messages import NothingSelected, RunCall, TapStream
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import (
    STREAM_STYLES,
    Cell,
    age,
    amount_cell,
    escape_line,
    escaped_cell,
    sparkline,
)
from norouter_tui.screen.widgets.filterbar import FilterBar
from norouter_tui.screen.widgets.grid import Grid, GridColumn, grid_column, sort_bindings


def _route(row: StreamRow) -> str:
    """Return from where to where a stream goes."""
    return f"{row.status.from_host} → {row.status.to_host} {row.status.target}"


def _state(row: StreamRow) -> Cell:
    shown = STREAM_STYLES[row.status.state]
    return Cell(f"{shown.glyph} {shown.word}", shown.style)


def _spark(row: StreamRow, width: int) -> Cell:
    return Cell(sparkline(row.rate.history, width), "spark")


def _column(
    key: str, cell: Callable[[StreamRow], Cell], width: int, letter: str, **more: Any
) -> GridColumn[StreamRow]:
    return grid_column(STREAMS, key, cell, width, letter=letter, **more)


def _amount(
    key: str,
    value: Callable[[StreamRow], float],
    width: int,
    letter: str,
    style: str = "text",
    **more: Any,
) -> GridColumn[StreamRow]:
    return _column(
        key, lambda r: amount_cell(value(r), style), width, letter,
        right=True, descending_first=True, **more,
    )  # fmt: skip


COLUMNS: tuple[GridColumn[StreamRow], ...] = (
    _column("id", lambda r: Cell(str(r.status.id), "muted"), 3, "I", max_width=8, right=True),
    _column("from_host", lambda r: escaped_cell(r.status.from_host), 6, "F", max_width=20),
    _column("to_host", lambda r: escaped_cell(r.status.to_host, "strong"), 6, "T", max_width=20),
    _column("target", lambda r: escaped_cell(r.status.target), 14, "R", max_width=32),
    _column("by", lambda r: escaped_cell(filters.origin(r.status), "muted"), 8, "B"),
    _column("state", _state, 9, "S", max_width=13),
    _column("age", lambda r: Cell(age(r.age), "muted"), 4, "A", right=True),
    _amount("bytes_sent", lambda r: r.status.bytes_sent, 6, "O"),
    _amount("bytes_received", lambda r: r.status.bytes_received, 8, "K"),
    _amount("sent_rate", lambda r: r.rate.sent, 7, "H", "accent", rank=2),
    _amount("received_rate", lambda r: r.rate.received, 7, "C", "accent", title="recv/s", rank=2),
    _column(
        "rate", lambda r: Cell(" " * 24), 5, "W", max_width=24, descending_first=True, draw=_spark
    ),
)


class StreamGrid(Grid[StreamRow]):
    """The table."""

    columns: ClassVar = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = sort_bindings(COLUMNS)
    empty = (
        "No open streams.\n\n"
        "They appear here as clients connect.\nPress y on a port to copy a command that does."
    )

    def key_of(self, row: StreamRow) -> Hashable:
        return row.status.id


class StreamsView(View):
    """The streams."""

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

    def count(self, snapshot: Snapshot) -> int | None:
        return len(snapshot.status.streams)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the streams of a snapshot; a frozen table only counts the new ones."""
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
            words.append(f"{shown} of {total}: {escape_line(self._filter.text)}")
        column = next((c for c in COLUMNS if c.key == self.grid.sorted_by), None)
        if column is not None:
            words.append(f"by {column.title} {'▼' if self.grid.descending else '▲'}")
        self.set_note("  ".join(words))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether an action applies: the filter key does not while text is being typed."""
        return action != "filter" or not isinstance(self.screen.focused, Input)

    # -- actions ---------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Open the filter line."""
        self.query_one(FilterBar).open()

    def action_all(self) -> None:
        """Remove the filter, or leave Escape to others if there is none."""
        self.query_one(FilterBar).clear_or_skip()

    def action_freeze(self) -> None:
        """Freeze the table, or let it go on."""
        if self._frozen is None and self._snapshot is not None:
            self._frozen = frozenset(s.id for s in self._snapshot.status.streams)
            self._note("frozen, 0 new")
        else:
            self._frozen = None
            self._note("")

    def action_kill(self) -> None:
        """Reset the stream under the cursor, after a question."""
        row = self.grid.selected
        if row is None:
            self.post_message(NothingSelected("stream"))
            return
        text = f"Kill stream {row.status.id}, {_route(row)}?\nThis resets both of its ends."
        self.post_message(RunCall(build_call("stream kill", stream=str(row.status.id)), ask=text))

    def action_tap(self) -> None:
        """Show the bytes of the stream under the cursor."""
        row = self.grid.selected
        self.post_message(
            TapStream(row.status.id, _route(row)) if row else NothingSelected("stream")
        )

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        bar = self.query_one(FilterBar)
        try:
            self._filter = filters.parse(event.text)
        except TokenError as bad:
            # The last valid filter stays: a table that empties at every key would flicker.
            bar.show_error(f"{bad.message}: {bad.hint}" if bad.hint else bad.message)
            return
        bar.show_error("")
        self._refresh_rows()

    @on(FilterBar.Closed)
    def _filter_closed(self, event: FilterBar.Closed) -> None:
        event.stop()
        self.grid.focus()

    @on(StreamGrid.Sorted)
    def _sorted(self) -> None:
        self._note("frozen" if self._frozen is not None else "")


def rows_of(snapshot: Snapshot, wanted: filters.Filter = filters.ALL) -> list[StreamRow]:
    """Return a row for each stream of a snapshot that the filter matches."""
    now, rates = snapshot.at, snapshot.streams
    rows = []
    for status in snapshot.status.streams:
        rate = rates.get(status.id, _NO_RATE)
        if not wanted.tests or wanted.matches(status, rate.total, now):
            rows.append(StreamRow(status, rate, now - status.opened))
    return rows


_NO_RATE = Rate()
_NONE_MATCH = "No open stream matches.\n\nPress Escape to show all."
