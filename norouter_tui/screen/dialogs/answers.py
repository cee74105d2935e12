"""A question with more answers than two, each with its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from norouter_core.sanitize import escape
from norouter_tui.screen.texts import content
from norouter_tui.screen.widgets.keybar import KeyBar


class Answer(NamedTuple):
    """`word` is the result; the first answer is that of Enter."""

    key: str
    word: str
    about: str


class Answers(ModalScreen[str]):
    """Asks; its result is the word of the answer, empty for Escape.

    Args:
        details: lines below the question, scrolled where there are many.
    """

    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def __init__(
        self,
        title: str,
        text: str,
        answers: Sequence[Answer],
        details: Sequence[Text] = (),
        cancel: str = "Cancel",
    ) -> None:
        super().__init__()
        self._heading = title
        self._text = text
        self._details = details
        for i, answer in enumerate(answers):
            keys = f"{answer.key},enter" if i == 0 else answer.key
            binding = Binding(
                keys,
                f"answer('{answer.word}')",
                answer.about,
                key_display=answer.key,
                id=f"answer-{answer.word}",
            )
            for each in Binding.make_bindings([binding]):
                self._bindings.key_to_bindings[each.key] = [each]
        leave = Binding("escape", "answer('')", cancel, key_display="esc", id="answer-cancel")
        self._bindings.key_to_bindings["escape"] = [leave]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog answers") as dialog:
            dialog.border_title = Content(escape(self._heading))
            yield Static(Content("\n".join(map(escape, self._text.splitlines()))))
            if self._details:
                with VerticalScroll(classes="diff"):
                    yield Static(content(self._details))
            yield KeyBar()

    def on_resize(self, event: events.Resize) -> None:
        for diff in self.query(".diff"):
            diff.styles.max_height = max(1, min(16, int(self.size.height * 0.9) - 9))

    def action_answer(self, word: str) -> None:
        """Closes it."""
        self.dismiss(word)
