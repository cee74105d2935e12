"""The app without a mesh behind it: it shows fixed snapshots, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from norouter_core.commands.outcome import Completion, Emit, Outcome, Output

Answer = Callable[[str, bool], tuple[Outcome, Sequence[Output]]]


class StillBackend:
    """A `Backend` that says what the test says; it remembers the lines that were run."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.ran: list[str] = []
        self.confirmed: list[str] = []
        self.left = 0
        self.killed = 0
        self.completions: Sequence[Completion] = ()
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

    def leave(self) -> None:
        self.left += 1

    def kill_now(self) -> None:
        self.killed += 1
