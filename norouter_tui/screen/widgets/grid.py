"""A table of live rows: columns by priority, sorted by any of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message

from norouter_tui.screen.widgets.cells import Cell, fit
from norouter_tui.screen.widgets.lines import Face, LineView

R = TypeVar("R")

GAP = 2
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class GridColumn(Generic[R]):
    """One column of a table with rows of type `R`."""

    key: str
    title: str
    cell: Callable[[R], Cell]
    width: int
    """Cells; the least for one with `most`."""
    most: int = 0
    """How wide it may become for its content; 0 stands for a fixed width."""
    rank: int = 0
    """Columns of a higher rank leave first when there is no room."""
    right: bool = False
    letter: str = ""
    """Shift with this letter sorts by the column."""
    order: Callable[[R], Any] | None = None
    """What to sort by; None for a column that cannot be sorted by."""
    down: bool = False
    """Whether the first look is at the largest."""
    drawn: Callable[[R, int], Cell] | None = None
    """The cell for a given width, in place of `cell`, for one that fills it."""


class Placed(NamedTuple):
    """A column that is shown: where it begins, and how wide it is."""

    column: GridColumn[Any]
    left: int
    width: int


def place(columns: Sequence[GridColumn[Any]], wanted: Sequence[int], room: int) -> list[Placed]:
    """The columns that have a place in `room` cells, in their order.

    Args:
        wanted: for each column how wide its content is; what is left over goes to those that want
            more than their least, those of the lowest rank first.
    """
    ranked = sorted(range(len(columns)), key=lambda i: (columns[i].rank, i))
    chosen: list[int] = []
    used = -GAP
    for i in ranked:
        if used + GAP + columns[i].width <= room:
            chosen.append(i)
            used += GAP + columns[i].width
        elif chosen:
            break  # one of a higher rank in its place would come and go with the width
    widths = {i: columns[i].width for i in chosen}
    spare = room - used
    for i in chosen:
        more = max(0, min(wanted[i], columns[i].most) - widths[i])
        widths[i] += min(more, spare)
        spare -= min(more, spare)
    placed, left = [], 0
    for i in sorted(chosen):
        placed.append(Placed(columns[i], left, widths[i]))
        left += widths[i] + GAP
    return placed


def sort_bindings(columns: Sequence[GridColumn[Any]]) -> list[BindingType]:
    """A key for each column that can be sorted by: shift and its letter."""
    return [
        Binding(
            column.letter,
            f"sort('{column.key}')",
            f"Sort by {column.title}",
            show=False,
            id=f"sort-{column.key}",
        )
        for column in columns
        if column.letter
    ]


class Grid(LineView[R]):
    """A table. Subclasses name its `columns` and what a row is known by."""

    columns: ClassVar[Sequence[GridColumn[Any]]] = ()
    head = 1

    class Sorted(Message):
        """The rows are in another order."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.sorted_by: str = ""
        """The key of a column; empty for the order in which the rows come."""
        self.descending = False
        self._wanted = [column.width for column in self.columns]
        self._unsorted: list[R] = []
        self._placed: list[Placed] = []
        self._placed_for: tuple[int, tuple[int, ...]] = (0, ())

    def show(self, rows: Iterable[R]) -> None:
        """Makes these the rows, in the order that was chosen last."""
        self._unsorted = list(rows)
        self._widen()
        super().show(self._sorted())

    def key_of(self, row: R) -> Hashable:
        raise NotImplementedError

    def _sorted(self) -> list[R]:
        column = next((c for c in self.columns if c.key == self.sorted_by), None)
        if column is None or column.order is None:
            return self._unsorted
        return sorted(self._unsorted, key=column.order, reverse=self.descending)

    def _widen(self) -> None:
        """Columns grow with their content and never shrink: nothing jumps when a row goes."""
        for i, column in enumerate(self.columns):
            if not column.most or self._wanted[i] >= column.most:
                continue
            for row in self._unsorted:
                text = column.cell(row).text
                length = len(text) if text.isascii() else cell_len(text)
                if length > self._wanted[i]:
                    self._wanted[i] = length

    # -- sorting ---------------------------------------------------------------------------

    def action_sort(self, key: str) -> None:
        """Sorts by a column; once more turns it round, a third time is the natural order."""
        column = next(column for column in self.columns if column.key == key)
        if self.sorted_by != key:
            self.sorted_by, self.descending = key, column.down
        elif self.descending == column.down:
            self.descending = not column.down
        else:
            self.sorted_by, self.descending = "", False
        super().show(self._sorted())
        self.redraw()
        self.post_message(self.Sorted())

    def head_clicked(self, x: int) -> None:
        for column, left, width in self._places(self._width):
            if left <= x - 1 < left + width + GAP and column.order is not None:
                self.action_sort(column.key)
                return

    # -- drawing ---------------------------------------------------------------------------

    def _places(self, width: int) -> list[Placed]:
        now = (width, tuple(self._wanted))
        if now != self._placed_for:
            self._placed = place(self.columns, self._wanted, width - 2)
            self._placed_for = now
        return self._placed

    def face_of(self, row: R, width: int) -> Face:
        line = [Cell(" ")]
        for column, _, wide in self._places(width):
            text, style = column.drawn(row, wide) if column.drawn else column.cell(row)
            line.append(Cell(fit(text, wide, right=column.right) + " " * GAP, style))
        return (line,)

    def head_line(self, y: int, width: int) -> list[Segment]:
        line = [Segment(" ")]
        for column, _, wide in self._places(width):
            line += self._title(column, wide)
        return line

    def _title(self, column: GridColumn[Any], wide: int) -> list[Segment]:
        """The title with its sort key underlined, and an arrow where it sorts."""
        heading = self.look("heading")
        chosen = column.key == self.sorted_by
        style = self.look("accent") if chosen else heading
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
