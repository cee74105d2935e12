"""A form: what is typed becomes command lines, and what those would do is told as it is typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from norouter_core.commands.argument_types import ArgumentType, convert
from norouter_core.commands.results import Failure, Outcome
from norouter_core.commands.tokenizer import TokenError, tokenize
from norouter_core.manifest.problems import ValidationError
from norouter_core.sanitize import escape, strip_line
from norouter_core.session.client import Preview
from norouter_tui.output.units import count
from norouter_tui.screen.backend import Backend, column_of
from norouter_tui.screen.dialogs.command_builder import Sentence
from norouter_tui.screen.widgets.filterbar import MAX_INPUT
from norouter_tui.screen.widgets.keybar import KeyBar


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
    required: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False

    def wrong(self, text: str) -> Failure | None:
        """Why it cannot be `text`, by the rule of its kind alone; None where it can."""
        if not text.strip():
            return Failure(f"{self.label.lower()} is needed") if self.required else None
        try:
            words = [word.text for word in tokenize(text)] if self.many else [text.strip()]
            for each in words:
                if self.kind is not None:
                    convert(self.kind, each)
        except TokenError as bad:
            return Failure(bad.message, hint=bad.hint)
        except ValidationError as refused:
            return Failure(refused.message, hint=refused.hint)
        return None


class FieldInput(Input):
    """The line of a field. What is pasted becomes one line of plain characters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(-1)", "Before", show=False, id="field-before"),
        Binding("down", "walk(1)", "Next", show=False, id="field-after"),
        Binding("enter", "submit", "Apply", key_display="enter", id="form-apply"),
    ]

    class Stepped(Message):
        """Up or down was pressed."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, **more: Any) -> None:
        super().__init__(max_length=MAX_INPUT, compact=True, select_on_focus=False, **more)

    def action_walk(self, by: int) -> None:
        """Goes through what is offered, or to another field."""
        self.post_message(self.Stepped(by))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = one_line(event.text)
        if text:
            self.replace(text, *self.selection)


def one_line(text: str) -> str:
    """Pasted text as a field takes it: lines that a backslash joins are one, and so are all
    others; nothing in it steers a terminal, and it is no longer than a field may be."""
    text = text.rstrip("\r\n")[: 4 * MAX_INPUT].replace("\\\r\n", " ").replace("\\\n", " ")
    plain = "".join(char if char.isprintable() else " " for char in text)
    return (plain.lstrip() if plain.strip() else "")[:MAX_INPUT]


class FieldRow(Vertical):
    """One field. `dense`: the line below is there only while something is wrong."""

    def __init__(self, field: FormField, *, dense: bool) -> None:
        super().__init__(classes="field -dense" if dense else "field")
        self.field = field
        self._wrong = ""

    def compose(self) -> ComposeResult:
        field = self.field
        with Horizontal(classes="line"):
            yield Label(Content(field.label), classes="label")
            yield FieldInput(value=field.value, password=field.secret)
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
        self.input.value = text[:MAX_INPUT]
        self.input.cursor_position = len(self.input.value)

    def show_inferred(self, text: str) -> None:
        """Shows what it will be where nothing is typed."""
        self.input.placeholder = escape(text)

    def show_error(self, failure: Failure | None) -> None:
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


Values = Mapping[str, str]
_MARGIN = 0.9
"""The part of the screen's height that a form may take."""


