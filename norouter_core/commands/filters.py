"""Typed filters over streams: `host:db bytes>1M age<10s state:open target:5432 by:http text`.

Every term must hold. A term is `FIELD:VALUE`, `FIELD>VALUE` (also `<`, `>=`, `<=`, `=`), or a text
that some column contains; `!` in front negates it. In a text value, `*` matches any characters and
`?` any one.
"""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol

from norouter_core.commands.tokenizer import TokenError, tokenize
from norouter_core.commands.units import parse_size, parse_span
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.values import closest
from norouter_core.sanitize import quote


class StreamFacts(Protocol):
    """What a filter looks at; `norouter_core.engine.status.StreamStatus` says what it is."""

    @property
    def id(self) -> int: ...
    @property
    def from_host(self) -> str: ...
    @property
    def to_host(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def listener(self) -> str: ...
    @property
    def state(self) -> StrEnum: ...
    @property
    def service(self) -> str: ...
    @property
    def opened(self) -> float: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def bytes_received(self) -> int: ...


Subject = tuple[StreamFacts, float, float]
"""A stream, its bytes per second, and the time now."""
Test = Callable[[Subject], bool]

STATES = ("opening", "open", "half-closed", "closed")
ORIGINS = ("loopback", "http", "socks", "dns", "transparent")
_ORIGIN = {"port": "loopback"}

_TERM = re.compile(r"([A-Za-z_]+)(>=|<=|>|<|=|:)(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    ":": operator.eq,
}


@dataclass(frozen=True, slots=True)
class FilterField:
    """One field of a filter: `numbers`, which `parse` reads, or `texts`.

    `words` are all possible values, if those are known. With `within`, a part of the text matches.
    """

    about: str
    numbers: Callable[[Subject], float] | None = None
    parse: Callable[[str], float] = parse_size
    texts: Callable[[StreamFacts], tuple[str, ...]] | None = None
    words: tuple[str, ...] = ()
    within: bool = False


def origin(stream: StreamFacts) -> str:
    """Return how a stream came in, as in `by:`. A port at a VIP is `loopback`."""
    return _ORIGIN.get(stream.service, stream.service)


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _count(text: str) -> float:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValidationError(f"{quote(text)} is not a number", "write digits")
    return float(text)


FIELDS: dict[str, FilterField] = {
    "host": FilterField("either end's host", texts=lambda s: (s.from_host, s.to_host)),
    "from": FilterField("the client's host", texts=lambda s: (s.from_host,)),
    "to": FilterField("the target's host", texts=lambda s: (s.to_host,)),
    "target": FilterField(
        "the dialled address, or its port", texts=lambda s: (s.target, _port(s.target)), within=True
    ),
    "client": FilterField(
        "the client's address, or its port", texts=lambda s: (s.peer, _port(s.peer)), within=True
    ),
    "listener": FilterField(
        "the address it came in at",
        texts=lambda s: (s.listener, _port(s.listener)),
        within=True,
    ),
    "state": FilterField(
        "opening, open, half-closed", texts=lambda s: (s.state.value,), words=STATES
    ),
    "by": FilterField(
        "loopback, http, socks, dns or transparent",
        texts=lambda s: (origin(s),),
        words=ORIGINS,
    ),
    "id": FilterField("its number", numbers=lambda x: float(x[0].id), parse=_count),
    "bytes": FilterField(
        "bytes both ways", numbers=lambda x: x[0].bytes_sent + x[0].bytes_received
    ),
    "sent": FilterField("bytes to the target", numbers=lambda x: x[0].bytes_sent),
    "received": FilterField("bytes to the client", numbers=lambda x: x[0].bytes_received),
    "rate": FilterField(
        "bytes a second, both ways",
        numbers=lambda x: x[1],
        parse=lambda text: parse_size(text.removesuffix("/s")),
    ),
    "age": FilterField(
        "time since it opened", numbers=lambda x: max(0.0, x[2] - x[0].opened), parse=parse_span
    ),
}
"""Every field, by its name."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which streams to show; `terms` are the words that it was written in."""

    terms: tuple[str, ...] = ()
    tests: tuple[Test, ...] = field(default=(), compare=False)
    needs_rates: bool = False
    """Whether a term is about rates, which take a moment to measure."""

    @property
    def text(self) -> str:
        return " ".join(self.terms)

    def matches(self, stream: StreamFacts, rate: float = 0.0, now: float = 0.0) -> bool:
        """Return whether every term holds.

        Args:
            rate: The stream's bytes per second, both ways.
            now: Seconds since the epoch; 0 for this moment.
        """
        subject = (stream, rate, now or time.time())
        return all(test(subject) for test in self.tests)


ALL = Filter()


class FilterError(ValidationError):
    """A term that makes no sense: the index of the term, and where in it."""

    def __init__(self, message: str, hint: str = "", *, offset: int = 0, term: int = 0) -> None:
        super().__init__(message, hint)
        self.offset, self.term = offset, term


def parse(text: str) -> Filter:
    """Return the filter that a whole text is.

    Raises:
        TokenError: A term makes no sense; its index is where in the text.
    """
    words = tokenize(text)
    try:
        return build_filter([word.text for word in words])
    except FilterError as error:
        index = words[error.term].index(error.offset)
        raise TokenError(index, error.message, error.hint) from None


def build_filter(terms: Sequence[str]) -> Filter:
    """Return the filter of terms that must all hold.

    Raises:
        FilterError: A term makes no sense.
    """
    tests = []
    for at, term in enumerate(terms):
        try:
            tests.append(_test(term))
        except FilterError as error:
            error.term = at
            raise
    rates = any(re.match("!?rate[:<>=]", term, re.IGNORECASE) for term in terms)
    return Filter(tuple(terms), tuple(tests), rates)


def _test(term: str) -> Test:
    negated = term.startswith("!")
    text = term[negated:]
    if not text:
        raise FilterError("a term must follow the `!`", "for example !state:open")
    try:
        test = _term(text)
    except FilterError as error:
        error.offset += negated
        raise
    return (lambda subject: not test(subject)) if negated else test


def _term(text: str) -> Test:
    found = _TERM.fullmatch(text)
    if found is None:
        return _anywhere(text)
    name, sign, value = found.groups()
    field = FIELDS.get(name.lower())
    if field is None:
        if sign in ":=" and (value[:1] == ":" or value.isdecimal()):
            return _anywhere(text)  # an address: db:5432, fe80::1
        guess = closest(name, FIELDS)
        hint = f"did you mean {guess}?" if guess else f"fields: {', '.join(FIELDS)}"
        raise FilterError(f"streams have no field {quote(name)}", hint, offset=0)
    at = found.start(3)
    if not value:
        raise FilterError(f"{name} needs a value", f"{name}: {field.about}", offset=at)
    if field.numbers is not None:
        return _number_test(field.numbers, field.parse, sign, value, at)
    if sign not in ":=":
        hint = f"write {name}:{value}"
        raise FilterError(
            f"{name} is not a number: it has no {sign}",
            hint,
            offset=found.start(2),
        )
    return _text_test(name, field, value, at)


def _number_test(
    number: Callable[[Subject], float],
    parse: Callable[[str], float],
    sign: str,
    value: str,
    at: int,
) -> Test:
    # `bytes:>1M` is what fingers write.
    extra = re.match(">=|<=|>|<", value) if sign == ":" else None
    if extra:
        sign, value, at = extra[0], value[extra.end() :], at + extra.end()
    try:
        wanted = parse(value)
    except ValidationError as error:
        raise FilterError(error.message, error.hint, offset=at) from None
    compare = _COMPARE[sign]
    return lambda subject: compare(number(subject), wanted)


def _text_test(name: str, field: FilterField, value: str, at: int) -> Test:
    wanted, texts = value.casefold(), field.texts
    assert texts is not None
    wild = any(char in wanted for char in "*?")
    if field.words and not wild and wanted not in field.words:
        guess = closest(wanted, field.words)
        hint = f"did you mean {guess}?" if guess else f"write one of {', '.join(field.words)}"
        raise FilterError(f"{quote(value)} is not a possible {name}", hint, offset=at)
    pattern = re.sub(r"\[", "[[]", wanted)

    def test(subject: Subject) -> bool:
        for text in texts(subject[0]):
            folded = text.casefold()
            if fnmatchcase(folded, pattern) if wild else folded == wanted:
                return True
            # A bare number is a port, not a part of some address.
            if field.within and not wild and not wanted.isdecimal() and wanted in folded:
                return True
        return False

    return test


def _anywhere(text: str) -> Test:
    wanted = text.casefold()

    def test(subject: Subject) -> bool:
        s = subject[0]
        shown = (s.from_host, s.to_host, s.peer, s.target, s.listener, s.state.value, origin(s))
        return any(wanted in part.casefold() for part in shown)

    return test
