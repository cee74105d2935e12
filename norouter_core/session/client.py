"""What a front end needs of a session, in this process or behind a control socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from norouter_core.commands.call import Call
from norouter_core.commands.results import Completion, Emit, Failure, Outcome
from norouter_core.engine.events import Event
from norouter_core.engine.status import Status
from norouter_core.model import MeshSpec
from norouter_core.prompts.prompt import Prompt

INTERVAL = 0.4
"""Seconds between two snapshots."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Bytes per second now, each way, and earlier totals of both, oldest first."""

    sent: float = 0.0
    received: float = 0.0
    history: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        return self.sent + self.received


@dataclass(frozen=True, slots=True)
class DocumentState:
    """The file of a session. `path` is empty if it was never saved."""

    path: str = ""
    unsaved: bool = False
    undo: str = ""
    """The command that `undo` would take back; empty if there is none."""
    redo: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of a session in one line."""

    document: DocumentState
    hosts: int
    ready: int
    failed: int
    streams: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of everything at one moment.

    The rate of a host counts what came from it as sent and what went to it as received; that of a
    stream counts what its client and its target sent.
    """

    at: float
    """Seconds since the epoch."""
    status: Status
    spec: MeshSpec
    document: DocumentState
    hosts: Mapping[str, Rate]
    streams: Mapping[int, Rate]
    total: Rate
    traffic: tuple[int, int] = (0, 0)
    """Bytes sent and received through all streams since the mesh started."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What calls would do, each after those before it.

    `messages` and `data` are those of their outcomes, `cuts` the streams that would end. If there
    is a `failure`, nothing can be done; `at` is the index of the call to blame.
    """

    messages: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()
    changes: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    at: int = 0


class Client(Protocol):
    """What every front end holds: a way to run commands in a mesh and to watch it.

    `Session` is the client of a mesh in the same event loop, `RemoteClient` of one behind a control
    socket.
    """

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """Run a command. Outputs go to `emit` as they come; cancelling ends the command.

        Args:
            confirmed: The user agreed to what a `Question` asks, or nobody can be asked.

        Raises nothing that the call is to blame for: see `Outcome.failure`.
        """
        ...

    async def preview(self, calls: Sequence[Call]) -> Preview:
        """Return what calls would change and cut. Nothing is changed."""
        ...

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        """Run calls as one change, which one `undo` takes back, without asking."""
        ...

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        """Return what can stand at the cursor. Takes two seconds at most."""
        ...

    async def summary(self) -> Summary: ...

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        """Return exec commands that could be hosts, each with a short description.

        Asks container engines and kubectl, and can take seconds.
        """
        ...

    def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        """Yield a snapshot now, and then every `interval` seconds until the session ends.

        A slow reader gets fewer of them, never old ones.
        """
        ...

    def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        """Yield what exec commands ask the user, now and at every change, until the session ends.

        While this is read, there is somebody to ask. There is one question at a time, and any
        number of notices.
        """
        ...

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        """Answer a question. Return False if it no longer waits, or takes no such answer.

        Args:
            text: The answer; None lets the start of the host fail.
            remember: Keep the answer in memory for the same question, until the session ends.
        """
        ...

    def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        """Yield events from now on until the session ends."""
        ...
