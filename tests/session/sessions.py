"""Sessions with a real engine, and what they say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from norouter_core.commands.edits.hosts import new_mesh
from norouter_core.commands.parser import ParseError, parse
from norouter_core.commands.results import Bytes, Diff, Lines, Outcome, Output, Table
from norouter_core.engine.engine import Engine
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_core.session.workspace import SessionTiming
from tests.engine.meshes import TIMING, children
from tests.servers import eventually


class Talk:
    """A session, and a way to talk with it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.said: list[Output] = []
        self.column = 0
        """Where in the last line the mistake was."""

    async def __call__(self, line: str, *, confirmed: bool = False) -> Outcome:
        """Runs a line; `said` holds its output."""
        self.said = []
        try:
            parsed = parse(line)
        except ParseError as error:
            self.column = error.column
            return Outcome(failure=error.failure)
        if parsed is None:
            return Outcome()
        outcome = await self.session.run(parsed.call, self.said.append, confirmed=confirmed)
        self.column = parsed.column_of(outcome.failure) if outcome.failure else 0
        return outcome

    async def ok(self, line: str, *, confirmed: bool = False) -> Outcome:
        outcome = await self(line, confirmed=confirmed)
        assert outcome.ok, f"{line}: {outcome}"
        return outcome

    async def rows(self, line: str) -> Sequence[dict[str, object]]:
        await self.ok(line)
        (table,) = self.said
        assert isinstance(table, Table)
        for row in table.rows:
            assert {column.key for column in table.columns} <= row.keys()
        return [dict(row) for row in table.rows]

    @property
    def text(self) -> str:
        """What was said as text."""
        return "\n".join(x.text for x in self.said if isinstance(x, Lines | Diff))

    @property
    def bytes(self) -> bytes:
        return b"".join(x.data for x in self.said if isinstance(x, Bytes))


@asynccontextmanager
async def talk(
    *hosts: HostSpec,
    document: Document | None = None,
    folder: Path | None = None,
    timing: SessionTiming | None = None,
) -> AsyncIterator[Talk]:
    """A session with these hosts (`local` alone where none are named), ready; in the end no
    process of it is left. `folder`: where it keeps unsaved work."""
    spec = MeshSpec(hosts) if hosts else new_mesh()
    document = document or Document.empty(spec)
    autosave = Autosave(folder) if folder is not None else None
    async with (
        Engine(TIMING) as engine,
        Session(engine, document, autosave=autosave, timing=timing) as session,
    ):
        made = Talk(session)
        await made.ok("wait")
        yield made
    await eventually(lambda: not children(), f"no process is left: {children()}")
