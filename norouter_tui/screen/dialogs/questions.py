"""A question over the screen: what would happen, and two answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events, on
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
from norouter_tui.screen.widgets.cells import content, tidy
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


class Choose(ModalScreen[int | None]):
    """Its result is the index of the line, or None."""

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
            options = (Option(Content(tidy(line))) for line in self._choices)
            yield OptionList(*options, compact=True)
            yield KeyBar()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)

    def action_cancel(self) -> None:
        """Chooses nothing."""
        self.dismiss(None)


_KEYS = (
    ("a", "add a host", "docker exec -i web, ssh db, kubectl exec -i pod --"),
    ("t", "try the demo mesh", "three simulated hosts and some traffic between them"),
    ("o", "open a manifest", "a mesh that was saved, here or by NoRouter"),
)


class Welcome(ModalScreen[str]):
    """Its result is what to begin with: `add`, `demo`, `open` or nothing."""

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

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Static).update(content(_lines(short=self.size.height < 17)))

    def action_begin(self, word: str) -> None:
        """Closes it."""
        self.dismiss(word)


def _lines(*, short: bool) -> list[Text]:
    lines: list[Text] = []
    if not short:
        lines.append(Text("Hosts, containers and pods in one mesh, over the commands that", "bold"))
        lines.append(Text("lead to them. No VPN, no root, nothing to install there.", "bold"))
    for key, name, about in _KEYS:
        if not short:
            lines.append(Text(""))
        lines.append(Text.assemble((f"  {key}  ", "accent"), (name, "bold")))
        if not short:
            lines.append(Text(f"     {about}", "muted"))
    return lines
