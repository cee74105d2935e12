"""The messages of a control socket: JSON lines, and the values in them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec

from norouter_core.commands.results import Bytes, Diff, Lines, Output, Table
from norouter_core.engine import events
from norouter_core.engine.events import Event
from norouter_core.errors import NorouterError

T = TypeVar("T")
Json = dict[str, Any]


class DecodeError(NorouterError, ValueError):
    """A JSON value that does not have the expected shape; the message says where."""


# -- the values in the messages ------------------------------------------------------------------


def to_json(value: object) -> Any:
    """Return a value made of dataclasses, mappings, sequences and plain values as JSON values."""
    return msgspec.to_builtins(value)


def from_json(kind: type[T], value: object) -> T:
    """Return the value of that type that `to_json` wrote.

    Unknown keys are ignored and missing ones have their defaults, so that versions that differ a
    little understand each other.

    Raises:
        DecodeError: A value is of another type, or one without a default is missing.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeError) as error:
        # UnicodeError: a key with half of a surrogate pair.
        raise DecodeError(f"{kind.__name__}: {error}") from None


def output_to_json(output: Output) -> Json:
    """Return an output under its kind: `{"table": {...}}`, say; bytes in base64."""
    if isinstance(output, Bytes):
        text = base64.b64encode(output.data).decode("ascii")
        return {"bytes": to_json(_BytesData(output.source, text, output.skipped))}
    return {type(output).__name__.lower(): to_json(output)}


def output_from_json(value: object) -> Output:
    """Return the output that `output_to_json` wrote.

    Raises:
        DecodeError: It is malformed.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise DecodeError("an output is not an object with one key")
    ((kind, content),) = value.items()
    if kind == "bytes":
        found = from_json(_BytesData, content)
        try:
            data = base64.b64decode(found.base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise DecodeError(f"bytes that are not base64: {error}") from None
        return Bytes(found.source, data, found.skipped)
    if kind not in _OUTPUTS:
        raise DecodeError(f"unknown kind of output: {kind!r}")
    output: Output = from_json(_OUTPUTS[kind], content)
    return output


_OUTPUTS: dict[str, type] = {"lines": Lines, "table": Table, "diff": Diff}


@dataclass(frozen=True, slots=True)
class _BytesData:
    source: str
    base64: str
    skipped: int = 0


def event_from_json(value: object) -> Event | None:
    """Return the event that `Event.to_json` wrote; None for one that this version does not know.

    Raises:
        DecodeError: It is malformed.
    """
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise DecodeError("an event without its kind")
    kind = _events().get(value["event"])
    return None if kind is None else from_json(kind, value)


@cache
def _events() -> dict[str, type[Event]]:
    found = (value for value in vars(events).values() if isinstance(value, type))
    return {each.kind: each for each in found if issubclass(each, Event) and each is not Event}


# -- lines -------------------------------------------------------------------------------------

MAX_LINE = 1 << 20
"""Bytes in the line of a request, including its newline."""
MAX_ANSWER = 16 << 20
"""Bytes in a line of the server; a table of 16,000 streams has about five million."""


class LineTooLong(NorouterError, ValueError):
    """A line over the limit. Where the next one begins is unknown."""


class LineBuffer:
    """Cuts bytes into lines."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        self._data += data

    def next(self) -> bytes | None:
        """Return the next whole line without its newline; None until there is one.

        Raises:
            LineTooLong: It has more bytes than the limit.
        """
        at = self._data.find(b"\n", self._searched)
        if (len(self._data) if at < 0 else at + 1) > self._limit:
            raise LineTooLong(f"a line of more than {self._limit} bytes")
        if at < 0:
            self._searched = len(self._data)
            return None
        line = bytes(self._data[:at])
        del self._data[: at + 1]
        self._searched = 0
        return line


def encode(value: Any) -> bytes:
    """Return a value as one line of ASCII, which no terminal or log can misread."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Json:
    """Return the object in a line.

    Raises:
        DecodeError: It is not a JSON object.
    """
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError is a ValueError, as is the error for a number with too many digits.
        raise DecodeError(f"not JSON: {str(error) or 'nested too deeply'}"[:200]) from None
    if not isinstance(value, dict):
        raise DecodeError("not a JSON object")
    return value
