"""Questions over the screen: yes or no, one of several answers, one of several lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from norouter_core.commands.results import Question
from norouter_core.sanitize import escape
from norouter_tui.output.rendering import diff_lines
from norouter_tui.screen.widgets.cells import escape_line, to_content
from norouter_tui.screen.widgets.keybar import KeyBar


def diff_body(diff: str) -> list[Text]:
    """Return the lines of a diff without its file names: there is only one manifest."""
    return [line for line in diff_lines(diff) if not line.plain.startswith(("--- ", "+++ "))]


class Confirm(ModalScreen[bool]):
    """Asks a yes-or-no question; the result is True for yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes", key_display="y", id="yes"),
        Binding("n,escape,q", "answer(False)", "No", key_display="n", id="no"),
    ]

    def __init__(self, question: Question, title: str = "Are you sure?") -> None:
        super().__init__()
        self._question = question
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            yield Static(Content("\n".join(map(escape_line, self._question.text.splitlines()))))
            if self._question.diff:
                with VerticalScroll(classes="diff"):
                    yield Static(to_content(diff_body(self._question.diff)))
            yield KeyBar()

    def action_answer(self, yes: bool) -> None:
        """Close the question."""
        self.dismiss(yes)


class Answer(NamedTuple):
    """An answer: its key, the word that the question returns, and its label."""

    key: str
    word: str
    label: str


def answer_bindings(answers: Iterable[Answer], cancel: str = "Cancel") -> list[BindingType]:
    """Return the bindings of an `Answers` dialog. Enter gives the first answer, Escape none."""
    bindings: list[BindingType] = []
    for key, word, label in answers:
        keys = key if bindings else f"{key},enter"
        action = f"answer('{word}')"
        bindings.append(Binding(keys, action, label, key_display=key, id=f"answer-{word}"))
    leave = Binding("escape", "answer('')", cancel, key_display="esc", id="answer-cancel")
    return [*bindings, leave]


class Answers(ModalScreen[str]):
    """Asks a question with several answers; subclasses bind them with `answer_bindings`.

    The result is the word of the answer, or an empty string for Escape.

    Args:
        title: the title of the dialog.
        text: the question.
        details: lines below the question, which scroll if there are many.
    """

    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def __init__(self, title: str, text: str, details: Sequence[Text] = ()) -> None:
        super().__init__()
        self._heading = title
        self._text = text
        self._details = details

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog answers") as dialog:
            dialog.border_title = Content(escape(self._heading))
            yield Static(Content("\n".join(map(escape, self._text.splitlines()))))
            if self._details:
                with VerticalScroll(classes="diff"):
                    yield Static(to_content(self._details))
            yield KeyBar()

    def on_resize(self) -> None:
        for diff in self.query(".diff"):
            diff.styles.max_height = max(1, min(16, int(self.size.height * 0.9) - 9))

    def action_answer(self, word: str) -> None:
        """Close the question."""
        self.dismiss(word)


class Choose(ModalScreen[int | None]):
    """Offers lines to choose from; the result is the index of the chosen one, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "cancel", "Close", key_display="esc", id="choose-cancel"),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._heading = title
        self._choices = lines

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._heading)
            options = (Option(Content(escape_line(line))) for line in self._choices)
            yield OptionList(*options, compact=True)
            yield KeyBar()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


_FIRST_STEPS = (
    ("a", "add a host", "docker exec -i web, ssh db, kubectl exec -i pod --"),
    ("t", "try the demo mesh", "three simulated hosts and some traffic between them"),
    ("o", "open a manifest", "a mesh that you saved here or wrote for NoRouter"),
)


class Welcome(ModalScreen[str]):
    """Greets a user who started without a manifest.

    The result is what to start with: `add`, `demo`, `open` or an empty string.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a,enter", "begin('add')", "Add a host", key_display="a", id="welcome-add"),
        Binding("t", "begin('demo')", "Demo", id="welcome-demo"),
        Binding("o", "begin('open')", "Open", id="welcome-open"),
        Binding("escape,q", "begin('')", "Look around", key_display="esc", id="welcome-close"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog welcome") as dialog:
            dialog.border_title = "norouter"
            yield Static()
            yield KeyBar()

    def on_resize(self) -> None:
        lines = list(_welcome_lines(short=self.size.height < 17))
        self.query_one(Static).update(to_content(lines))

    def action_begin(self, word: str) -> None:
        """Close the dialog."""
        self.dismiss(word)


def _welcome_lines(*, short: bool) -> Iterable[Text]:
    if not short:
        yield Text("Joins hosts, containers and pods into one mesh, over the commands", "bold")
        yield Text("that reach them. No VPN, no root, nothing to install there.", "bold")
    for key, name, about in _FIRST_STEPS:
        if not short:
            yield Text("")
        yield Text.assemble((f"  {key}  ", "accent"), (name, "bold"))
        if not short:
            yield Text(f"     {about}", "muted")
