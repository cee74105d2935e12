"""What a fuzz target is, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MAX_SINGLES = 400
"""Bytes that a parser is fed one by one, which says most and takes longest."""
Check = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"

Shape = tuple[bytes, bytes, bytes]
"""What comes before a piece that repeats, the piece, and what comes after."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser and what must hold for any input.

    `refusals` are the exceptions with which the parser may refuse an input; anything else that
    `check` raises is a find. Inputs grown from `shapes` must take time that is linear in their
    size; `max_growth` is the largest that the parser accepts.
    """

    name: str
    check: Check
    refusals: tuple[type[Exception], ...] = ()
    shapes: tuple[Shape, ...] = ()
    max_growth: int = 1 << 16

    def run(self, data: bytes) -> None:
        """Check one input."""
        try:
            self.check(data)
        except self.refusals:
            pass

    @property
    def corpus(self) -> Path:
        return CORPUS / self.name

    def inputs(self) -> list[Path]:
        """Return the files of the corpus, in the order of their names."""
        return sorted(self.corpus.iterdir())


TARGETS: dict[str, Target] = {}


def target(
    name: str, *refusals: type[Exception], shapes: Iterable[Shape] = (), max_growth: int = 1 << 16
) -> Callable[[Check], Check]:
    """Register the decorated function."""

    def register(check: Check) -> Check:
        assert name not in TARGETS
        TARGETS[name] = Target(name, check, refusals, tuple(shapes), max_growth)
        return check

    return register


def outcome(call: Callable[[], T], *refusals: type[Exception]) -> T | str:
    """Return what a call returns, or the text of its refusal."""
    try:
        return call()
    except refusals as error:
        return f"{type(error).__name__}: {error}"


def bytewise(data: bytes) -> list[bytes]:
    """Return the first bytes one by one, and what is left in a piece."""
    singles = [data[at : at + 1] for at in range(min(len(data), MAX_SINGLES))]
    return [*singles, data[MAX_SINGLES:]] if len(data) > MAX_SINGLES else singles


def text_of(data: bytes) -> str:
    """Return any bytes as text; those that are not UTF-8 become halves of surrogate pairs."""
    return data.decode("utf-8", "surrogateescape")
