"""What the app and the other side, where the mesh is, need of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from norouter_core.commands.call import Call
from norouter_core.commands.parser import ParseError, parse
from norouter_core.commands.results import Completion, Emit, Failure, Outcome
from norouter_core.session.client import Preview


class Screen(Protocol):
    """Who is told: the app. Called in its own loop."""

    def post_message(self, message: Any) -> bool: ...


class Backend(Protocol):
    """What the app needs of the other side."""

    def start(self, screen: Screen) -> None: ...

    def refresh_every(self, seconds: float) -> None:
        """How often snapshots are to come; called before `start`."""

    async def run(self, line: str, emit: Emit, *, confirmed: bool = False) -> Outcome: ...

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]: ...

    async def foresee(self, lines: Sequence[str]) -> Preview:
        """What lines would change, and cut; changes nothing."""
        ...

    async def change(self, lines: Sequence[str]) -> Outcome:
        """Runs lines as one change, without a question."""
        ...

    async def hosts_to_add(self) -> Sequence[tuple[str, str]]:
        """Exec commands that could be hosts, with a few words on each; may take seconds."""
        ...

    def leave(self) -> None: ...

    def kill_now(self) -> None: ...


def parsed(lines: Sequence[str]) -> tuple[list[Call], Failure | None]:
    """Return the calls that lines are, up to the first that is none, and why it is none."""
    calls: list[Call] = []
    for line in lines:
        try:
            found = parse(line)
        except ParseError as error:
            return calls, error.failure
        if found is not None:
            calls.append(found.call)
    return calls, None


def column_of(line: str, failure: Failure) -> int:
    """Return the 1-based column of a line that a failure blames; 0 for none."""
    try:
        found = parse(line)
    except ParseError as error:
        return error.column
    return found.column_of(failure) if found is not None else 0
