"""The filter line: filters as the user types, and shows what is wrong with the filter."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, Static

from norouter_tui.screen.widgets.cells import escape_line

MAX_INPUT = 2000
"""Characters that an input line holds; the rest of a paste is dropped."""


class FilterBar(Vertical):
    """Hidden until opened. Enter keeps the filter, Escape removes it.

    Args:
        hint: examples of filters.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear", id="filter-clear"),
    ]

    class Changed(Message):
        """The text changed; an empty one matches everything."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The line gives the focus back to the filtered view."""

    def __init__(self, hint: str = "", **more: Any) -> None:
        super().__init__(**more)
        self._hint = hint

    def compose(self) -> ComposeResult:
        yield Static(Content(self._hint), classes="hint")
        with Horizontal(classes="line"):
            yield Label("/", classes="sigil")
            yield Input(max_length=MAX_INPUT, compact=True)

    @property
    def text(self) -> str:
        return self.query_one(Input).value

    def open(self) -> None:
        """Show the line and focus it."""
        # All at once: the next key may already be waiting.
        self.styles.display = "block"
        self.screen.set_focus(self.query_one(Input))

    def show_error(self, message: str) -> None:
        """Show what is wrong with the text; an empty message shows the hint again."""
        self.query_one(".hint", Static).update(Content(escape_line(message) or self._hint))
        self.set_class(bool(message), "-wrong")

    def clear(self) -> None:
        """Remove the filter and hide the line."""
        self.query_one(Input).value = ""
        self.styles.display = "none"

    def clear_or_skip(self) -> None:
        """Remove the filter.

        Raises:
            SkipAction: there is no filter, so the key goes to the next binding.
        """
        if not self.text:
            raise SkipAction
        self.clear()

    def action_clear(self) -> None:
        """Remove the filter and hide the line."""
        self.clear()
        self.post_message(self.Closed())

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            self.clear()
        self.post_message(self.Closed())
