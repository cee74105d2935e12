"""What a command gives back: values that every face can show, and that JSON can carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Unit(StrEnum):
    """What the values of a column are; faces format them alike (`norouter_tui.output.units`)."""

    TEXT = "text"
    NUMBER = "number"
    BYTES = "bytes"
    RATE = "rate"
    """Bytes per second."""
    SECONDS = "seconds"
    """A length of time."""
    STATE = "state"
    """A word of `HostState`, `ListenerState` or `StreamState`."""


@dataclass(frozen=True, slots=True)
class Column:
    """`key` is that of the rows and of JSON, `title` what a person reads."""

    key: str
    title: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True, slots=True)
class Lines:
    """Text for a person, one or more lines, without a final newline."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain JSON values by column key; keys without a column are for `--json` alone."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """A unified diff of manifests; empty where nothing differs."""

    text: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """Raw bytes as they came: of a tapped stream (`source`: `sent` or `received`) or of a command
    that was run on a host (`stdout` or `stderr`)."""

    source: str
    data: bytes
    skipped: int = 0
    """How many bytes came before these and are lost: the reader was slower than they came."""


Output = Lines | Table | Diff | Bytes
Emit = Callable[[Output], None]
"""Takes each output as it comes; must not block."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command was not done.

    `argument` names the argument or option to blame, `index` which of its values; it is empty
    if none is. Only what parsed a text knows columns: see `ParsedLine.column_of`. `hint` says what
    to do, and may be empty.
    """

    message: str
    argument: str = ""
    index: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Asked before something that would cut streams or lose work. Nothing has been done yet; the
    same call with `confirmed` does it."""

    text: str
    diff: str = ""
    cuts: tuple[int, ...] = ()
    """The streams that would be cut, by id."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: exactly one of done, failed, asking. `message` is one line for a person
    and may be empty; `changed`: the spec is another now; `ended`: the session is to end."""

    message: str = ""
    failure: Failure | None = None
    question: Question | None = None
    changed: bool = False
    ended: bool = False
    status: int = 0
    """An exit status, of `exec` that of the command it ran; 0 where all is well."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What a script may want to know of it, as JSON values: the name of a new host, say."""

    @property
    def ok(self) -> bool:
        return self.failure is None and self.question is None


def failed(message: str, hint: str = "", argument: str = "", index: int = 0) -> Outcome:
    """Return the outcome of a command that failed; the arguments are those of `Failure`."""
    return Outcome(failure=Failure(message, argument, index, hint))


@dataclass(frozen=True, slots=True)
class Completion:
    """`text` replaces what stands from index `start` of the line to the cursor."""

    text: str
    start: int
    about: str = ""
    """A few words to show beside it."""
