"""What command lines would change, before and instead of one after the other: as one change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from norouter_core.commands.edits import EDITS, Edit
from norouter_core.commands.parser import Call, ParseError, parse
from norouter_core.commands.results import Failure, Outcome
from norouter_core.manifest.problems import ValidationError
from norouter_core.model import MeshSpec
from norouter_core.session.handlers.base import Request, refused

if TYPE_CHECKING:
    from norouter_core.session.session import Session

Cuts = Callable[[MeshSpec], tuple[int, ...]]
"""The streams that end when a spec is applied: `norouter_core.engine.Engine.cuts`."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What lines would do, each after those before it.

    `messages` and `data` are those of their outcomes, `cuts` the streams that would end. With a
    `failure` nothing can be done; `at` is the index of the line that is to blame.
    """

    messages: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()
    changes: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    at: int = 0


def preview(spec: MeshSpec, lines: Sequence[str], cuts: Cuts) -> Preview:
    """What lines of verbs that change the mesh would make of `spec`. Changes nothing."""
    made = Edit(spec, "")
    messages: list[str] = []
    data: dict[str, Any] = {}
    for at, line in enumerate(lines):
        try:
            call = _parsed(line)
            made = EDITS[call.verb.name](made.spec, call)
        except ParseError as unreadable:
            return Preview(failure=unreadable.failure, at=at)
        except ValidationError as refusal:
            return Preview(failure=refused(call, refusal).failure, at=at)
        messages.append(made.message)
        data |= made.data
    return Preview(tuple(messages), cuts(made.spec), made.spec != spec, data)


async def apply_lines(session: Session, lines: Sequence[str]) -> Outcome:
    """Does what the lines say as one change, which one `undo` takes back. Nobody is asked: what
    it cuts has been foreseen."""
    try:
        calls = [_parsed(line) for line in lines]
    except ParseError as unreadable:
        return Outcome(failure=unreadable.failure)
    request = Request(calls[-1], "; ".join(lines), lambda output: None, confirmed=True)
    return await session.change(request, partial(_together, calls))


def _parsed(line: str) -> Call:
    call = parse(line)
    if call is None or call.verb.name not in EDITS:
        raise ParseError(Failure("this changes nothing of the mesh"))
    return call


def _together(calls: Sequence[Call], spec: MeshSpec) -> Edit:
    """The calls one after the other, as one edit.

    Raises:
        ValidationError: one of them cannot be.
    """
    edits: list[Edit] = []
    for call in calls:
        edits.append(EDITS[call.verb.name](edits[-1].spec if edits else spec, call))
    hosts = dict.fromkeys(host for edit in edits for host in edit.hosts)
    data = {key: value for edit in edits for key, value in edit.data.items()}
    return Edit(edits[-1].spec, "; ".join(edit.message for edit in edits), tuple(hosts), data)
