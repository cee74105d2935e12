"""What commands return: values that every front end can show, and that JSON can carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Unit(StrEnum):
    """What the values of a column are, which decides how they are formatted."""

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
    """`key` is the key in rows and JSON, `title` is for people."""

    key: str
    title: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True, slots=True)
class Lines:
    """Text for a person, one or more lines, without a final newline."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain JSON values by key. Keys without a column are only for `--json`."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """A unified diff of manifests; empty if they are equal."""

    text: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of a tapped stream (`source` is `sent` or `received`), or of a command on a host
    (`stdout` or `stderr`).
    """

    source: str
    data: bytes
    skipped: int = 0
    """How many bytes are missing before these, because the reader was too slow."""


Output = Lines | Table | Diff | Bytes
Emit = Callable[[Output], None]
"""Takes an output; must not block."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command failed.

    `argument` names the argument or option to blame, `index` which of its values; it is empty
    if none is. Only what parsed a text knows columns: see `ParsedLine.column_of`. `hint` says what
    to do, and may be empty. If `host` is given, the message ends in the problem of that host.
    """

    message: str
    argument: str = ""
    index: int = 0
    hint: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask before a command cuts streams or loses work.

    Nothing has been done yet; the same call with `confirmed` does it.
    """

    text: str
    diff: str = ""
    cuts: tuple[int, ...] = ()
    """The streams that would be cut, by id."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: it was done, it failed, or it asks a question.

    `message` is one line for people, or empty. With `changed`, the spec has changed; with `ended`,
    the session ends.
    """

    message: str = ""
    failure: Failure | None = None
    question: Question | None = None
    changed: bool = False
    ended: bool = False
    status: int = 0
    """An exit status; for `exec`, that of its command."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Data for scripts as JSON values, such as the name of a new host."""

    @property
    def ok(self) -> bool:
        return self.failure is None and self.question is None


def failed(message: str, hint: str = "", argument: str = "", index: int = 0) -> Outcome:
    """Return the outcome of a command that failed; the arguments are those of `Failure`."""
    return Outcome(failure=Failure(message, argument, index, hint))


@dataclass(frozen=True, slots=True)
class Completion:
    """`text` replaces the line from index `start` to the cursor."""

    text: str
    start: int
    about: str = ""
    """A short description to show beside it."""
