"""Forms: fields become calls of the commands' verbs, and show what the calls would do.

A form names its fields by the arguments and options of the verbs that it runs. Those define the
type, the choices and the help of a field, and whether it is a secret; and a failure that names an
argument goes to its field. A form adds only labels, hints and the values to begin with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from norouter_core.commands.argument_types import ArgumentType, choices, convert
from norouter_core.commands.call import Call, CallError
from norouter_core.commands.registry import BY_WORDS
from norouter_core.commands.results import Failure, Outcome
from norouter_core.commands.tokenizer import TokenError, join, tokenize
from norouter_core.manifest.problems import ValidationError
from norouter_core.sanitize import escape
from norouter_core.session.client import Client, Preview
from norouter_tui.output.units import count
from norouter_tui.screen.widgets.filterbar import MAX_INPUT
from norouter_tui.screen.widgets.keybar import KeyBar

Values = Mapping[str, str]
_MAX_HEIGHT = 0.9
"""The part of the screen's height that a form takes at most."""


@dataclass(frozen=True, slots=True)
class FormField:
    """What a form asks for. `from_verb` makes one from an argument or option of a verb.

    With `many`, the text holds several words; `choices` are offered with up and down.
    """

    key: str
    label: str
    value: str = ""
    hint: str = ""
    type: ArgumentType | None = None
    many: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    secret: bool = False

    @classmethod
    def from_verb(
        cls,
        verb: str,
        name: str,
        label: str,
        value: str = "",
        hint: str = "",
        *,
        key: str = "",
        required: bool = False,
        offered: tuple[str, ...] = (),
    ) -> FormField:
        """Return a field for the argument or option `name` of a verb.

        Args:
            verb: the verb's words.
            name: the argument or option, also the key of the field unless `key` is given.
            label: the text in front of the field.
            value: the text to begin with.
            hint: the help text; that of the argument if empty.
            key: the key of the field, if the form has two fields of that name.
            required: whether the field must not be empty.
            offered: the choices, if the type does not have fixed ones.
        """
        found = BY_WORDS[tuple(verb.split())].parameter(name)
        assert found is not None and found.type is not None, (verb, name)
        return cls(
            key or name,
            label,
            value,
            hint or found.about,
            found.type,
            many=found.many or found.type is ArgumentType.CMD,
            required=required,
            choices=offered or choices(found.type),
            secret=found.type is ArgumentType.AUTH,
        )

    def failure(self, text: str) -> Failure | None:
        """Return what is wrong with a text by the rules of the field alone."""
        if not text.strip():
            return Failure(f"{self.label.strip().lower()} is required") if self.required else None
        try:
            words = [word.text for word in tokenize(text)] if self.many else [text.strip()]
            for each in words:
                if self.type is not None:
                    convert(self.type, each)
        except TokenError as error:
            return Failure(error.message, hint=error.hint)
        except ValidationError as error:
            return Failure(error.message, hint=error.hint)
        return None


def split(text: str) -> tuple[str, ...]:
    """Return the words of a field that holds several, or the whole text if its quotes are open."""
    try:
        return tuple(word.text for word in tokenize(text))
    except TokenError:
        return (text,)


def joined(words: Sequence[str]) -> str:
    """Return words as the text of a field that holds several."""
    return join(words)


@dataclass(frozen=True, slots=True)
class FormCall:
    """A call that a form makes: a verb, its values, and the field of each argument.

    `fields` maps an argument to the key of its field where the two differ, or to a function that
    chooses the field by the failure.
    """

    verb: str
    values: Mapping[str, object]
    fields: Mapping[str, str | Callable[[Failure], str]] = field(default_factory=dict)

    def field_of(self, failure: Failure) -> str:
        """Return the key of the field that a failure is about."""
        found = self.fields.get(failure.argument, failure.argument)
        return found if isinstance(found, str) else found(failure)


class FieldInput(Input):
    """The input of a field. A paste becomes one line of printable characters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Previous", show=False, id="field-before"),
        Binding("down", "step(1)", "Next", show=False, id="field-after"),
        Binding("enter", "submit", "Apply", key_display="enter", id="form-apply"),
    ]

    class Stepped(Message):
        """The user pressed up or down."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, value: str, *, password: bool) -> None:
        super().__init__(
            value, password=password, max_length=MAX_INPUT, compact=True, select_on_focus=False
        )

    def action_step(self, by: int) -> None:
        """Step through the choices, or to another field."""
        self.post_message(self.Stepped(by))

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        text = to_one_line(event.text)
        if text:
            self.replace(text, *self.selection)


def to_one_line(text: str) -> str:
    """Return pasted text as one printable line, no longer than an input may be.

    A backslash at the end of a line joins it with the next one, as in a shell.
    """
    text = text.rstrip("\r\n")[: 4 * MAX_INPUT].replace("\\\r\n", " ").replace("\\\n", " ")
    plain = "".join(char if char.isprintable() else " " for char in text)
    return (plain.lstrip() if plain.strip() else "")[:MAX_INPUT]


