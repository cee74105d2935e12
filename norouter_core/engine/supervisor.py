"""One host's supervisor: starts it, watches over it, brings it back."""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.abc import TaskGroup

from norouter_core.agent.ends import End
from norouter_core.agent.io import Io
from norouter_core.bootstrap import bootstrap_for
from norouter_core.engine import states
from norouter_core.engine.backoff import BackOff
from norouter_core.engine.listeners import HostListeners
from norouter_core.engine.names_files import NamesFiles
from norouter_core.engine.status import HostState, HostStatus
from norouter_core.exec_commands.command import plan_start
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, HostProblem, Stage
from norouter_core.links.base import Link
from norouter_core.links.local import LocalLink
from norouter_core.links.stdio import StartFailed, StdioLink
from norouter_core.model import Host
from norouter_core.timing import Timing

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_TELL_AFTER = 5.0
"""Seconds of a start after which a person is told what is waited for."""


_log = logging.getLogger(__name__)


class SupervisorContext(Protocol):
    """What a supervisor needs of the engine."""

    io: Io
    timing: Timing

    def host_changed(self, supervisor: Supervisor) -> None:
        """State, problem or link has changed."""

    def host_log(self, level: str, host: str, text: str) -> None: ...

    def offered(self, supervisor: Supervisor, listener: int, peer: Address, end: End) -> None: ...

    def reported(self, supervisor: Supervisor, rows: list[list[Any]]) -> None: ...


