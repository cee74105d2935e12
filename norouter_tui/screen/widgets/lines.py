"""Rows that are drawn line by line, and only where they can be seen and have changed."""

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
from norouter_tui.screen.widgets.cells import Cell, cells, fit

R = TypeVar("R")
Face = Sequence[Sequence[Cell]]
"""What a row looks like: for each of its lines the cells, which fill it from the left."""


class LineView(ScrollView, Generic[R], can_focus=True, inherit_bindings=False):
    """A list with a cursor that stays on its row while rows come, go and change places.

    Thousands of rows cost no more than those in sight. Subclasses say what a row looks like.
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
        """The cursor is on another row now, or on none."""

        def __init__(self, view: LineView[Any]) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> LineView[Any]:
            return self.view

    class Chosen(Moved):
        """The row under the cursor was chosen, by Enter or a double click."""

    empty = ""
    """What stands there while there are no rows; lines."""
    head = 0
    """Lines at the top that do not scroll."""
    shows_cursor = True

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.rows: list[R] = []
        self._index: dict[Hashable, int] = {}
        self._cursor = 0
        self._key: Hashable = None
        self._follows = False
        self._faces: dict[int, Face] = {}
        self._styles: dict[str, Style] = {}
        self._on_cursors: dict[tuple[Style, Style], Style] = {}

    # -- what subclasses say ---------------------------------------------------------------

    def key_of(self, row: R) -> Hashable:
        """What a row is known by, whatever else of it changes."""
        raise NotImplementedError

    def face_of(self, row: R, width: int) -> Face:
        """What a row looks like in `width` cells."""
        raise NotImplementedError

    def head_line(self, y: int, width: int) -> list[Segment]:
        """A line of the head."""
        raise NotImplementedError

    @property
    def row_height(self) -> int:
        return 1

    # -- rows ------------------------------------------------------------------------------

    def show(self, rows: Iterable[R]) -> None:
        """Makes these the rows. A cursor that was moved follows its row, and the row stays where
        it is on the screen; one that was not stays at the top."""
        before, on_screen = self._cursor, self._in_sight(self._cursor)
        self.rows = list(rows)
        self._index = {self.key_of(row): i for i, row in enumerate(self.rows)}
        last = max(0, len(self.rows) - 1)
        place = self._index.get(self._key) if self._follows else None
        self._cursor = min(self._cursor, last) if place is None else place
        self._resize_virtually()
        if on_screen and self._follows and self._cursor != before:
            self._scroll_to_line(self.scroll_offset.y + (self._cursor - before) * self.row_height)
        self._note_cursor()
        self._refresh_changed()

    @property
    def selected(self) -> R | None:
        """The row under the cursor."""
        return self.rows[self._cursor] if self._cursor < len(self.rows) else None

    def select(self, key: Hashable) -> bool:
        """Puts the cursor on a row; False if there is none of that key."""
        if key not in self._index:
            return False
        self.action_move_to(self._index[key])
        return True

    def redraw(self) -> None:
        """Draws everything anew, after a change that the rows do not tell."""
        self._faces.clear()
        self.refresh()

    def _note_cursor(self) -> None:
        row = self.selected
        key = None if row is None else self.key_of(row)
        if key != self._key:
            self._key = key
            self.post_message(self.Moved(self))

    def _resize_virtually(self) -> None:
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
        faces = {i: self.face_of(self.rows[i], width) for i in self._visible()}
        for i in faces.keys() | self._faces.keys():
            if faces.get(i) != self._faces.get(i):
                self.refresh_lines(self.head + i * tall, tall)
        self._faces = faces

    # -- drawing ---------------------------------------------------------------------------

    def look(self, name: str) -> Style:
        """The style of that name (see `themes.STYLES`), without a background."""
        if name not in self._styles:
            # Whole, so that colours with an alpha are blended with what is behind them.
            style = self.get_component_rich_style(f"line--{name}")
            self._styles[name] = style.without_color + Style(color=style.color)
        return self._styles[name]

    def notify_style_update(self) -> None:
        """Called by Textual when styles may be others: of another theme, say."""
        super().notify_style_update()
        self._styles.clear()
        self._on_cursors.clear()

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        width, base = self._width, self.rich_style
        if y < self.head and self.rows:
            return self._strip(self.head_line(y, width), width, base)
        if not self.rows:
            return self._empty_line(y, width, base)
        index, line = divmod(y - self.head + self.scroll_offset.y, self.row_height)
        if index >= len(self.rows):
            return Strip.blank(width, base)
        if index not in self._faces:
            self._faces[index] = self.face_of(self.rows[index], width)
        face = self._faces[index]
        if line >= len(face):
            return Strip.blank(width, base)
        cells = face[line]
        cursor = self._cursor_style() if self.shows_cursor and index == self._cursor else None
        return self._strip(self._segments(cells, cursor), width, base, cursor)

    def _segments(self, cells: Sequence[Cell], cursor: Style | None) -> list[Segment]:
        return [Segment(text, self.look(style)) for text, style in cells]

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
        """A style on the cursor's background: a state keeps its colour where that can be read."""
        key = (style, over)
        if key not in self._on_cursors:
            colour = over.color if _too_near(style, over) else style.color
            self._on_cursors[key] = style + Style(color=colour, bgcolor=over.bgcolor)
        return self._on_cursors[key]

    def _empty_line(self, y: int, width: int, base: Style) -> Strip:
        lines = self.empty.splitlines()
        top = max(0, (self.scrollable_content_region.height - len(lines)) // 2)
        if not top <= y < top + len(lines):
            return Strip.blank(width, base)
        text = fit(lines[y - top], min(len(lines[y - top]), width))
        left = " " * ((width - len(text)) // 2)
        return self._strip([Segment(left + text, self.look("muted"))], width, base)

    # -- the cursor ------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Moves the cursor by some rows."""
        self.action_move_to(max(0, self._cursor + by))

    def action_page(self, pages: int) -> None:
        """Moves the cursor by as many rows as are in sight."""
        self.action_move(pages * max(1, self._visible_lines // self.row_height - 1))

    def action_move_to(self, index: int) -> None:
        """Moves the cursor to a row; -1 is the last."""
        last = len(self.rows) - 1
        if last < 0:
            return
        before, self._cursor = self._cursor, last if index < 0 else min(index, last)
        self._follows = self._cursor != 0
        for i in {before, self._cursor}:
            self.refresh_lines(self.head + i * self.row_height, self.row_height)
        self._reveal()
        self._note_cursor()

    def action_choose(self) -> None:
        """Chooses the row under the cursor."""
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
        self._faces.clear()
        self._resize_virtually()
        self._reveal()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._faces.clear()

    def on_click(self, event: events.Click) -> None:
        at = event.get_content_offset(self)
        if at is None or self._width <= at.x:
            return
        if at.y < self.head:
            self.head_clicked(at.x)
            return
        index = (at.y - self.head + self.scroll_offset.y) // self.row_height
        if index < len(self.rows):
            self.action_move_to(index)
            if event.chain == 2:
                self.action_choose()

    def head_clicked(self, x: int) -> None:
        """The head was clicked, at a cell of its line."""


def _too_near(style: Style, over: Style) -> bool:
    """Whether a text of the one's colour on the background of the other is hard to read."""
    if style.color is None or over.bgcolor is None:
        return False
    text, back = Color.from_rich_color(style.color), Color.from_rich_color(over.bgcolor)
    return abs(text.brightness - back.brightness) < _LEAST_CONTRAST


_LEAST_CONTRAST = 0.2


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
