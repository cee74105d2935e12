"""A client without a mesh: it answers what a test says, the same on every machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from norouter_core.commands.call import Call
from norouter_core.commands.results import Completion, Emit, Outcome, Output
from norouter_core.engine.events import Event
from norouter_core.model import MeshSpec
from norouter_core.prompts.prompt import Prompt
from norouter_core.session.client import DocumentState, Preview, Rate, Snapshot, Summary
from norouter_core.session.session import preview
from tests.tui import snapshots

Answer = Callable[[str, bool], tuple[Outcome, Sequence[Output]]]


class CannedClient:
    """A `Client` and `Lifecycle`; it remembers the lines of the calls that were run."""

    def __init__(self, answer: Answer | None = None, *, attached_to: str = "") -> None:
        self.ran: list[str] = []
        self.confirmed: list[str] = []
        self.left = 0
        self.killed = 0
        self.completions: Sequence[Completion] = ()
        self.spec: MeshSpec = snapshots.spec()
        self.cuts: tuple[int, ...] = ()
        self.hosts_found: asyncio.Event | None = None
        """When the look for hosts ends; at once if None."""
        self.known_hosts: Sequence[tuple[str, str]] = ()
        self.asked: tuple[Prompt, ...] = ()
        self.changed: list[tuple[str, ...]] = []
        self.attached_to = attached_to
        self._answer = answer

    def start(self, post: Any) -> None:
        """Report nothing: tests post snapshots and events themselves."""

    def leave(self) -> None:
        self.left += 1

    def kill_now(self) -> None:
        self.killed += 1

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        line = call.line()
        self.ran.append(line)
        if confirmed:
            self.confirmed.append(line)
        if self._answer is None:
            return Outcome()
        outcome, outputs = self._answer(line, confirmed)
        for output in outputs:
            emit(output)
        return outcome

    async def preview(self, calls: Sequence[Call]) -> Preview:
        return preview(self.spec, calls, lambda spec: self.cuts)

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        self.changed.append(tuple(call.line() for call in calls))
        seen = preview(self.spec, calls, lambda spec: ())
        return Outcome("; ".join(seen.messages), seen.failure, changed=True, data=seen.data)

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        return self.completions

    async def summary(self) -> Summary:
        return Summary(DocumentState(), 0, 0, 0, 0, Rate())

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        if self.hosts_found is not None:
            await self.hosts_found.wait()
        return self.known_hosts

    async def snapshots(self, interval: float = 1.0) -> AsyncIterator[Snapshot]:
        """Yield nothing."""
        return
        yield

    async def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        """Yield what is to be asked, which nobody answers."""
        if self.asked:
            yield self.asked
            await asyncio.Event().wait()

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        return False

    async def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        """Yield nothing."""
        return
        yield
