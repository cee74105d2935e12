"""The app without a mesh behind it: it shows fixed snapshots, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from norouter_core.commands.results import Completion, Emit, Outcome, Output
from norouter_core.model import MeshSpec
from norouter_core.session.client import Preview
from norouter_core.session.session import preview
from norouter_tui.screen.backend import parsed
from tests.tui import snapshots

Answer = Callable[[str, bool], tuple[Outcome, Sequence[Output]]]


class StillBackend:
    """A `Backend` that says what the test says; it remembers the lines that were run."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.ran: list[str] = []
        self.confirmed: list[str] = []
        self.left = 0
        self.killed = 0
        self.completions: Sequence[Completion] = ()
        self.spec: MeshSpec = snapshots.spec()
        self.cuts: tuple[int, ...] = ()
        self.known: Sequence[tuple[str, str]] = ()
        self.changed: list[tuple[str, ...]] = []
        self._answer = answer

    def start(self, screen: Any) -> None:
        """Nothing comes by itself."""

    def refresh_every(self, seconds: float) -> None:
        """Nothing is refreshed."""

    async def run(self, line: str, emit: Emit, *, confirmed: bool = False) -> Outcome:
        self.ran.append(line)
        if confirmed:
            self.confirmed.append(line)
        if self._answer is None:
            return Outcome()
        outcome, outputs = self._answer(line, confirmed)
        for output in outputs:
            emit(output)
        return outcome

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]:
        return self.completions

    async def foresee(self, lines: Sequence[str]) -> Preview:
        calls, failure = parsed(lines)
        seen = preview(self.spec, calls, lambda spec: self.cuts)
        if failure is not None and seen.failure is None:
            return Preview(failure=failure, at=len(calls))
        return seen

    async def change(self, lines: Sequence[str]) -> Outcome:
        self.changed.append(tuple(lines))
        seen = preview(self.spec, parsed(lines)[0], lambda spec: ())
        return Outcome("; ".join(seen.messages), seen.failure, changed=True, data=seen.data)

    async def hosts_to_add(self) -> Sequence[tuple[str, str]]:
        return self.known

    def leave(self) -> None:
        self.left += 1

    def kill_now(self) -> None:
        self.killed += 1
