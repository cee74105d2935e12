"""The bytes of a stream as they pass: the last 64 KiB each way, as text or hex."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import ClassVar

from rich.cells import chop_cells
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen

from norouter_core.commands.results import Bytes, Outcome, Output
from norouter_core.engine.tap import MAX_KEPT, RECEIVED, SENT
from norouter_tui.output.units import size
from norouter_tui.screen.widgets.cells import escape_line
from norouter_tui.screen.widgets.keybar import KeyBar
from norouter_tui.screen.widgets.lines import TextLine, TextView

REFRESH = 0.2
"""Seconds between updates: bytes come faster than anybody reads."""
_TITLES = {SENT: "→ sent", RECEIVED: "← received"}
_ROWS = (16, 8, 4)
"""Bytes in a row of hex, depending on the width."""


def _hex_cells(digits: int, row: int) -> int:
    """Return the width of a row of hex: an offset, three cells and a letter for each byte."""
    return digits + 2 + 3 * row - 1 + 2 + row


class Direction:
    """What passed one way: the last bytes, and the total, with those that were skipped."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.total = 0

    def add(self, output: Bytes) -> None:
        self.total += output.skipped + len(output.data)
        if output.skipped:
            self.kept.clear()  # what is shown is one piece
        self.kept += output.data
        del self.kept[:-MAX_KEPT]

    def hex_lines(self, width: int) -> Iterator[Text]:
        """Yield the bytes in rows of offset, pairs and letters, as wide as fits."""
        digits = max(8, len(f"{self.total:x}"))
        row = next((row for row in _ROWS if _hex_cells(digits, row) <= width), _ROWS[-1])
        start = self.total - len(self.kept)
        # Rows start at round offsets, so that the pairs do not move as old bytes go.
        skip = -start % row
        for at in range(skip, len(self.kept), row):
            piece = bytes(self.kept[at : at + row])
            pairs = piece.hex(" ").ljust(3 * row - 1)
            letters = "".join(chr(b) if 32 <= b < 127 else "·" for b in piece)
            offset = (f"{start + at:0{digits}x}  ", "muted")
            yield Text.assemble(offset, f"{pairs}  ", (letters, "accent"))

    def text_lines(self, width: int) -> Iterator[Text]:
        """Yield the bytes as UTF-8 text, with everything else escaped."""
        for line in bytes(self.kept).decode("utf-8", "backslashreplace").split("\n"):
            shown = escape_line(line.removesuffix("\r").replace("\t", "    "))
            for piece in chop_cells(shown, width) if shown else ("",):
                yield Text(piece)


class TapScreen(ModalScreen[None]):
    """Shows the bytes that pass until the user closes it.

    Args:
        stream: the number of the stream.
        route: from where to where it goes, for the title.
        end: called when the user closes the view.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "form", "Hex or text", id="tap-form"),
        Binding("f", "freeze", "Freeze", id="tap-freeze"),
        Binding("tab", "app.focus_next", "Other direction", id="tap-other"),
        Binding("escape,q,t", "close", "Close", key_display="esc", id="tap-close"),
    ]

    def __init__(self, stream: int, route: str, end: Callable[[], None]) -> None:
        super().__init__()
        self._sides = {SENT: Direction(), RECEIVED: Direction()}
        self._title_text = f"Stream {stream}  {route}"
        self._end = end
        self._hex = False
        self._frozen = False
        self._changed = True
        self._ended = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog tap") as dialog:
            dialog.border_title = Content(escape_line(self._title_text))
            with Horizontal(classes="ways"):
                for way in (SENT, RECEIVED):
                    view = TextView(id=f"tap-{way}", classes="way")
                    view.empty = "Nothing has passed this way\nsince you opened this view."
                    yield view
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#tap-received").focus()
        self.set_interval(REFRESH, self._refresh_views)

    def on_resize(self) -> None:
        self._changed = True

    def put(self, output: Output) -> None:
        """Take an output of the tap."""
        if isinstance(output, Bytes) and output.source in self._sides:
            self._sides[output.source].add(output)
            self._changed = True

    def show_end(self, outcome: Outcome) -> None:
        """Show that the stream has ended, or cannot be tapped."""
        failure = outcome.failure
        self._ended = outcome.message
        if failure is not None:
            for view in self.query(TextView):
                view.empty = "\n".join(textwrap.wrap(escape_line(failure.message), 30))
                view.redraw()
        self._changed = True

    def _refresh_views(self) -> None:
        if not self._changed or not self.query(TextView):
            return  # nothing to show, or no longer a place to show it
        self._changed = False
        for way, side in self._sides.items():
            view = self.query_one(f"#tap-{way}", TextView)
            more = "" if side.total <= MAX_KEPT else ", the last 64 KiB"
            view.border_title = Content(f"{_TITLES[way]}  {size(side.total)}{more}")
            width = view.scrollable_content_region.width
            if side.total and not self._frozen and width > 1:
                lines = side.hex_lines(width) if self._hex else side.text_lines(width)
                view.show_lines(TextLine(number, line) for number, line in enumerate(lines))
        self._refresh_note()

    def _refresh_note(self) -> None:
        form = "hex" if self._hex else "text"
        words = [form, "frozen" if self._frozen else "", escape_line(self._ended)]
        dialog = self.query_one(".dialog")
        dialog.border_subtitle = Content("  ".join(filter(None, words)))

    def action_form(self) -> None:
        """Switch between text and hex."""
        self._hex = not self._hex
        self._changed = True
        self._refresh_views()

    def action_freeze(self) -> None:
        """Freeze the view, or let it go on."""
        self._frozen = not self._frozen
        self._changed = True
        self._refresh_views()

    def action_close(self) -> None:
        """Close the view."""
        self._end()
        self.dismiss()