class FieldRow(Vertical):
    """A field with its label, and a hint or an error below.

    Args:
        field: what to ask for.
        dense: show the line below only while there is an error.
    """

    def __init__(self, field: FormField, *, dense: bool) -> None:
        super().__init__(classes="field -dense" if dense else "field")
        self.field = field
        self._error = ""

    def compose(self) -> ComposeResult:
        field = self.field
        with Horizontal(classes="line"):
            yield Label(Content(field.label), classes="label")
            yield FieldInput(field.value, password=field.secret)
        yield Static(Content(field.hint), classes="below")

    @property
    def input(self) -> FieldInput:
        return self.query_one(FieldInput)

    @property
    def text(self) -> str:
        """Return the text without surrounding spaces."""
        return self.input.value.strip()

    def put(self, text: str) -> None:
        """Replace the text."""
        self.input.value = text[:MAX_INPUT]
        self.input.cursor_position = len(self.input.value)

    def show_inferred(self, text: str) -> None:
        """Show what an empty field stands for."""
        self.input.placeholder = escape(text)

    def show_error(self, failure: Failure | None) -> None:
        """Show what is wrong below the field, or the hint again."""
        text = ""
        if failure is not None:
            text = escape(failure.message)
            longer = f"{text}; {escape(failure.hint)}"
            if failure.hint and len(longer) <= self.query_one(".below").size.width:
                text = longer
        if text != self._error:
            self._error = text
            self.set_class(bool(text), "-wrong")
            self.query_one(".below", Static).update(Content(text or self.field.hint))


_LOOKING_UP = ("preview", "completion", "suggestions")
"""The groups of workers that only show something in the form."""


