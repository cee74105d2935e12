"""The log tab: what happened, newest last, wrapped to the width."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from norouter_core.session.client import Snapshot
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import with_named_styles, wrap
from norouter_tui.screen.widgets.filterbar import FilterBar
from norouter_tui.screen.widgets.lines import TextLine, TextView

MAX_ENTRIES = 2000
"""The number of entries kept."""
_CLOCK = 9


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry; `at` is in seconds since the epoch."""

    at: float
    text: Text


class LogView(View):
    """The log."""

    title = "Log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", priority=True, id="filter-log"),
        Binding("escape", "all", "Show all", show=False, id="show-all-log"),
    ]

    def compose(self) -> ComposeResult:
        view = TextView(id="log-lines")
        view.empty = "Nothing has happened yet."
        yield view
        yield FilterBar("words that a line must contain")

    def on_mount(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=MAX_ENTRIES)
        self._lines: deque[TextLine] = deque(maxlen=2 * MAX_ENTRIES)
        self._numbers = 0
        self._words: list[str] = []
        self._dirty = False

    @property
    def lines(self) -> TextView:
        return self.query_one(TextView)

    @property
    def focus_target(self) -> Widget:
        return self.lines

    def add(self, entries: Iterable[LogEntry]) -> None:
        """Add entries; many at once cost little more than one."""
        for each in entries:
            entry = LogEntry(each.at, with_named_styles(each.text))
            self._entries.append(entry)
            if self._fits(entry):
                self._lines.extend(self._wrapped(entry))
        self._show()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show what was added while the tab was hidden; a snapshot adds nothing."""
        if self._dirty:
            self._show()

    def _fits(self, entry: LogEntry) -> bool:
        text = entry.text.plain.casefold()
        return all(word in text for word in self._words)

    def _wrapped(self, entry: LogEntry) -> Iterable[TextLine]:
        clock = time.strftime("%H:%M:%S", time.localtime(entry.at))
        room = max(10, self.lines.scrollable_content_region.width - _CLOCK - 2)
        for line in wrap(entry.text, room):
            self._numbers += 1
            yield TextLine(self._numbers, line, f" {clock:<{_CLOCK}}")
            clock = ""

    def _show(self) -> None:
        lines = self.lines
        self._dirty = not lines.scrollable_content_region.width
        if self._dirty:
            return
        lines.show_lines(self._lines)

    def on_resize(self) -> None:
        self._rewrap()

    def _rewrap(self) -> None:
        self._lines.clear()
        for entry in self._entries:
            if self._fits(entry):
                self._lines.extend(self._wrapped(entry))
        self._show()
        self.lines.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether an action applies: the filter key does not while text is being typed."""
        return action != "filter" or not isinstance(self.screen.focused, Input)

    def action_filter(self) -> None:
        """Open the filter line."""
        self.query_one(FilterBar).open()

    def action_all(self) -> None:
        """Remove the filter, or leave Escape to others if there is none."""
        self.query_one(FilterBar).clear_or_skip()

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        self._words = event.text.casefold().split()
        self.set_note(f"containing {event.text!r}" if self._words else "")
        self._rewrap()

    @on(FilterBar.Closed)
    def _filter_closed(self, event: FilterBar.Closed) -> None:
        event.stop()
        self.lines.focus()