class Form(ModalScreen[Outcome | None]):
    """Its result is how what it asked for ended; None where nothing was done.

    Subclasses say what it asks for, and which lines that makes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        # Before the field has them: what is typed right after is for the next one.
        Binding("tab", "step(1)", "Next", key_display="tab", priority=True, id="form-next"),
        Binding("shift+tab", "step(-1)", "Before", show=False, priority=True, id="form-before"),
        Binding("escape", "cancel", "Cancel", key_display="esc", id="form-cancel"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]
    AUTO_FOCUS = ""
    heading = ""
    apply = "Apply"
    dense = False
    first = ""
    """The field that has the keys at first; the uppermost if empty."""
    idle = ""
    """What stands where the effect is told while there is none to tell."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self._foreseen: tuple[tuple[str, ...], Preview] | None = None
        self._applying = False

    # -- what subclasses say ---------------------------------------------------------------

    def fields(self) -> Sequence[FormField]:
        """What it asks for, from the top."""
        raise NotImplementedError

    def sentences(self, values: Values) -> Sequence[Sentence]:
        """The lines that do it; none while there is nothing to do."""
        raise NotImplementedError

    def idle_text(self) -> str:
        """What is told while there is no effect to tell."""
        return self.idle

    def foreseen(self, foresight: Preview) -> None:
        """Called with what the lines would do."""

    def blame(self, key: str, failure: Failure) -> str:
        """The field that a failure is about, where the line says it is `key`."""
        return key

    # -- its parts -------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form") as dialog:
            dialog.border_title = Content(escape(self.heading))
            with VerticalScroll(classes="fields", can_focus=False):
                for field in self.fields():
                    yield FieldRow(field, dense=self.dense)
            yield from self.compose_more()
            yield Static(classes="effect")
            yield KeyBar({"form-apply": self.apply})

    def compose_more(self) -> ComposeResult:
        """What stands below the fields."""
        return ()

    def on_mount(self) -> None:
        self._fit()
        self.set_focus(self.row(self.first or self.rows[0].field.key).input)
        self.look_again()

    def on_resize(self, event: events.Resize) -> None:
        self._fit()

    def _fit(self) -> None:
        """Fields that there is no room for are scrolled."""
        short = self.size.height < 17
        # The edge, its padding, the effect and the keys.
        others = 2 + 1 + 1 if short else 2 + 1 + 4 + 2
        self.fit(max(2, int(self.size.height * _MARGIN) - others))

    def fit(self, room: int) -> None:
        """Shares the lines that there are for the fields, and for what else stands there."""
        self.query_one(".fields").styles.max_height = room

    @property
    def rows(self) -> list[FieldRow]:
        return list(self.query(FieldRow))

    def row(self, key: str) -> FieldRow:
        """The row of a field."""
        return next(row for row in self.rows if row.field.key == key)

    @property
    def values(self) -> dict[str, str]:
        """What has been typed, by the keys of the fields."""
        return {row.field.key: row.text for row in self.rows}

    # -- what is typed ---------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.look_again()

    @on(FieldInput.Stepped)
    def _walked(self, event: FieldInput.Stepped) -> None:
        event.stop()
        row = self.current
        if row is None or not self.walk(row, event.by):
            self.action_step(event.by)

    @property
    def current(self) -> FieldRow | None:
        """The row whose field has the keys."""
        return next((row for row in self.rows if row.input is self.focused), None)

    def walk(self, row: FieldRow, by: int) -> bool:
        """Goes through what a field may be; False where that is not known."""
        choices = row.field.choices
        if not choices:
            return False
        at = choices.index(row.text) + by if row.text in choices else (0 if by > 0 else -1)
        row.put(choices[at % len(choices)])
        return True

    def action_step(self, by: int) -> None:
        """Goes to the field below, or above."""
        rows, current = self.rows, self.current
        at = rows.index(current) if current is not None else 0
        # At once: a key that follows is for that field.
        self.set_focus(rows[(at + by) % len(rows)].input)

    # -- what it would do ------------------------------------------------------------------

    @work(exclusive=True, group="foresight")
    async def look_again(self) -> None:
        """Tells what the form would do as it is now."""
        await self._look()

    async def _look(self) -> tuple[str, ...] | None:
        """The lines that the form makes, once they have been told; None where it makes none."""
        wrong = dict(self._wrong_by_kind())
        lines: tuple[str, ...] = ()
        foresight = Preview()
        said: Sequence[Sentence] = ()
        if not wrong:
            said = self.sentences(self.values)
            lines = tuple(sentence.line for sentence in said)
            foresight = await self.backend.foresee(lines) if lines else foresight
            if foresight.failure is not None:
                column = column_of(lines[foresight.at], foresight.failure)
                key = said[foresight.at].key_at(column)
                wrong[self.blame(key, foresight.failure)] = foresight.failure
        for row in self.rows:
            row.show_error(wrong.get(row.field.key) if self._may_blame(row) else None)
        self._foreseen = (lines, foresight) if lines and not wrong else None
        self._tell_effect(said, foresight, wrong)
        self.foreseen(foresight)
        return lines if self._foreseen else None

    def _wrong_by_kind(self) -> Iterator[tuple[str, Failure]]:
        for row in self.rows:
            failure = row.field.wrong(row.text)
            if failure is not None:
                yield row.field.key, failure

    def _may_blame(self, row: FieldRow) -> bool:
        """A field that was not come to yet is not yet wrong for being empty."""
        return bool(row.text) or self._applying

    def _tell_effect(
        self, said: Sequence[Sentence], foresight: Preview, wrong: Mapping[str, Failure]
    ) -> None:
        view = self.query_one(".effect", Static)
        named = {row.field.key for row in self.rows}
        if not said:
            view.update(Content.styled(self.idle_text(), "$foreground-muted"))
            return
        secret = {row.field.key for row in self.rows if row.field.secret}
        shown = strip_line("; ".join(sentence.redacted(secret) for sentence in said))
        command = Content.styled(f":{shown}", "$foreground-muted")
        elsewhere = next((wrong[key] for key in wrong if key not in named), None)
        if elsewhere is not None:
            told = Content.styled(f"✗ {escape(elsewhere.message)}", "$text-error")
        elif wrong:
            told = Content("")
        elif not foresight.changes:
            told = Content.styled("Nothing would change.", "$foreground-muted")
        else:
            told = _effect(foresight)
        view.update(Content("\n").join([command, told]))

    # -- its end ---------------------------------------------------------------------------

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_apply()

    @work(exclusive=True, group="apply")
    async def action_apply(self) -> None:
        """Does what the form says, if that is what it has told."""
        self._applying = True
        told = self._foreseen
        lines = await self._look()
        if lines is None or self._foreseen is None:
            self._to_the_wrong()
            return
        if told is not None and told[0] == lines and told[1].cuts == self._foreseen[1].cuts:
            await self._done(await self.backend.change(lines))
        elif not self._foreseen[1].cuts:
            await self._done(await self.backend.change(lines))

    async def _done(self, outcome: Outcome) -> None:
        if outcome.failure is None:
            self.dismiss(outcome)
            return
        text = f"✗ {escape(outcome.failure.message)}"
        self.query_one(".effect", Static).update(Content.styled(text, "$text-error"))

    def _to_the_wrong(self) -> None:
        wrong = next((row for row in self.rows if row.has_class("-wrong")), None)
        if wrong is not None:
            wrong.input.focus()

    def action_cancel(self) -> None:
        """Does nothing."""
        self.dismiss(None)


def _effect(foresight: Preview) -> Content:
    """What would be, and what it costs."""
    told = Content.styled(f"✓ {escape('; '.join(foresight.messages))}", "$text-success")
    if not foresight.cuts:
        return told
    shown = ", ".join(f"{number}" for number in foresight.cuts[:8])
    more = ", ..." if len(foresight.cuts) > 8 else ""
    many = count(len(foresight.cuts), "stream")
    cut = Content.styled(f"! {many} will be cut: {shown}{more}", "$text-warning")
    return Content("\n").join([told, cut])
