"""What a bootstrap is, and what every bootstrap does on a command's stdio."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from norouter_core.agent.process_identity import PROTOCOL
from norouter_core.bootstrap.handshake import (
    ACK,
    Found,
    Hello,
    HelloReader,
    MarkerSearch,
    NoPython,
    Search,
)
from norouter_core.countdown import Countdown
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.timing import TimeLimits
from norouter_core.wire.errors import RemoteProtocolError

_PIECE = 64 * 1024
"""Bytes that are written to a command at a time."""
_FIRST_BLOCK = 8 * 1024
_MAX_BLOCK = 512 * 1024
_QUICK_ANSWER = 0.5
"""Seconds within which a block is answered if the next one may be longer."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a start has come: its stage, and how much of an agent the host has received."""

    stage: Stage
    received: int = 0
    size: int = 0
    """The bytes of the agent; 0 unless one is being sent."""
    note: str = ""
    """What the host's log says about it."""
    level: str = "info"
    """The level of the note; a headless run prints those from `warning` on."""
    is_local: bool = False
    """Whether the host waits for work on this machine, which the note names."""


def building(stage: Stage, platform: object) -> Step:
    """Return the step in which this machine builds the native agent for a platform."""
    note = f"building the native agent for {platform}, once"
    return Step(stage, note=note, level="warning", is_local=True)


Progress = Callable[[Step], None]
"""Called with each step of a start."""


class Stdio(Protocol):
    """A running command's stdin and stdout; what is received at its end is empty."""

    limits: TimeLimits
    """They stand still while the command waits for an answer of the user."""

    @property
    def stderr(self) -> Collection[str]:
        """The last lines that the command has printed there."""
        ...

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
        self._step = Step(Stage.SPAWN)

    def enter(self, stage: Stage) -> None:
        """Note how far the start has come; an error from now on names this stage."""
        self._take(Step(stage))

    def _take(self, step: Step) -> None:
        self._step = step
        self._progress(step)

    async def search(self, search: Search, limit: float, data: bytes = b"") -> bytes:
        """Read until a search finds what it looks for; return what followed it.

        `data` has been read before. `limit` is in seconds, here and below.

        Raises:
            StartFailed: it does not come.
        """
        with self._stdio.limits.limit(limit):
            while True:
                data = data or await self._stdio.receive()
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
                data = b""
        raise self.failed(stdout=search.noise, timed_out=limit)

    async def send_whole(self, data: bytes, block: int, limit: float) -> bytes:
        """Send an agent to a host that answers each block with an `ACK`; return what follows.

        The answers alone show what has arrived: the command, a TCP connection and the far side
        all buffer more than a slow link carries within any time limit. `limit` is for each block.

        Raises:
            StartFailed: the host receives nothing for so long.
        """
        size, received, rest = len(data), 0, b""
        self._take(Step(self._step.stage, 0, size))
        await self._write(data, limit)
        while received < size and not rest:
            answer = await self._receive(limit)
            rest = answer.lstrip(ACK)
            received = min(size, received + block * (len(answer) - len(rest)))
            self._take(Step(self._step.stage, received, size))
        return rest

    async def send_in_blocks(self, data: bytes, marker: bytes, limit: float) -> bytes:
        """Send an agent to a shell that reads the length of a block, then the block, and answers.

        Return what follows the last answer. The shell must not get a byte before it has answered,
        because its `head` may read ahead. Blocks grow while they are answered quickly, so a fast
        link has few round trips and a slow one has answers often. `limit` is for each block.

        Raises:
            StartFailed: the host receives nothing for so long, or says that it cannot go on.
        """
        size, block, sent, rest = len(data), _FIRST_BLOCK, 0, b""
        self._take(Step(self._step.stage, 0, size))
        while sent < size:
            piece = data[sent : sent + block]
            began = time.monotonic()
            await self._write(b"%d\n" % len(piece) + piece, limit)
            rest = await self.search(MarkerSearch(marker, marker), limit, rest)
            sent += len(piece)
            self._take(Step(self._step.stage, sent, size))
            if time.monotonic() - began < _QUICK_ANSWER:
                block = min(4 * block, _MAX_BLOCK)
        return rest

    async def _write(self, data: bytes, limit: float) -> None:
        """Write to the command, which must take each piece within the limit."""
        for at in range(0, len(data), _PIECE):
            try:
                async with Countdown(limit):
                    await self._stdio.send(data[at : at + _PIECE])
            except TimeoutError:
                raise self.failed(timed_out=limit) from None

    async def _receive(self, limit: float) -> bytes:
        """Return the next bytes.

        Raises:
            StartFailed: none come within the limit, or ever.
        """
        try:
            async with Countdown(limit):
                data = await self._stdio.receive()
        except TimeoutError:
            raise self.failed(timed_out=limit) from None
        if not data:
            raise self.failed()
        return data

    async def read_hello(self, data: bytes, limit: float) -> tuple[Hello, bytes]:
        """Read the hello of an agent, which begins with `data`; return what followed it as well.

        Raises:
            StartFailed: it does not come, or is not one that this hub understands.
        """
        reader = HelloReader()
        try:
            async with Countdown(limit):
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
        step = self._step
        evidence = Evidence(self._argv, step.stage, received=step.received, size=step.size, **seen)
        return StartFailed(evidence)