class Supervisor:
    """Runs one host until it is stopped. `link` is there exactly while the host is ready."""

    def __init__(
        self, mesh: SupervisorContext, host: Host, listeners: HostListeners, names: NamesFiles
    ) -> None:
        self.host = host
        self.listeners = listeners
        self.names = names
        self.link: Link | None = None
        self.state = HostState.STOPPED
        self.problem: HostProblem | None = None
        self._mesh = mesh
        self._since = time.time()
        self._attempt = 0
        self._retry_at: float | None = None
        self._agent = ""
        self._back_off = BackOff()
        self._ever_ready = False
        self._restart_requested = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._starting = anyio.CancelScope()
        self._stdio: StdioLink | None = None
        self._paused = asyncio.Event()
        self._ended = asyncio.Event()
        self.paused = False
        """Whether the user has stopped the host: it stays so until `restart`."""

    # -- from outside ----------------------------------------------------------------------

    async def run(self) -> None:
        """Supervises until `stop`; leaves no process behind, however it ends."""
        try:
            with self._scope:
                while True:
                    await self._run_safely()
        finally:
            if self.state is not HostState.STOPPED:
                self._enter(HostState.STOPPED)
            self._paused.set()
            self._ended.set()

    async def stop(self) -> None:
        """Ends the host in an orderly way; returns when nothing of it is left."""
        self._scope.cancel()
        await self._ended.wait()

    async def pause(self) -> None:
        """Ends the host in an orderly way and keeps it stopped until `restart`; returns when
        nothing of it is left, or when it is started again."""
        if not self.paused:
            self.paused = True
            self._paused.clear()
            self._restart_requested.set()
            self._starting.cancel()
        await self._paused.wait()

    def restart(self) -> None:
        """Starts the host anew, at once, whatever state it is in."""
        self.paused = False
        self._paused.set()
        self._back_off = BackOff()
        self._attempt = 0
        if self.state is HostState.FAILED:
            self.problem = None  # it is final no longer
        self._restart_requested.set()
        self._starting.cancel()

    def command_changed(self) -> None:
        """Starts the host anew, by a command that has yet to show that it is right."""
        self._ever_ready = False
        if not self.paused:
            self.restart()

    def kill_now(self) -> None:
        """Ends the exec command by SIGKILL; what supervises it takes it from there."""
        if self._stdio is not None:
            self._stdio.kill()

    @property
    def is_up(self) -> bool:
        """Whether the host is ready, and not about to be started anew: what is up then is the old
        command, which no longer counts."""
        return self.link is not None and not self._restart_requested.is_set()

    @property
    def is_settled(self) -> bool:
        """Whether a host that is up listens where it should, and has its names files."""
        return self.listeners.settled and not self.names.busy

    @property
    def command(self) -> str:
        return shlex.join(self.host.argv) if self.host.argv else ""

    def status(self, traffic: tuple[int, int, int]) -> HostStatus:
        """`traffic`: bytes in, bytes out, open streams."""
        retry_in = None if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())
        return HostStatus(
            name=self.host.name,
            vip=self.host.vip,
            command=self.command,
            state=self.state,
            since=self._since,
            attempt=self._attempt,
            retry_in=retry_in,
            round_trip=self.link.round_trip if self.link else None,
            problem=self.problem,
            agent=self._agent,
            bytes_in=traffic[0],
            bytes_out=traffic[1],
            streams=traffic[2],
        )

    # -- one life after the other ----------------------------------------------------------

    async def _run_safely(self) -> None:
        try:
            await self._run_once()
        except Exception as error:
            # A fault of ours must cost this host and no other; it is told with all that is known.
            _log.exception("the supervisor of %s failed", self.host.name)
            self.problem = HostProblem(
                kind="internal",
                message=f"norouter itself failed at this host: {_innermost(error)!r}",
                hint="please report this, with the log",
                command=self.command,
                permanent=True,
            )
            self._retry_at = None
            self._enter(HostState.FAILED)
            await self._restart_requested.wait()

    async def _run_once(self) -> None:
        self._restart_requested.clear()
        if self.paused:
            await self._stay_paused()
            return
        self._attempt += 1
        self._enter(HostState.STARTING)
        if self.host.argv is None:
            await self._serve(LocalLink(self, self._mesh.io, self._mesh.timing.request))
            return
        async with anyio.create_task_group() as tasks:
            link = StdioLink(
                self,
                self._mesh.io,
                bootstrap_for(plan_start(self.host.argv, self.host.agent), self._mesh.timing),
                self._mesh.timing,
                lambda line: self._mesh.host_log("info", self.host.name, line),
            )
            self._stdio = link
            try:
                with anyio.CancelScope() as self._starting:
                    await self._start(link, tasks)
            except StartFailed as failure:
                await self._wait_after(diagnose(failure.evidence))
                return
            if self._starting.cancelled_caught:
                self._enter(HostState.STOPPED)
                return
            evidence = await self._serve(link)
            if evidence is not None:
                await self._wait_after(diagnose(evidence))

    async def _stay_paused(self) -> None:
        """Stays stopped until somebody asks for a start."""
        self.problem = None
        self._agent = ""
        self._attempt = 0
        if self.state is not HostState.STOPPED:
            self._enter(HostState.STOPPED)
        self._paused.set()
        await self._restart_requested.wait()

    async def _start(self, link: StdioLink, tasks: TaskGroup) -> None:
        waiting = asyncio.get_running_loop().call_later(_TELL_AFTER, self._still_waiting)
        try:
            await link.start(tasks, self._on_progress)
        finally:
            waiting.cancel()

    def _on_progress(self, stage: Stage) -> None:
        if stage is Stage.PYTHON:
            self._enter(HostState.BOOTSTRAPPING)

    async def _serve(self, link: LocalLink | StdioLink) -> Evidence | None:
        """From ready to lost (what was seen of it is returned) or to a restart (None)."""
        self.link = link.agent
        self.problem = None
        self._attempt = 0
        self._ever_ready = True
        self._agent = str(self.link.hello)
        ready_at = time.monotonic()
        self._enter(HostState.READY)
        lost = False
        try:
            lost = await self._until_down_or_again(link)
        finally:
            self.link = None
            self._back_off.was_ready(time.monotonic() - ready_at)
            if lost:
                # Told at once: to see a frozen command out takes seconds.
                self._enter(HostState.LOST)
            with anyio.CancelScope(shield=True):
                evidence = await self._part(link)
        if not lost:
            self._agent = ""
            self._enter(HostState.STOPPED)
        return evidence if lost else None

    async def _until_down_or_again(self, link: LocalLink | StdioLink) -> bool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.listeners.run, link.agent)
            tasks.start_soon(self.names.run, link.agent)
            again = False

            async def wait_again() -> None:
                nonlocal again
                await self._restart_requested.wait()
                again = True
                tasks.cancel_scope.cancel()

            tasks.start_soon(wait_again)
            await link.wait_down()
            tasks.cancel_scope.cancel()
        return not again

    async def _part(self, link: LocalLink | StdioLink) -> Evidence | None:
        self.listeners.unbound()
        if isinstance(link, StdioLink) and link.is_down:
            return await link.lost()
        await self.names.undo(link.agent)
        await link.close()
        return None

    async def _wait_after(self, problem: HostProblem) -> None:
        """Backs off before the next start, or gives up until a person asks for one."""
        self.problem = problem
        self._agent = ""
        # A host that was ready once has shown that its command is right: whatever is wrong now
        # (a login server that is down, a container being replaced) may mend itself.
        if problem.permanent and not self._ever_ready:
            self._enter(HostState.FAILED)
            await self._restart_requested.wait()
            return
        delay = self._back_off.failed()
        self._retry_at = time.monotonic() + delay
        self._enter(HostState.BACKING_OFF)
        with anyio.move_on_after(delay):
            await self._restart_requested.wait()
        self._retry_at = None

    def _still_waiting(self) -> None:
        what = "the agent behind" if self.state is HostState.BOOTSTRAPPING else "an answer from"
        text = f"still waiting for {what}: {self.command}"
        self._mesh.host_log("warning", self.host.name, text)

    def _enter(self, state: HostState) -> None:
        self.state = states.check(self.state, state)
        self._since = time.time()
        self._mesh.host_changed(self)

    # -- from the link ---------------------------------------------------------------------

    def offer(self, listener: int, peer: Address, end: End) -> None:
        self._mesh.offered(self, listener, peer, end)

    def report(self, rows: list[list[Any]]) -> None:
        self._mesh.reported(self, rows)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
