"""A real agent behind a real link, with the test in the place of the engine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psutil

from norouter_core.agent.ends import End, join
from norouter_core.agent.io import Io
from norouter_core.agent.tcp import TcpEnd
from norouter_core.bootstrap import bootstrap_for
from norouter_core.bootstrap.base import Bootstrap, Progress
from norouter_core.exec_commands.command import StartPlan
from norouter_core.links.agent_client import AgentClient
from norouter_core.links.process import start_child
from norouter_core.links.stdio import StdioLink
from norouter_core.model import AgentMode
from norouter_core.timing import Timing
from tests.datagrams import Played
from tests.servers import TIMEOUT, Peer, tcp_pair

ROOT = Path(__file__).parents[2]
TIMING = Timing(shell=15, hello=15, installed=15, heartbeat=2, request=10)


@dataclass(frozen=True, slots=True)
class Offer:
    """A client that an agent offered; `far` is the test's side of it."""

    listener: int
    peer: tuple[str, int]
    far: Peer


class RecordingHub:
    """Takes every client that an agent offers, and what it reports."""

    def __init__(self, io: Io) -> None:
        self.offers: asyncio.Queue[Offer] = asyncio.Queue()
        self.datagrams: asyncio.Queue[tuple[int, tuple[str, int], Played]] = asyncio.Queue()
        self.rows: list[list[Any]] = []
        self.scarce: list[tuple[int, int]] = []
        self._io = io

    def offer(
        self, listener: int, peer: tuple[str, int], end: End, destination: object = None
    ) -> None:
        if end.datagrams:
            played = Played()
            end.accept(peer)
            join(end, played)
            self.datagrams.put_nowait((listener, peer, played))
            return
        outer, inner = tcp_pair()
        # Joined here and now: what the client has sent already comes next.
        end.accept(outer.address)
        join(end, TcpEnd(self._io, inner.socket))
        self.offers.put_nowait(Offer(listener, peer, outer))

    def refused(self, reason: str) -> None:
        raise AssertionError(reason)

    def report(self, rows: list[Any]) -> Iterator[None]:
        for row in rows:
            self.rows.append(row)
            yield

    def scarce_descriptors(self, used: int, limit: int) -> None:
        self.scarce.append((used, limit))

    async def next_offer(self) -> Offer:
        async with asyncio.timeout(TIMEOUT):
            return await self.offers.get()


class Watcher:
    """Observes one end: when it opened, and how it closed."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[tuple[str, int]] = loop.create_future()
        self.closed: asyncio.Future[tuple[str, str]] = loop.create_future()

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        self.opened.set_result(peer)

    def end_half_closed(self, end: End) -> None:
        pass

    def end_closed(self, end: End, code: str, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result((code, reason))

    async def outcome(self) -> tuple[str, str]:
        """Code and reason of the end."""
        async with asyncio.timeout(TIMEOUT):
            return await self.closed


class Agent:
    """A link that is up, its hub, and all that was said on stderr."""

    def __init__(self, io: Io, hub: RecordingHub, stdio: StdioLink, stderr: list[str]) -> None:
        self.io = io
        self.hub = hub
        self.stdio = stdio
        self.link: AgentClient = stdio.agent
        self.stderr = stderr

    def processes(self) -> list[int]:
        """The processes of its exec command."""
        return [child.pid for child in children()]

    async def listens(self, number: int, direct: tuple[str, int] | None = None) -> tuple[str, int]:
        """The agent's new listening address, on a free port of 127.0.0.1."""
        host, port = await self.link.listen(number, "127.0.0.1", 0, direct)
        assert host == "127.0.0.1" and port > 0
        return host, port

    @asynccontextmanager
    async def dialled(self, host: str, port: int) -> AsyncIterator[tuple[Peer, Watcher]]:
        """A stream to a target, as the socket of a client, and the observer of its far end."""
        client, inner = tcp_pair()
        watcher = Watcher()
        # The end owns its socket, and closes it when the stream or the link ends.
        self.link.dial(TcpEnd(self.io, inner.socket), host, port, watcher)
        with client:
            yield client, watcher


def python_on_path(folder: Path, interpreter: Path, name: str = "python3") -> str:
    """A PATH on which `name` is that interpreter, and the system's programs come after."""
    folder.mkdir(exist_ok=True)
    (folder / name).symlink_to(interpreter)
    return f"{folder}:/usr/bin:/bin"


def plain_path(folder: Path) -> str:
    """A PATH whose first Python is the one that runs the tests: no shim that is slow."""
    return python_on_path(folder, Path(os.path.realpath(sys.executable)))


def shell_plan(path: str, *words: str, **variables: str) -> StartPlan:
    """The exec command `env PATH=... WORDS sh`: a host that shares this machine."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    return StartPlan(("env", f"PATH={path}", *settings, *words, "sh"), AgentMode.PYTHON)


@asynccontextmanager
async def agent(
    start: StartPlan | Bootstrap,
    timing: Timing = TIMING,
    progress: Progress = lambda step: None,
) -> AsyncIterator[Agent]:
    """Brings an agent up, and ends it; no process of it is left.

    Raises:
        StartFailed: it does not come up.
    """
    io = Io(asyncio.get_running_loop())
    hub = RecordingHub(io)
    stderr: list[str] = []
    bootstrap = bootstrap_for(start, timing) if isinstance(start, StartPlan) else start
    link = StdioLink(hub, io, bootstrap, timing, stderr.append, start_child)
    async with anyio.create_task_group() as tasks:
        await link.start(tasks, progress)
        try:
            yield Agent(io, hub, link, stderr)
        finally:
            await link.close()
    assert children() == []


def children() -> list[psutil.Process]:
    """Every process below this one that still runs."""
    return [child for child in psutil.Process().children(recursive=True) if _runs(child)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