class Form(ModalScreen[Outcome | None]):
    """Asks for values and makes calls from them; the result is the outcome, None for Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # With priority, before the field: what is typed next belongs to the next field.
        Binding("tab", "step(1)", "Next", key_display="tab", priority=True, id="form-next"),
        Binding("shift+tab", "step(-1)", "Previous", show=False, priority=True, id="form-before"),
        Binding("escape", "cancel", "Cancel", key_display="esc", id="form-cancel"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]
    AUTO_FOCUS = ""
    heading = ""
    apply = "Apply"
    dense = False
    first = ""
    """The key of the field to focus first; the topmost if empty."""
    idle = ""
    """The text to show while there is no effect to show."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self._previewed: tuple[Sequence[Call], Preview] | None = None
        self._is_applying = False

    # -- for subclasses --------------------------------------------------------------------

    def fields(self) -> Sequence[FormField]:
        """Return the fields, from the top."""
        raise NotImplementedError

    def calls(self, values: Values) -> Sequence[FormCall]:
        """Return the calls that do what the form says; none while there is nothing to do."""
        raise NotImplementedError

    def idle_text(self) -> str:
        """Return the text to show while there is no effect to show."""
        return self.idle

    def show_preview(self, preview: Preview) -> None:
        """Show more of what the calls would do."""

    # -- its parts -------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form") as dialog:
            dialog.border_title = Content(escape(self.heading))
            with VerticalScroll(classes="fields", can_focus=False):
                for each in self.fields():
                    yield FieldRow(each, dense=self.dense)
            yield from self.compose_more()
            yield Static(classes="effect")
            yield KeyBar({"form-apply": self.apply})

    def compose_more(self) -> ComposeResult:
        """Yield what goes below the fields."""
        return ()

    def on_mount(self) -> None:
        self._fit()
        self.set_focus(self.row(self.first or self.rows[0].field.key).input)
        self.refresh_preview()

    def on_resize(self, event: events.Resize) -> None:
        self._fit()

    def _fit(self) -> None:
        """Let the fields scroll if they do not fit."""
        short = self.size.height < 17
        # The border, its padding, the effect and the keys.
        others = 2 + 1 + 1 if short else 2 + 1 + 4 + 2
        self.fit(max(2, int(self.size.height * _MAX_HEIGHT) - others))

    def fit(self, room: int) -> None:
        """Share `room` lines between the fields and what is below them."""
        self.query_one(".fields").styles.max_height = room

    @property
    def rows(self) -> list[FieldRow]:
        return list(self.query(FieldRow))

    def row(self, key: str) -> FieldRow:
        """Return the row of a field."""
        return next(row for row in self.rows if row.field.key == key)

    @property
    def values(self) -> dict[str, str]:
        """Return the texts by the keys of their fields."""
        return {row.field.key: row.text for row in self.rows}

    # -- input -----------------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.refresh_preview()

    @on(FieldInput.Stepped)
    def _stepped(self, event: FieldInput.Stepped) -> None:
        event.stop()
        row = self.current
        if row is None or not self.step_choice(row, event.by):
            self.action_step(event.by)

    @property
    def current(self) -> FieldRow | None:
        """Return the row whose field has the focus."""
        return next((row for row in self.rows if row.input is self.focused), None)

    def step_choice(self, row: FieldRow, by: int) -> bool:
        """Step through the choices of a field; return False if it has none."""
        offered = row.field.choices
        if not offered:
            return False
        at = offered.index(row.text) + by if row.text in offered else (0 if by > 0 else -1)
        row.put(offered[at % len(offered)])
        return True

    def action_step(self, by: int) -> None:
        """Go to the field below or above."""
        rows, current = self.rows, self.current
        at = rows.index(current) if current is not None else 0
        # At once: the next key is for that field.
        self.set_focus(rows[(at + by) % len(rows)].input)

    # -- preview ---------------------------------------------------------------------------

    @work(exclusive=True, group="preview")
    async def refresh_preview(self) -> None:
        """Show what the form would do now."""
        await self._preview()

    async def _preview(self) -> Sequence[Call]:
        """Show what the form would do; return its calls, or none if something is wrong."""
        errors = dict(self._field_failures())
        preview = Preview()
        calls: list[Call] = []
        if not errors:
            made = self.calls(self.values)
            at = 0
            try:
                for at, each in enumerate(made):  # noqa: B007  # also used below
                    calls.append(Call.build(each.verb, each.values))
            except CallError as error:
                preview = Preview(failure=error.failure, at=at)
            else:
                preview = await self.client.preview(calls) if calls else preview
            if preview.failure is not None:
                errors[made[preview.at].field_of(preview.failure)] = preview.failure
        for row in self.rows:
            row.show_error(errors.get(row.field.key) if self._may_blame(row) else None)
        self._previewed = (calls, preview) if calls and not errors else None
        self._show_effect(calls, preview, errors)
        self.show_preview(preview)
        return calls if self._previewed else ()

    def _field_failures(self) -> Iterator[tuple[str, Failure]]:
        for row in self.rows:
            failure = row.field.failure(row.text)
            if failure is not None:
                yield row.field.key, failure

    def _may_blame(self, row: FieldRow) -> bool:
        """Return whether to show errors: an empty field is not wrong until the user applies."""
        return bool(row.text) or self._is_applying

    def _show_effect(
        self, calls: Sequence[Call], preview: Preview, errors: Mapping[str, Failure]
    ) -> None:
        view = self.query_one(".effect", Static)
        if not calls:
            view.update(Content.styled(self.idle_text(), "$foreground-muted"))
            return
        lines = "; ".join(call.line(redact=True) for call in calls)
        command = Content.styled(f":{escape(lines)}", "$foreground-muted")
        keys = {row.field.key for row in self.rows}
        other = next((errors[key] for key in errors if key not in keys), None)
        if other is not None:
            effect = Content.styled(f"✗ {escape(other.message)}", "$text-error")
        elif errors:
            effect = Content("")
        elif not preview.changes:
            effect = Content.styled("This changes nothing.", "$foreground-muted")
        else:
            effect = _effect(preview)
        view.update(Content("\n").join([command, effect]))

    # -- the end ---------------------------------------------------------------------------

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_apply()

    @work(exclusive=True, group="apply")
    async def action_apply(self) -> None:
        """Do what the form shows; if it would now cut other streams, show that first."""
        self._is_applying = True
        shown = self._previewed
        calls = await self._preview()
        if self._previewed is None:
            self._focus_error()
            return
        cuts = self._previewed[1].cuts
        if not cuts or (shown is not None and shown[0] == calls and shown[1].cuts == cuts):
            self._finish(await self.client.apply(calls))

    def _finish(self, outcome: Outcome) -> None:
        if outcome.failure is None:
            self.dismiss(outcome)
            return
        text = f"✗ {escape(outcome.failure.message)}"
        self.query_one(".effect", Static).update(Content.styled(text, "$text-error"))

    def _focus_error(self) -> None:
        wrong = next((row for row in self.rows if row.has_class("-wrong")), None)
        if wrong is not None:
            wrong.input.focus()

    def action_cancel(self) -> None:
        """Close the form without doing anything."""
        self.dismiss(None)

    def dismiss(self, result: Outcome | None = None) -> AwaitComplete:
        """Close the form with its result."""
        # What still looks something up would come back to a form without fields.
        for group in _LOOKING_UP:
            self.workers.cancel_group(self, group)
        return super().dismiss(result)


def _effect(preview: Preview) -> Content:
    """Return what calls would do, and the streams that they would cut."""
    effect = Content.styled(f"✓ {escape('; '.join(preview.messages))}", "$text-success")
    if not preview.cuts:
        return effect
    shown = ", ".join(f"{number}" for number in preview.cuts[:8])
    more = ", ..." if len(preview.cuts) > 8 else ""
    many = count(len(preview.cuts), "stream")
    cut = Content.styled(f"! This cuts {many}: {shown}{more}", "$text-warning")
    return Content("\n").join([effect, cut])
