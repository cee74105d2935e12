"""A table of live rows that drops columns as it gets narrow, and sorts by any column."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message

from norouter_core.session.tables import TableColumn
from norouter_tui.screen.widgets.cells import Cell, fit
from norouter_tui.screen.widgets.lines import LineView, RowCells

R = TypeVar("R")

GAP = 2
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class GridColumn(Generic[R]):
    """One column of a table with rows of type `R`; `grid_column` makes one."""

    key: str
    title: str
    cell: Callable[[R], Cell]
    width: int
    """Width in cells; the minimum if there is a `max_width`."""
    sort_key: Callable[[R], Any]
    rank: int = 0
    """Columns of a higher rank are dropped first when there is no room."""
    max_width: int = 0
    """How wide the content may make it; 0 means a fixed width."""
    right: bool = False
    letter: str = ""
    """Shift and this letter sort by the column."""
    descending_first: bool = False
    """Whether the first press sorts the largest to the top."""
    draw: Callable[[R, int], Cell] | None = None
    """Returns the cell for a given width, instead of `cell`, for content that fills it."""


def grid_column(
    columns: Sequence[TableColumn[Any]],
    key: str,
    cell: Callable[[R], Cell],
    width: int,
    *,
    of: Callable[[R], Any] = lambda row: row,
    title: str = "",
    rank: int | None = None,
    **more: Any,
) -> GridColumn[R]:
    """Return a column of the shared tables, as a grid draws it.

    Args:
        columns: the columns of `norouter_core.session.tables`, which give title, sort and rank.
        key: the key of the column there.
        cell: returns how to draw the value of a row.
        width: the width, the minimum if there is a `max_width`.
        of: returns the row of the shared table for a row of the grid.
        title: a shorter title than in the shared table.
        rank: another rank than in the shared table.
        more: more attributes of `GridColumn`.
    """
    shared = next(column for column in columns if column.key == key)
    return GridColumn(
        key,
        title or shared.title.lower(),
        cell,
        width,
        lambda row: shared.sort_key(of(row)),
        shared.rank if rank is None else rank,
        **more,
    )


class Placed(NamedTuple):
    """A visible column: where it starts, and how wide it is."""

    column: GridColumn[Any]
    left: int
    width: int


def fit_columns(
    columns: Sequence[GridColumn[Any]], wanted: Sequence[int], room: int
) -> list[Placed]:
    """Return the columns that fit into `room` cells, in their order.

    Args:
        wanted: the width of each column's content. Spare room goes to the columns that want more
            than their minimum, those of the lowest rank first.
    """
    ranked = sorted(range(len(columns)), key=lambda i: (columns[i].rank, i))
    chosen: list[int] = []
    used = -GAP
    for i in ranked:
        if used + GAP + columns[i].width <= room:
            chosen.append(i)
            used += GAP + columns[i].width
        elif chosen:
            break  # a column of a higher rank in its place would flicker as the width changes
    widths = {i: columns[i].width for i in chosen}
    spare = room - used
    for i in chosen:
        more = max(0, min(wanted[i], columns[i].max_width) - widths[i])
        widths[i] += min(more, spare)
        spare -= min(more, spare)
    placed, left = [], 0
    for i in sorted(chosen):
        placed.append(Placed(columns[i], left, widths[i]))
        left += widths[i] + GAP
    return placed


def sort_bindings(columns: Sequence[GridColumn[Any]]) -> list[BindingType]:
    """Return a binding for each column that sorts: shift and its letter."""
    return [
        Binding(
            column.letter,
            f"sort('{column.key}')",
            f"Sort by {column.title}",
            show=False,
            id=f"sort-{column.key.replace('_', '-')}",
        )
        for column in columns
        if column.letter
    ]


class Grid(LineView[R]):
    """A table. Subclasses define `columns` and `key_of`."""

    columns: ClassVar[Sequence[GridColumn[Any]]] = ()
    head = 1

    class Sorted(Message):
        """The order of the rows changed."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.sorted_by: str = ""
        """The key of a column; empty for the natural order."""
        self.descending = False
        self._wanted = [column.width for column in self.columns]
        self._unsorted: list[R] = []
        self._placed: list[Placed] = []
        self._placed_for: tuple[int, tuple[int, ...]] = (0, ())

    def show(self, rows: Iterable[R]) -> None:
        """Replace the rows, and sort them as the user chose last."""
        self._unsorted = list(rows)
        self._grow_columns()
        super().show(self._sorted())

    def key_of(self, row: R) -> Hashable:
        raise NotImplementedError

    def _sorted(self) -> list[R]:
        column = next((c for c in self.columns if c.key == self.sorted_by), None)
        if column is None:
            return self._unsorted
        return sorted(self._unsorted, key=column.sort_key, reverse=self.descending)

    def _grow_columns(self) -> None:
        """Let columns grow with their content; they never shrink, so nothing jumps."""
        for i, column in enumerate(self.columns):
            if not column.max_width or self._wanted[i] >= column.max_width:
                continue
            for row in self._unsorted:
                text = column.cell(row).text
                length = len(text) if text.isascii() else cell_len(text)
                if length > self._wanted[i]:
                    self._wanted[i] = length

    # -- sorting ---------------------------------------------------------------------------

    def action_sort(self, key: str) -> None:
        """Sort by a column; a second press reverses the order, a third restores the natural one."""
        column = next(column for column in self.columns if column.key == key)
        if self.sorted_by != key:
            self.sorted_by, self.descending = key, column.descending_first
        elif self.descending == column.descending_first:
            self.descending = not column.descending_first
        else:
            self.sorted_by, self.descending = "", False
        super().show(self._sorted())
        self.redraw()
        self.post_message(self.Sorted())

    def on_head_click(self, x: int) -> None:
        for column, left, width in self._places(self._width):
            if left <= x - 1 < left + width + GAP:
                self.action_sort(column.key)
                return

    # -- drawing ---------------------------------------------------------------------------

    def _places(self, width: int) -> list[Placed]:
        now = (width, tuple(self._wanted))
        if now != self._placed_for:
            self._placed = fit_columns(self.columns, self._wanted, width - 2)
            self._placed_for = now
        return self._placed

    def draw_row(self, row: R, width: int) -> RowCells:
        line = [Cell(" ")]
        for column, _, wide in self._places(width):
            text, style = column.draw(row, wide) if column.draw else column.cell(row)
            line.append(Cell(fit(text, wide, right=column.right) + " " * GAP, style))
        return (line,)

    def head_line(self, y: int, width: int) -> list[Segment]:
        line = [Segment(" ")]
        for column, _, wide in self._places(width):
            line += self._title(column, wide)
        return line

    def _title(self, column: GridColumn[Any], wide: int) -> list[Segment]:
        """Return the title, with its sort key underlined and an arrow in the sorted column."""
        heading = self.named_style("heading")
        chosen = column.key == self.sorted_by
        style = self.named_style("accent") if chosen else heading
        arrow = ("▼" if self.descending else "▲") if chosen else ""
        text = fit(column.title, max(0, wide - len(arrow))).rstrip() if chosen else column.title
        text = fit(text + arrow, wide, right=column.right) + " " * GAP
        at = text.lower().find(column.letter.lower()) if column.letter else -1
        if at < 0:
            return [Segment(text, style)]
        under = style + Style(underline=True)
        return [
            Segment(text[:at], style),
            Segment(text[at], under),
            Segment(text[at + 1 :], style),
        ]
