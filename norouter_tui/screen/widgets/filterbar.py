"""One line to type a filter into; it works while it is typed, and says what is wrong with it."""

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

from norouter_tui.screen.widgets.cells import tidy

LONGEST = 2000
"""Characters of a line; what is pasted beyond them is dropped."""


class FilterBar(Vertical):
    """Hidden until opened. Enter keeps the filter, Escape takes it away.

    Args:
        hint: what may be typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "Clear", id="filter-clear"),
    ]

    class Changed(Message):
        """The text is another; an empty one lets everything through."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The keys are to go back to what is filtered."""

    def __init__(self, hint: str = "", **more: Any) -> None:
        super().__init__(**more)
        self._hint = hint

    def compose(self) -> ComposeResult:
        yield Static(Content(self._hint), classes="hint")
        with Horizontal(classes="line"):
            yield Label("/", classes="sigil")
            yield Input(max_length=LONGEST, compact=True)

    @property
    def text(self) -> str:
        return self.query_one(Input).value

    def open(self) -> None:
        """Shows the line and gives it the keys."""
        # All of it now and nothing later: the next key may be there already.
        self.styles.display = "block"
        self.screen.set_focus(self.query_one(Input))

    def wrong(self, message: str) -> None:
        """Says what is wrong with the text; empty if nothing is."""
        self.query_one(".hint", Static).update(Content(tidy(message) or self._hint))
        self.set_class(bool(message), "-wrong")

    def clear(self) -> None:
        """Takes the filter away and hides the line."""
        self.query_one(Input).value = ""
        self.styles.display = "none"

    def clear_or_skip(self) -> None:
        """Takes the filter away.

        Raises:
            SkipAction: there is none; the key is for whoever else has bound it.
        """
        if not self.text:
            raise SkipAction
        self.clear()

    def action_clear(self) -> None:
        """Takes the filter away, and hides the line."""
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
