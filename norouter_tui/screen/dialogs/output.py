"""The dialog that shows the output of a command as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from norouter_core.commands.results import Bytes, Outcome, Output
from norouter_tui.output.hexdump import ByteText
from norouter_tui.output.rendering import lines as output_lines
from norouter_tui.screen.widgets.cells import escape_line, with_named_styles, wrap
from norouter_tui.screen.widgets.keybar import KeyBar
from norouter_tui.screen.widgets.lines import TextLine, TextView

MAX_LINES = 5000
"""The number of lines kept."""


class OutputScreen(ModalScreen[None]):
    """Shows the output of one command. Closing it ends a command that still runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", key_display="esc", id="close"),
    ]

    def __init__(self, line: str, outputs: Iterable[Output], end: Callable[[], None]) -> None:
        super().__init__()
        self._line = line
        self._first = list(outputs)
        """What came before the dialog had a width."""
        self._end = end
        self._has_begun = False
        self._lines: deque[TextLine] = deque(maxlen=MAX_LINES)
        self._numbers = 0
        self._bytes = ByteText()
        self._open = Text()
        self._source = ""
        self._outcome: Outcome | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog output") as dialog:
            dialog.border_title = Content(escape_line(self._line))
            yield TextView()
            yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(TextView).focus()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self._has_begun = True
        self.add(self._first)
        if self._outcome is not None:
            self._draw_end(self._outcome)

    def add(self, outputs: Iterable[Output]) -> None:
        """Add outputs; drop them once the dialog has been closed."""
        if not self._has_begun:
            self._first.extend(outputs)
            return
        view = self.query_one_optional(TextView)
        if view is None:
            return
        width = max(20, view.scrollable_content_region.width - 1)
        for output in outputs:
            for text in self._texts(output, width):
                for line in wrap(with_named_styles(text), width):
                    self._numbers += 1
                    self._lines.append(TextLine(self._numbers, line))
        # It grows with its content, and never shrinks.
        view.styles.height = max(3, min(len(self._lines), self.size.height * 3 // 4))
        view.show_lines(self._lines)

    def _texts(self, output: Output, width: int) -> Iterable[Text]:
        if not isinstance(output, Bytes):
            return output_lines(output, width)
        self._source = output.source
        texts = []
        for part in self._bytes.feed(output.source, output.data):
            self._open.append_text(part)
            if self._open.plain.endswith("\n"):
                texts.append(self._open[: len(self._open.plain) - 1])
                self._open = Text()
        return texts

    def show_end(self, outcome: Outcome) -> None:
        """Show how the command ended, and its last line if that has no newline."""
        self._outcome = outcome
        if self._has_begun:
            self._draw_end(outcome)

    def _draw_end(self, outcome: Outcome) -> None:
        dialog = self.query_one_optional(".dialog")
        if dialog is None:
            return  # closed already
        if self._open:
            self.add((Bytes(self._source, b"\n"),))
        failure = outcome.failure.message if outcome.failure is not None else ""
        status = f"exit status {outcome.status}" if outcome.status else ""
        dialog.border_subtitle = Content(escape_line(failure or status))

    def action_close(self) -> None:
        """Close the dialog."""
        self._end()
        self.dismiss()
