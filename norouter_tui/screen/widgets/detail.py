"""The pane below the tabs: all that is known of what is under the cursor, live."""

from __future__ import annotations

from typing import Any

from textual.content import Content

from norouter_core.session.client import Snapshot
from norouter_tui.screen import details
from norouter_tui.screen.texts import translated, wrapped
from norouter_tui.screen.widgets.textview import TextLine, TextView


class DetailPane(TextView):
    """Hidden until something is chosen; Escape hides it again."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._described: tuple[details.Row, Snapshot] | None = None

    @property
    def open(self) -> bool:
        """Whether it is in sight."""
        return self.has_class("-open")

    def describe(self, row: details.Row | None, snapshot: Snapshot) -> None:
        """Shows all of a row; nothing for None."""
        self._described = None if row is None else (row, snapshot)
        name = "Detail" if row is None else details.title(row)
        self.border_title = Content(name)
        self._fill()

    def _fill(self) -> None:
        width = self.scrollable_content_region.width - 1
        if self._described is None or width < 1:
            self.show(())
            return
        texts = map(translated, details.lines(*self._described))
        lines = [line for text in texts for line in wrapped(text, width, details.INDENT)]
        self.show(TextLine(number, line) for number, line in enumerate(lines))

    def on_resize(self) -> None:
        self._fill()
        super().on_resize()
