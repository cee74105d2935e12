"""What a bootstrap is, and what every bootstrap does on a command's stdio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from norouter_core.agent.process_identity import PROTOCOL
from norouter_core.bootstrap.handshake import Found, Hello, HelloReader, NoPython, Search
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.wire.errors import RemoteProtocolError

Progress = Callable[[Stage], None]
"""Called with each stage that a start reaches."""


class Stdio(Protocol):
    """A running command's stdin and stdout; what is received at its end is empty."""

    async def send(self, data: bytes) -> None: ...
    async def receive(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended."""

    status: int
    stdout: bytes
    stderr: tuple[str, ...]
    """Its lines, without control characters."""


Run = Callable[[tuple[str, ...], bytes], Awaitable[Completed]]
"""Runs a command of this machine, with these bytes as its stdin; 127 if it cannot be started."""


class Bootstrap(Protocol):
    """Brings up one kind of agent behind an exec command."""

    argv: tuple[str, ...]
    """The command to run."""

    async def prepare(self, run: Run, progress: Progress) -> None:
        """Do what has to be done before the command runs.

        Raises:
            StartFailed: it cannot be done.
        """
        return  # Most agents need nothing.

    async def clean_up(self) -> None:
        """Undo `prepare` after a start that failed."""
        return

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent; return its hello, and the bytes that followed it.

        Raises:
            StartFailed: no agent came up.
        """
        ...


class StartFailed(NorouterError):
    """A host could not be started; `evidence` is for `norouter_core.exec_commands.diagnosis`.

    From a bootstrap, it lacks the command's exit status and its stderr, which the link adds.
    """

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(f"{evidence.stage}: {evidence.argv}")
        self.evidence = evidence


class Exchange:
    """The exchange with a command before its link begins."""

    def __init__(self, argv: tuple[str, ...], stdio: Stdio, progress: Progress) -> None:
        self._argv = argv
        self._stdio = stdio
        self._progress = progress
        self._stage = Stage.SPAWN

    def enter(self, stage: Stage) -> None:
        """Note how far the start has come; an error from now on names this stage."""
        self._stage = stage
        self._progress(stage)

    async def search(self, search: Search, limit: float) -> bytes:
        """Read until a search finds what it looks for; return what followed it.

        `limit` is in seconds, here and below.

        Raises:
            StartFailed: it does not come.
        """
        with anyio.move_on_after(limit):
            while True:
                data = await self._stdio.receive()
                found = search.feed(data) if data else None
                # The echo of a TTY may come together with the marker.
                if isinstance(found, Found) and not search.echoed:
                    return found.rest
                if isinstance(found, NoPython):
                    raise self.failed(stdout=search.noise, report=found.report)
                if not data or search.echoed or search.too_noisy:
                    raise self.failed(
                        stdout=search.noise, echoed=search.echoed, noise=search.too_noisy
                    )
        raise self.failed(stdout=search.noise, timed_out=limit)

    async def read_hello(self, data: bytes, limit: float) -> tuple[Hello, bytes]:
        """Read the hello of an agent, which begins with `data`; return what followed it as well.

        Raises:
            StartFailed: it does not come, or is not one that this hub understands.
        """
        reader = HelloReader()
        try:
            async with asyncio.timeout(limit):
                while (found := reader.feed(data)) is None:
                    data = await self._stdio.receive()
                    if not data:
                        raise self.failed()
        except TimeoutError:
            raise self.failed(timed_out=limit) from None
        except RemoteProtocolError as violation:
            raise self.failed(violation=str(violation)) from None
        version = found[0].protocol
        if version != PROTOCOL:
            raise self.failed(version=f"speaks version {version} of the protocol, not {PROTOCOL}")
        return found

    def failed(self, **seen: Any) -> StartFailed:
        """Return the failure of the present stage, with what else was seen of it."""
        return StartFailed(Evidence(self._argv, self._stage, **seen))
