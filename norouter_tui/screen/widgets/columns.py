"""Columns of a table, and which of them a width has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from norouter_tui.screen.widgets.cells import Cell

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
