"""Lists that draw only the rows that are visible and have changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from norouter_tui.screen.themes import STYLES
from norouter_tui.screen.widgets.cells import Cell, fit, to_cells

R = TypeVar("R")
RowCells = Sequence[Sequence[Cell]]
"""How a row is drawn: the cells of each of its lines, from the left."""


class LineView(ScrollView, Generic[R], can_focus=True, inherit_bindings=False):
    """A list whose cursor stays on its row while rows are added, removed and reordered.

    Only visible rows cost anything, so thousands of them are fine. Subclasses draw a row.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = set(STYLES)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="up"),
        Binding("down,j", "move(1)", "Down", show=False, id="down"),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False, id="page-up"),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False, id="page-down"),
        Binding("home,g", "move_to(0)", "First", show=False, id="first"),
        Binding("end,G", "move_to(-1)", "Last", show=False, id="last"),
        Binding("enter", "choose", "Detail", id="detail"),
    ]

    class Moved(Message):
        """The cursor moved to another row, or there is no row any more."""

        def __init__(self, view: LineView[Any]) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LineView[Any]:
            return self.view

    class Chosen(Moved):
        """The user chose the row under the cursor, with Enter or a double click."""

    empty = ""
    """The text to show while there are no rows."""
    head = 0
    """The number of lines at the top that do not scroll."""
    shows_cursor = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.rows: list[R] = []
        self._index: dict[Hashable, int] = {}
        self._cursor = 0
        self._key: Hashable = None
        self._follows = False
        self._drawn: dict[int, RowCells] = {}
        self._styles: dict[str, Style] = {}
        self._cursor_styles: dict[tuple[Style, Style], Style] = {}

    # -- for subclasses --------------------------------------------------------------------

    def key_of(self, row: R) -> Hashable:
        """Return what identifies a row while the rest of it changes."""
        raise NotImplementedError

    def draw_row(self, row: R, width: int) -> RowCells:
        """Return how to draw a row in `width` cells."""
        raise NotImplementedError

    def head_line(self, y: int, width: int) -> list[Segment]:
        """Return a line of the head."""
        raise NotImplementedError

    @property
    def row_height(self) -> int:
        return 1

    # -- rows ------------------------------------------------------------------------------

    def show(self, rows: Iterable[R]) -> None:
        """Replace the rows.

        A cursor that the user moved follows its row, and the row keeps its place on the screen; a
        cursor that was never moved stays at the top.
        """
        before, on_screen = self._cursor, self._in_sight(self._cursor)
        self.rows = list(rows)
        self._index = {self.key_of(row): i for i, row in enumerate(self.rows)}
        last = max(0, len(self.rows) - 1)
        place = self._index.get(self._key) if self._follows else None
        self._cursor = min(self._cursor, last) if place is None else place
        self._update_virtual_size()
        if on_screen and self._follows and self._cursor != before:
            self._scroll_to_line(self.scroll_offset.y + (self._cursor - before) * self.row_height)
        self._report_cursor()
        self._refresh_changed()

    @property
    def selected(self) -> R | None:
        """Return the row under the cursor."""
        return self.rows[self._cursor] if self._cursor < len(self.rows) else None

    def select(self, key: Hashable) -> bool:
        """Move the cursor to the row with `key`; return False if there is none."""
        if key not in self._index:
            return False
        self.action_move_to(self._index[key])
        return True

    def redraw(self) -> None:
        """Draw everything again, after a change that is not in the rows."""
        self._drawn.clear()
        self.refresh()

    def _report_cursor(self) -> None:
        row = self.selected
        key = None if row is None else self.key_of(row)
        if key != self._key:
            self._key = key
            self.post_message(self.Moved(self))

    def _update_virtual_size(self) -> None:
        size = Size(self._width, self.head + len(self.rows) * self.row_height)
        if size != self.virtual_size:
            if not self.rows or not self.virtual_size.height > self.head:
                self.refresh()
            self.virtual_size = size

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def _visible_lines(self) -> int:
        return max(1, self.scrollable_content_region.height - self.head)

    def _in_sight(self, index: int) -> bool:
        line = index * self.row_height - self.scroll_offset.y
        return 0 <= line <= self._visible_lines - self.row_height

    def _visible(self) -> range:
        top = self.scroll_offset.y
        first, last = top // self.row_height, (top + self._visible_lines) // self.row_height
        return range(first, min(last + 1, len(self.rows)))

    def _refresh_changed(self) -> None:
        width, tall = self._width, self.row_height
        faces = {i: self.draw_row(self.rows[i], width) for i in self._visible()}
        for i in faces.keys() | self._drawn.keys():
            if faces.get(i) != self._drawn.get(i):
                self.refresh_lines(self.head + i * tall, tall)
        self._drawn = faces

    # -- drawing ---------------------------------------------------------------------------

    def named_style(self, name: str) -> Style:
        """Return a style by its name in `themes.STYLES`, without a background."""
        if name not in self._styles:
            # The full style, so that colours with an alpha blend with what is behind them.
            style = self.get_component_rich_style(f"line--{name}")
            self._styles[name] = style.without_color + Style(color=style.color)
        return self._styles[name]

    def notify_style_update(self) -> None:
        """Forget the styles: Textual calls this when the theme changes, for example."""
        super().notify_style_update()
        self._styles.clear()
        self._cursor_styles.clear()

    def render_line(self, y: int) -> Strip:
        """Return one visible line."""
        width, base = self._width, self.rich_style
        if y < self.head and self.rows:
            return self._strip(self.head_line(y, width), width, base)
        if not self.rows:
            return self._empty_line(y, width, base)
        index, line = divmod(y - self.head + self.scroll_offset.y, self.row_height)
        if index >= len(self.rows):
            return Strip.blank(width, base)
        if index not in self._drawn:
            self._drawn[index] = self.draw_row(self.rows[index], width)
        face = self._drawn[index]
        if line >= len(face):
            return Strip.blank(width, base)
        cells = face[line]
        cursor = self._cursor_style() if self.shows_cursor and index == self._cursor else None
        return self._strip(self._segments(cells, cursor), width, base, cursor)

    def _segments(self, cells: Sequence[Cell], cursor: Style | None) -> list[Segment]:
        return [Segment(text, self.named_style(style)) for text, style in cells]

    def _cursor_style(self) -> Style:
        name = "line--cursor" if self.has_focus else "line--cursor-blurred"
        return self.get_component_rich_style(name)

    def _strip(
        self, segments: list[Segment], width: int, base: Style, over: Style | None = None
    ) -> Strip:
        strip = Strip(segments).adjust_cell_length(width).apply_style(base)
        if over is None:
            return strip
        return Strip(
            [Segment(s.text, self._on_cursor(s.style or base, over)) for s in strip], width
        )

    def _on_cursor(self, style: Style, over: Style) -> Style:
        """Return a style for the cursor's background; it keeps its colour if that is readable."""
        key = (style, over)
        if key not in self._cursor_styles:
            colour = over.color if _has_low_contrast(style, over) else style.color
            self._cursor_styles[key] = style + Style(color=colour, bgcolor=over.bgcolor)
        return self._cursor_styles[key]

    def _empty_line(self, y: int, width: int, base: Style) -> Strip:
        lines = self.empty.splitlines()
        top = max(0, (self.scrollable_content_region.height - len(lines)) // 2)
        if not top <= y < top + len(lines):
            return Strip.blank(width, base)
        text = fit(lines[y - top], min(len(lines[y - top]), width))
        left = " " * ((width - len(text)) // 2)
        return self._strip([Segment(left + text, self.named_style("muted"))], width, base)

    # -- the cursor ------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the cursor by some rows."""
        self.action_move_to(max(0, self._cursor + by))

    def action_page(self, pages: int) -> None:
        """Move the cursor by the number of visible rows."""
        self.action_move(pages * max(1, self._visible_lines // self.row_height - 1))

    def action_move_to(self, index: int) -> None:
        """Move the cursor to a row; -1 is the last."""
        last = len(self.rows) - 1
        if last < 0:
            return
        before, self._cursor = self._cursor, last if index < 0 else min(index, last)
        self._follows = self._cursor != 0
        for i in {before, self._cursor}:
            self.refresh_lines(self.head + i * self.row_height, self.row_height)
        self._reveal()
        self._report_cursor()

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.rows:
            self.post_message(self.Chosen(self))

    def _reveal(self) -> None:
        top, line = self.scroll_offset.y, self._cursor * self.row_height
        bottom = line + self.row_height - self._visible_lines
        if line < top:
            self._scroll_to_line(line)
        elif bottom > top:
            self._scroll_to_line(bottom)

    def _scroll_to_line(self, y: int) -> None:
        self.scroll_to(y=max(0, y), animate=False, force=True)

    def on_focus(self) -> None:
        self.redraw()

    def on_blur(self) -> None:
        self.redraw()

    def on_resize(self) -> None:
        self._drawn.clear()
        self._update_virtual_size()
        self._reveal()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._drawn.clear()

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is None or self._width <= at.x:
            return
        if at.y < self.head:
            self.on_head_click(at.x)
            return
        index = (at.y - self.head + self.scroll_offset.y) // self.row_height
        if index < len(self.rows):
            self.action_move_to(index)
            if event.chain == 2:
                self.action_choose()

    def on_head_click(self, x: int) -> None:
        """React to a click on the head, `x` cells from the left."""


def _has_low_contrast(style: Style, over: Style) -> bool:
    """Return whether text in the colour of `style` is hard to read on the background of `over`."""
    if style.color is None or over.bgcolor is None:
        return False
    text, back = Color.from_rich_color(style.color), Color.from_rich_color(over.bgcolor)
    return abs(text.brightness - back.brightness) < _MIN_CONTRAST


_MIN_CONTRAST = 0.2


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line. `number` identifies it; `margin` is drawn in front of it, faintly."""

    number: int
    text: Text
    margin: str = ""


class TextView(LineView[TextLine]):
    """A list of text lines: the cursor keys scroll, and no line can be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Detail", show=False, id="choose-line"),
    ]
    shows_cursor = False

    def key_of(self, row: TextLine) -> Hashable:
        return row.number

    def draw_row(self, row: TextLine, width: int) -> RowCells:
        if not row.margin:
            return (list(to_cells(row.text)),)
        return ([Cell(row.margin, "faint"), *to_cells(row.text)],)

    @property
    def at_end(self) -> bool:
        """Return whether the last line is visible."""
        return self.scroll_offset.y >= len(self.rows) - self._visible_lines

    def show_lines(self, lines: Iterable[TextLine]) -> None:
        """Replace the lines; a view at its end follows the end."""
        at_end = self.at_end
        self.show(lines)
        if at_end:
            self.action_move_to(-1)

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self._scroll_to_line(min(self.scroll_offset.y + by, self._last_top))

    def action_move_to(self, index: int) -> None:
        """Scroll to a line; -1 is the last."""
        self._scroll_to_line(self._last_top if index < 0 else index)

    @property
    def _last_top(self) -> int:
        return max(0, len(self.rows) - self._visible_lines)

    def _reveal(self) -> None:
        """Do nothing: there is no cursor to keep visible."""

    def on_click(self, event: events.Click) -> None:
        """Do nothing: no line can be chosen."""
