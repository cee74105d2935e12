"""Lines of text that are scrolled: no row of them is chosen."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType

from norouter_tui.screen.texts import cells
from norouter_tui.screen.widgets.cells import Cell
from norouter_tui.screen.widgets.lines import Face, LineView


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line. Its `number` is its own for good; `margin` stands before it, faintly."""

    number: int
    text: Text
    margin: str = ""


class TextView(LineView[TextLine]):
    """The cursor keys scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Detail", show=False, id="choose-line"),
    ]
    shows_cursor = False

    def key_of(self, row: TextLine) -> Hashable:
        return row.number

    def face_of(self, row: TextLine, width: int) -> Face:
        if not row.margin:
            return (list(cells(row.text)),)
        return ([Cell(row.margin, "faint"), *cells(row.text)],)

    @property
    def at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y >= len(self.rows) - self._visible_lines

    def show_lines(self, lines: Iterable[TextLine]) -> None:
        """Shows lines; who had the last one in sight has it in sight again."""
        at_end = self.at_end
        self.show(lines)
        if at_end:
            self.action_move_to(-1)

    def action_move(self, by: int) -> None:
        """Scrolls by lines."""
        self._scroll_to_line(min(self.scroll_offset.y + by, self._last_top))

    def action_move_to(self, index: int) -> None:
        """Scrolls to a line; -1 is the last."""
        self._scroll_to_line(self._last_top if index < 0 else index)

    @property
    def _last_top(self) -> int:
        return max(0, len(self.rows) - self._visible_lines)

    def _reveal(self) -> None:
        """Nothing is under a cursor that would have to be seen."""

    def on_click(self, event: events.Click) -> None:
        """Nothing is chosen by it."""
