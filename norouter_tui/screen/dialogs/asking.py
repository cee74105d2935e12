"""The dialog that asks what an exec command asks, such as a password."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.sanitize import escape
from norouter_tui.run.questions import REACTION_TIME, TYPING_PAUSE, Reply
from norouter_tui.screen.widgets.cells import escape_line
from norouter_tui.screen.widgets.keybar import KeyBar


class AskDialog(ModalScreen[Reply]):
    """Asks one question, or shows a notice; the result is the answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Before the binding of the line, which the key bar would not show.
        Binding("enter", "answer", "Answer", priority=True, id="ask-answer"),
        Binding("ctrl+r", "remember", "Remember", id="ask-remember"),
        Binding("escape", "give_up", "Give up", key_display="esc", id="ask-cancel"),
    ]

    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self._prompt = prompt
        self._remember = False
        self._is_withdrawn = False
        self._is_open = False
        """Whether the user has had the time to see the question."""

    def compose(self) -> ComposeResult:
        prompt = self._prompt
        with Vertical(classes="dialog asking") as dialog:
            again = " again: the last answer was wrong" if prompt.refused else ""
            dialog.border_title = Content(f"{escape(prompt.host)} asks{again}")
            with VerticalScroll(classes="question", can_focus=False):
                yield Static(Content("\n".join(map(escape_line, prompt.text.splitlines()))))
            if prompt.kind is not PromptKind.NOTICE:
                about = "" if self._is_secret else "yes or no"
                yield Input(
                    password=self._is_secret, placeholder=about, disabled=True, compact=True
                )
            if self._is_secret:
                yield Static(classes="remember")
            yield KeyBar({"ask-cancel": "Hide"} if prompt.kind is PromptKind.NOTICE else None)

    @property
    def _is_secret(self) -> bool:
        return self._prompt.kind is PromptKind.SECRET

    def on_mount(self) -> None:
        self._show_remember()
        self._opening = self.set_timer(REACTION_TIME, self._open)

    def on_key(self) -> None:
        """Wait for a pause if keys come too soon: more of what they belong to may follow."""
        self._wait_longer()

    def _wait_longer(self) -> None:
        if not self._is_open:
            self._opening.stop()
            self._opening = self.set_timer(TYPING_PAUSE, self._open)

    def _open(self) -> None:
        """Take keys from now on."""
        self._is_open = True
        for field in self.query(Input):
            field.disabled = False
            field.focus()

    def on_screen_resume(self) -> None:
        if self._is_withdrawn:
            self.dismiss(Reply(None))

    def withdraw(self) -> None:
        """Close the dialog, now or when what covers it has been closed."""
        self._is_withdrawn = True
        if self.is_active:
            self.dismiss(Reply(None))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether an action applies to the kind of question."""
        if action == "remember":
            return self._is_secret
        return action != "answer" or self._prompt.kind is not PromptKind.NOTICE

    def action_answer(self) -> None:
        """Close the dialog with what has been typed, if it is an answer."""
        line = self.query_one(Input)
        if self._is_open and self._prompt.accepts(line.value):
            self.dismiss(Reply(line.value, self._remember))
        elif self._is_open:
            line.clear()  # Its placeholder says what to type.
        else:
            self._wait_longer()

    def action_remember(self) -> None:
        """Remember the answer, or not."""
        self._remember = not self._remember
        self._show_remember()

    def action_give_up(self) -> None:
        """Close the dialog without an answer."""
        if self._is_open:
            self.dismiss(Reply(None))
        else:
            self._wait_longer()

    def _show_remember(self) -> None:
        for line in self.query(".remember").results(Static):
            mark = "x" if self._remember else " "
            line.update(Content(f"[{mark}] remember until norouter ends"))
