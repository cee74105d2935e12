"""What a client of a control socket may ask for (docs/control.md)."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.control.codec import DecodeError, Json

Id = int | str
_LONGEST_ID = 100
_MOST = 2**53
"""What every JSON reader holds exactly."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    id: Id
    line: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class CompleteRequest:
    id: Id
    line: str
    cursor: int


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    id: Id


@dataclass(frozen=True, slots=True)
class EventsRequest:
    id: Id
    streams: bool


@dataclass(frozen=True, slots=True)
class CancelRequest:
    id: Id
    """Of the request to be ended."""


Request = RunRequest | CompleteRequest | SummaryRequest | EventsRequest
_KINDS = ("run", "complete", "summary", "events", "cancel")


def parse(value: Json) -> Request | CancelRequest:
    """
    Raises:
        DecodeError: it is no request.
    """
    kinds = [kind for kind in _KINDS if kind in value]
    if len(kinds) != 1:
        raise DecodeError(f"a request has one of {', '.join(_KINDS)}; this one has {len(kinds)}")
    if kinds == ["cancel"]:
        return CancelRequest(_id(value.get("cancel")))
    number = _id(value.get("id"))
    match kinds[0]:
        case "run":
            return RunRequest(number, _text(value, "run"), _flag(value, "confirmed"))
        case "complete":
            line = _text(value, "complete")
            return CompleteRequest(number, line, _cursor(value.get("cursor", len(line)), len(line)))
        case "summary":
            return SummaryRequest(number)
        case _:
            return EventsRequest(number, _flag(value, "streams"))


def id_of(value: Json) -> Id | None:
    """The id of what may be no request, to answer it by."""
    try:
        return _id(value.get("id"))
    except DecodeError:
        return None


def _id(value: object) -> Id:
    if type(value) is int and abs(value) <= _MOST:
        return value
    if isinstance(value, str) and len(value) <= _LONGEST_ID:
        return value
    raise DecodeError("an id is a whole number, or a text of at most 100 characters")


def _text(value: Json, key: str) -> str:
    text = value[key]
    if not isinstance(text, str):
        raise DecodeError(f"'{key}' is not text")
    return text


def _flag(value: Json, key: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise DecodeError(f"'{key}' is neither true nor false")
    return flag


def _cursor(value: object, length: int) -> int:
    if type(value) is not int or not 0 <= value <= length:
        raise DecodeError("'cursor' is not a place in the line")
    return value
