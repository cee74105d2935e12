"""The fields of a form: a label, a line to type into, and below it what is wrong with that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, Static

from norouter_core.commands.argument_types import ArgumentType, convert
from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import TokenError, tokenize
from norouter_core.manifest.problems import ValidationError
from norouter_core.sanitize import escape
from norouter_tui.screen.widgets.filterbar import LONGEST


@dataclass(frozen=True, slots=True)
class FormField:
    """What a form asks for.

    `kind` is the rule of the vocabulary for it, of each of its words where there are `many`;
    `choices` are walked through with up and down.
    """

    key: str
    label: str
    value: str = ""
    hint: str = ""
    kind: ArgumentType | None = None
    many: bool = False
    needed: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False

    def wrong(self, text: str) -> Failure | None:
        """Why it cannot be `text`, by the rule of its kind alone; None where it can."""
        if not text.strip():
            return Failure(f"{self.label.lower()} is needed") if self.needed else None
        try:
            words = [word.text for word in tokenize(text)] if self.many else [text.strip()]
            for each in words:
                if self.kind is not None:
                    convert(self.kind, each)
        except TokenError as bad:
            return Failure(bad.message, bad.index + 1, bad.hint)
        except ValidationError as refused:
            return Failure(refused.message, hint=refused.hint)
        return None


class FieldInput(Input):
    """The line of a field. What is pasted becomes one line of plain characters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(-1)", "Before", show=False, id="field-before"),
        Binding("down", "walk(1)", "Next", show=False, id="field-after"),
    ]

    class Walked(Message):
        """Up or down was pressed."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, apply: str, **more: Any) -> None:
        super().__init__(max_length=LONGEST, compact=True, select_on_focus=False, **more)
        bound = self._bindings.key_to_bindings
        bound["enter"] = [Binding("enter", "submit", apply, key_display="enter", id="form-apply")]

    def action_walk(self, by: int) -> None:
        """Goes through what is offered, or to another field."""
        self.post_message(self.Walked(by))

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = one_line(event.text)
        if text:
            self.replace(text, *self.selection)


def one_line(text: str) -> str:
    """Pasted text as a field takes it: lines that a backslash joins are one, and so are all
    others; nothing in it steers a terminal, and it is no longer than a field may be."""
    text = text.rstrip("\r\n")[: 4 * LONGEST].replace("\\\r\n", " ").replace("\\\n", " ")
    plain = "".join(char if char.isprintable() else " " for char in text)
    return (plain.lstrip() if plain.strip() else "")[:LONGEST]


class FieldRow(Vertical):
    """One field. `dense`: the line below is there only while something is wrong."""

    def __init__(self, field: FormField, apply: str, *, dense: bool) -> None:
        super().__init__(classes="field -dense" if dense else "field")
        self.field = field
        self._apply = apply
        self._wrong = ""

    def compose(self) -> ComposeResult:
        field = self.field
        with Horizontal(classes="line"):
            yield Label(Content(field.label), classes="label")
            yield FieldInput(self._apply, value=field.value, password=field.secret)
        yield Static(Content(field.hint), classes="below")

    @property
    def input(self) -> FieldInput:
        return self.query_one(FieldInput)

    @property
    def text(self) -> str:
        """What it holds, if that is not blank."""
        return self.input.value.strip()

    def put(self, text: str) -> None:
        """Changes what it holds."""
        self.input.value = text[:LONGEST]
        self.input.cursor_position = len(self.input.value)

    def infer(self, text: str) -> None:
        """Shows what it will be where nothing is typed."""
        self.input.placeholder = escape(text)

    def show_wrong(self, failure: Failure | None) -> None:
        """Says what is wrong below the line; the hint where nothing is."""
        text = ""
        if failure is not None:
            text = escape(failure.message)
            longer = f"{text}; {escape(failure.hint)}"
            if failure.hint and len(longer) <= self.query_one(".below").size.width:
                text = longer
        if text != self._wrong:
            self._wrong = text
            self.set_class(bool(text), "-wrong")
            self.query_one(".below", Static).update(Content(text or self.field.hint))
