"""The messages of a control socket: JSON lines, and the values in them."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from norouter_core.commands.results import Bytes, Completion, Diff, Lines, Outcome, Output, Table
from norouter_core.engine import events
from norouter_core.engine.events import Event
from norouter_core.engine.status import Status
from norouter_core.errors import NorouterError
from norouter_core.model import MeshSpec
from norouter_core.session.client import DocumentState, Preview, Snapshot, Summary
from norouter_core.session.snapshots import MeshRates

T = TypeVar("T")
Json = dict[str, Any]


class DecodeError(NorouterError, ValueError):
    """A JSON value that does not have the expected shape; the message says where."""


# -- the values in the messages ------------------------------------------------------------------


def output_to_json(output: Output) -> Json:
    """Return an output under its kind: `{"table": {...}}`, say; bytes in base64."""
    if isinstance(output, Bytes):
        return {
            "bytes": {
                "source": output.source,
                "base64": base64.b64encode(output.data).decode("ascii"),
                "skipped": output.skipped,
            }
        }
    return {type(output).__name__.lower(): to_json(output)}


def output_from_json(value: object) -> Output:
    """The reverse of `output_to_json`.

    Raises:
        DecodeError: It is malformed.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise DecodeError("an output is not an object with one key")
    ((kind, content),) = value.items()
    if kind == "bytes":
        return _bytes(content)
    if kind not in _OUTPUTS:
        raise DecodeError(f"unknown kind of output: {kind!r}")
    output: Output = from_json(_OUTPUTS[kind], content)
    return output


_OUTPUTS: dict[str, type] = {"lines": Lines, "table": Table, "diff": Diff}


def _bytes(value: object) -> Bytes:
    if not isinstance(value, dict) or not isinstance(value.get("base64"), str):
        raise DecodeError("bytes without their base64")
    try:
        data = base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"bytes that are not base64: {error}") from None
    source = _checked(str, value.get("source"), "bytes.source")
    return Bytes(source, data, _checked(int, value.get("skipped", 0), "bytes.skipped"))


def outcome_from_json(value: object) -> Outcome:
    """Raises:
    DecodeError: It is malformed.
    """
    return from_json(Outcome, value)


def summary_from_json(value: object) -> Summary:
    """Raises:
    DecodeError: It is malformed.
    """
    return from_json(Summary, value)


def completions_from_json(value: object) -> tuple[Completion, ...]:
    """Raises:
    DecodeError: It is malformed.
    """
    if not isinstance(value, list):
        raise DecodeError("the completions are not a list")
    return tuple(from_json(Completion, item) for item in value)


def event_from_json(value: object) -> Event | None:
    """The reverse of `Event.to_json`; returns None for an event that this version does not know.

    Raises:
        DecodeError: It is malformed.
    """
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise DecodeError("an event without its kind")
    kind = _events().get(value["event"])
    if kind is None:
        return None
    return from_json(kind, {key: each for key, each in value.items() if key != "event"})


@cache
def _events() -> dict[str, type[Event]]:
    found = (value for value in vars(events).values() if isinstance(value, type))
    return {each.kind: each for each in found if issubclass(each, Event) and each is not Event}


def preview_from_json(value: object) -> Preview:
    """Raises:
    DecodeError: It is malformed.
    """
    return from_json(Preview, value)


def found_hosts_from_json(value: object) -> tuple[tuple[str, str], ...]:
    """Raises:
    DecodeError: It is not a list of pairs.
    """
    pairs = _checked(tuple[tuple[str, ...], ...], value, "hosts")
    if any(len(pair) != 2 for pair in pairs):
        raise DecodeError("hosts[] is not a pair")
    return tuple((command, about) for command, about in pairs)


class SnapshotEncoder:
    """Turns the snapshots that one client follows into JSON.

    A spec is sent when it is another one than before. Rates are not sent: they follow from the
    counters.
    """

    def __init__(self) -> None:
        self._spec: MeshSpec | None = None

    def encode(self, snapshot: Snapshot) -> Json:
        value: Json = {
            "at": snapshot.at,
            "status": to_json(snapshot.status),
            "document": to_json(snapshot.document),
            "traffic": list(snapshot.traffic),
        }
        if snapshot.spec != self._spec:
            self._spec = snapshot.spec
            value["spec"] = to_json(snapshot.spec)
        return value


class SnapshotDecoder:
    """The reverse of `SnapshotEncoder`, for the snapshots of one subscription."""

    def __init__(self) -> None:
        self._spec: MeshSpec | None = None
        self._rates = MeshRates()
        self._at = 0.0

    def decode(self, value: object) -> Snapshot:
        """Raises:
        DecodeError: It is not a snapshot.
        """
        found = from_json(_SnapshotData, value)
        self._spec = found.spec or self._spec
        if self._spec is None or len(found.traffic) != 2:
            raise DecodeError("a snapshot without its spec or traffic")
        traffic = (found.traffic[0], found.traffic[1])
        self._rates.update(found.status, traffic, found.at - self._at)
        self._at = found.at
        return Snapshot(
            at=found.at,
            status=found.status,
            spec=self._spec,
            document=found.document,
            traffic=traffic,
            hosts=self._rates.hosts,
            streams=self._rates.streams,
            total=self._rates.total,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _SnapshotData:
    at: float
    status: Status
    document: DocumentState
    traffic: tuple[int, ...]
    spec: MeshSpec | None = None


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


# -- dataclasses in general --------------------------------------------------------------------


def to_json(value: Any) -> Any:
    """Return a value made of dataclasses, mappings, sequences and plain values as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in _fields(type(value))}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | frozenset | set):
        return [to_json(each) for each in value]
    return value


def from_json(kind: type[T], value: object) -> T:
    """Return the dataclass of that kind.

    Unknown keys are ignored and missing ones have their defaults, so that versions that differ a
    little understand each other.

    Raises:
        DecodeError: A value is of another type, or one without a default is missing.
    """
    result: T = _dataclass(kind, value, kind.__name__)
    return result


def _dataclass(kind: type, value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise DecodeError(f"{where} is not an object")
    hints = _hints(kind)
    known = {
        each.name: _checked(hints[each.name], value[each.name], f"{where}.{each.name}")
        for each in _fields(kind)
        if each.name in value
    }
    try:
        return kind(**known)
    except TypeError as error:
        raise DecodeError(f"{where}: {error}") from None


def _checked(hint: Any, value: Any, where: str) -> Any:
    """Return the value as one of that type."""
    if hint is Any:
        return value
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _one_of(inner, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise DecodeError(f"{where} is not a list")
        return tuple(_checked(inner[0], each, f"{where}[]") for each in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise DecodeError(f"{where} is not an object")
        return {key: _checked(inner[1], each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, where)
    return _plain(hint, value, where)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return the value as one of a union's types, of which a list can be one only."""
    if value is None and types.NoneType in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
    lists = [kind for kind in kinds if typing.get_origin(kind) is tuple]
    found = lists if isinstance(value, list) and lists else [k for k in kinds if k not in lists]
    return _checked((found or lists)[0], value, where)


def _plain(kind: type, value: Any, where: str) -> Any:
    if issubclass(kind, StrEnum):
        try:
            return kind(value)
        except ValueError:
            raise DecodeError(f"{where} is not a {kind.__name__}") from None
    if kind is float and type(value) is int and abs(value) < 2**1000:
        return float(value)
    # A `bool` is an `int` in Python; here it is a mistake.
    if type(value) is not kind:
        raise DecodeError(f"{where} is not of type {kind.__name__}")
    return value


_fields = cache(dataclasses.fields)
_hints = cache(typing.get_type_hints)
