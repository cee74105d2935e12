"""Meshes on this machine's loopback: hosts are `env ... sh`, addresses never meet another test's.

Hosts that share a network namespace serve their own VIP themselves. So a host that is to be
reached over the hub gets `loopback=False`: another host then binds its VIP (`relayed`).
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import psutil

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Event, HostChanged, Log
from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerState,
    ListenerStatus,
    StreamStatus,
)
from norouter_core.exec_commands.command import program_name
from norouter_core.links.process import StartChild, start_child
from norouter_core.model import AgentMode, DnsSpec, Forward, HostOptions, HostSpec, MeshSpec
from norouter_core.timing import Timing
from tests.servers import Address, eventually

ROOT = Path(__file__).parents[2]
TIMING = Timing(shell=15, hello=15, installed=15, heartbeat=2, request=10)
BRISK = replace(TIMING, heartbeat=0.5, first_retry=0.2)
"""A link that is silent for 1.5 s is lost, and its host comes back soon."""
QUICK_RETRY = replace(TIMING, first_retry=0.2)
SLOW_RETRY = replace(TIMING, first_retry=60.0)

PORT = 8080
NO_DNS = DnsSpec(disable=True)
"""Most tests count listeners, and look at ports alone."""


@cache
def plain_path() -> str:
    """A PATH with the Python that runs the tests first: no shim that is slow."""
    folder = tempfile.mkdtemp(prefix="norouter-path-")
    atexit.register(shutil.rmtree, folder)
    os.symlink(os.path.realpath(sys.executable), f"{folder}/python3")
    return f"{folder}:/usr/bin:/bin"


native_program: Path | None = None
"""The agent that `exec_command` leads to, if it is not the Python agent: see `each_agent`."""


def exec_command(*words: str) -> tuple[str, ...]:
    if native_program is not None:
        words = (*words[: len(words) - (words[-1:] == ("sh",))], str(native_program))
    return ("env", f"PATH={plain_path()}", *words)


def start_states() -> list[HostState]:
    """Return the states of a host that comes up behind `exec_command`."""
    sent = [] if native_program is not None else [HostState.BOOTSTRAPPING]
    return [HostState.STARTING, *sent, HostState.READY]


def program(path: Path, *words: str) -> tuple[str, ...]:
    """The exec command of an installed agent, which is a program of the tests."""
    python = os.path.realpath(sys.executable)
    return ("env", f"PYTHONPATH={ROOT}", python, str(path), *words, "norouter")


# Two test processes at once, and what else runs on this machine, must not meet.
_vips = itertools.count(os.getpid() % 200 * 250)


def vip() -> str:
    """A loopback address that no other host of any test has."""
    number = next(_vips)
    return f"127.{100 + number // 62500 % 100}.{number // 250 % 250}.{number % 250 + 1}"


def local(name: str = "hub", *ports: Forward) -> HostSpec:
    """This machine."""
    return HostSpec(name, vip(), options=HostOptions(ports=ports, dns=NO_DNS))


def host(name: str, *ports: Forward, cmd: tuple[str, ...] | None = None) -> HostSpec:
    """A host behind an exec command, which serves its own VIP.

    A command that ends in `norouter` insists on that agent.
    """
    cmd = cmd or exec_command()
    agent = AgentMode.NOROUTER if program_name(cmd[-1]) == "norouter" else None
    options = HostOptions(ports=ports, dns=NO_DNS, agent=agent)
    return HostSpec(name, vip(), cmd=cmd, options=options)


def relayed(name: str, *ports: Forward, cmd: tuple[str, ...] | None = None) -> HostSpec:
    """A host that is reached over the hub only."""
    spec = host(name, *ports, cmd=cmd)
    return replace(spec, options=replace(spec.options, loopback=False))


def forward(port: int, target: str = "127.0.0.1", listen: int = PORT) -> Forward:
    return Forward(listen, target, port)


def forward_udp(port: int, target: str = "127.0.0.1", listen: int = PORT) -> Forward:
    return Forward(listen, target, port, "udp")


def with_ports(spec: MeshSpec, name: str, *ports: Forward) -> MeshSpec:
    """The spec with other ports on one host."""
    known = spec.host(name)
    assert known is not None
    return spec.with_host(replace(known, options=replace(known.options, ports=ports)))


class Mesh:
    """A running engine, and shortcuts to its status and events."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._all = engine.subscribe(100_000)
        self._log: list[Log] = []

    async def apply(self, spec: MeshSpec) -> None:
        """Applies, and waits until all is ready."""
        await self.engine.apply(spec)
        await self.ready()

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            await self.engine.wait_ready()

    def host(self, name: str) -> HostStatus:
        return next(host for host in self.engine.status().hosts if host.name == name)

    def listeners(self, to_host: str) -> list[ListenerStatus]:
        return [each for each in self.engine.status().listeners if each.to_host == to_host]

    def address(self, to_host: str, listen: int = PORT, suffix: str = "") -> Address:
        """Where a published port of a host is reached on this machine; `suffix` is `/udp` for one
        of datagrams."""
        for listener in self.listeners(to_host):
            wanted = listener.listen.endswith(f":{listen}{suffix}")
            if wanted and listener.state is ListenerState.BOUND:
                name, _, port = listener.bound.removesuffix(suffix).rpartition(":")
                return name, int(port)
        raise AssertionError(f"nobody listens for {to_host}:{listen}")

    @property
    def streams(self) -> tuple[StreamStatus, ...]:
        return self.engine.status().streams

    async def in_state(self, name: str, state: HostState) -> HostStatus:
        await eventually(lambda: self.host(name).state is state, f"{name} is {state}")
        return self.host(name)

    async def was_lost(self, name: str) -> None:
        """Waits until that host has been lost, since the events were asked for last."""

        def lost() -> bool:
            changes = [e.host for e in self.events() if isinstance(e, HostChanged)]
            return any(e.name == name and e.state is HostState.LOST for e in changes)

        await eventually(lost, f"{name} is lost")

    def events(self) -> list[Event]:
        """Return the events since the last call."""
        events = self._all.drain()
        self._log += [event for event in events if isinstance(event, Log)]
        return events

    async def log_says(self, part: str) -> Log:
        """The next line of the log that holds `part`, waited for; each is given once."""

        def found() -> list[Log]:
            self.events()
            return [line for line in self._log if part in line.text]

        await eventually(found, f"the log says {part!r}")
        line = found()[0]
        self._log.remove(line)
        return line

    def pid(self, name: str) -> int:
        """The exec command's process."""
        stdio = self.engine._supervisors[name]._stdio
        child = stdio and stdio._child
        assert child, f"{name} has no command that runs"
        pid: int = child.process.pid
        return pid


@asynccontextmanager
async def mesh(
    *hosts: HostSpec,
    timing: Timing = TIMING,
    wait: bool = True,
    start_child: StartChild = start_child,
) -> AsyncIterator[Mesh]:
    """An engine with these hosts, ready if `wait`; in the end nothing of it is left."""
    before = set(children())
    async with Engine(timing, start_child=start_child) as engine:
        made = Mesh(engine)
        if wait:
            await made.apply(MeshSpec(hosts))
        else:
            await engine.apply(MeshSpec(hosts))
        yield made
    left = set(children()) - before
    await eventually(lambda: before.issuperset(children()), f"no process is left: {left}")


def children() -> list[psutil.Process]:
    """Every process below this one that still runs."""
    return [child for child in psutil.Process().children(recursive=True) if _runs(child)]


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.contextmanager
def killing_strays() -> Iterator[None]:
    """Ends what a test's commands left on purpose."""
    try:
        yield
    finally:
        for child in children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
