"""A question with two answers, over the full screen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label


class Question(ModalScreen[bool]):
    """Asks `text`; its result is True for yes."""

    CSS = """
    Question { align: center middle; }
    Question Vertical {
        width: auto; max-width: 90%; height: auto; padding: 1 2;
        border: round $warning; background: $surface;
    }
    Question Label { width: auto; max-width: 100%; }
    """
    BINDINGS = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(f"{self._text}\n\ny: yes    n: no", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Closes the question."""
        self.dismiss(yes)
