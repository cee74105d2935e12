"""What a client of a control socket may ask for (docs/control.md)."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.control.codec import Json, Malformed

Id = int | str
_LONGEST_ID = 100
_MOST = 2**53
"""What every JSON reader holds exactly."""


@dataclass(frozen=True, slots=True)
class Run:
    id: Id
    line: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Complete:
    id: Id
    line: str
    cursor: int


@dataclass(frozen=True, slots=True)
class Summarise:
    id: Id


@dataclass(frozen=True, slots=True)
class Follow:
    id: Id
    streams: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    id: Id
    """Of the request to be ended."""


Request = Run | Complete | Summarise | Follow
_KINDS = ("run", "complete", "summary", "events", "cancel")


def parse(value: Json) -> Request | Cancel:
    """
    Raises:
        Malformed: it is no request.
    """
    kinds = [kind for kind in _KINDS if kind in value]
    if len(kinds) != 1:
        raise Malformed(f"a request has one of {', '.join(_KINDS)}; this one has {len(kinds)}")
    if kinds == ["cancel"]:
        return Cancel(_id(value.get("cancel")))
    number = _id(value.get("id"))
    match kinds[0]:
        case "run":
            return Run(number, _text(value, "run"), _flag(value, "confirmed"))
        case "complete":
            line = _text(value, "complete")
            return Complete(number, line, _cursor(value.get("cursor", len(line)), len(line)))
        case "summary":
            return Summarise(number)
        case _:
            return Follow(number, _flag(value, "streams"))


def id_of(value: Json) -> Id | None:
    """The id of what may be no request, to answer it by."""
    try:
        return _id(value.get("id"))
    except Malformed:
        return None


def _id(value: object) -> Id:
    if type(value) is int and abs(value) <= _MOST:
        return value
    if isinstance(value, str) and len(value) <= _LONGEST_ID:
        return value
    raise Malformed("an id is a whole number, or a text of at most 100 characters")


def _text(value: Json, key: str) -> str:
    text = value[key]
    if not isinstance(text, str):
        raise Malformed(f"'{key}' is not text")
    return text


def _flag(value: Json, key: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise Malformed(f"'{key}' is neither true nor false")
    return flag


def _cursor(value: object, length: int) -> int:
    if type(value) is not int or not 0 <= value <= length:
        raise Malformed("'cursor' is not a place in the line")
    return value
