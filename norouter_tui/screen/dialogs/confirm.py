"""A question over the screen: what would happen, and two answers."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from norouter_core.commands.results import Question
from norouter_tui.output.rendering import diff_lines
from norouter_tui.screen.texts import content
from norouter_tui.screen.widgets.cells import tidy
from norouter_tui.screen.widgets.keybar import KeyBar


def changes(diff: str) -> list[Text]:
    """A diff without the names of its files: there is one manifest only."""
    return [line for line in diff_lines(diff) if not line.plain.startswith(("--- ", "+++ "))]


class Confirm(ModalScreen[bool]):
    """Asks; its result is True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes", key_display="y", id="yes"),
        Binding("n,escape,q", "answer(False)", "No", key_display="n", id="no"),
    ]

    def __init__(self, question: Question, title: str = "Sure?") -> None:
        super().__init__()
        self._question = question
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            yield Static(Content("\n".join(map(tidy, self._question.text.splitlines()))))
            if self._question.diff:
                with VerticalScroll(classes="diff"):
                    yield Static(content(changes(self._question.diff)))
            yield KeyBar()

    def action_answer(self, yes: bool) -> None:
        """Closes the question."""
        self.dismiss(yes)
