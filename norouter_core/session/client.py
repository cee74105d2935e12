"""What every face holds of a session, whether it lives in this process or behind a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from norouter_core.commands.results import Completion, Emit, Outcome
from norouter_core.engine.events import Event
from norouter_core.engine.status import Status
from norouter_core.model import MeshSpec


@dataclass(frozen=True, slots=True)
class Rate:
    """Bytes per second now, each way, and the sums of both ways before, oldest first."""

    sent: float = 0.0
    received: float = 0.0
    history: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        return self.sent + self.received


@dataclass(frozen=True, slots=True)
class DocumentState:
    """The file of a session. `path` is empty for one that was never saved."""

    path: str = ""
    unsaved: bool = False
    undo: str = ""
    """The command that `undo` would take back; empty if there is none."""
    redo: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What fits into one line."""

    document: DocumentState
    hosts: int
    ready: int
    failed: int
    streams: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How everything stands, a few times a second. Rates of a host: `sent` is what came in from
    it, `back` what went out to it; of a stream: from its client and from its target."""

    at: float
    """Seconds since the epoch."""
    status: Status
    spec: MeshSpec
    document: DocumentState
    hosts: Mapping[str, Rate]
    streams: Mapping[int, Rate]
    total: Rate


class Client(Protocol):
    """Runs commands and tells how things stand.

    `norouter_core.session.session.Session` is one in this loop; a control socket is another.
    """

    async def run(self, line: str, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """Runs one command line. Output goes to `emit` as it comes; cancelling ends the command.

        Args:
            confirmed: the user has agreed to what a `Question` said, or nobody is to be asked.

        Never raises for anything the line may hold: see `Outcome.failure`.
        """
        ...

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]:
        """What may stand at the cursor; bounded in time, asks engines of containers lazily."""
        ...

    async def summary(self) -> Summary: ...

    def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        """Events from now on; ends when the session has."""
        ...
