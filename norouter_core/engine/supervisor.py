"""One host's supervisor: it starts the host, watches it and restarts it."""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.abc import TaskGroup

from norouter_core.agent.ends import End
from norouter_core.agent.io import Io
from norouter_core.bootstrap import bootstrap_for
from norouter_core.bootstrap.base import StartFailed, Step
from norouter_core.engine.backoff import BackOff
from norouter_core.engine.listeners import HostListeners
from norouter_core.engine.log_throttle import Scarcity
from norouter_core.engine.names_files import NamesFiles
from norouter_core.engine.network_watch import NetworkWatch, missing_network
from norouter_core.engine.questions import CommandQuestions, Questions
from norouter_core.engine.starts import StartGate
from norouter_core.engine.status import HostState, HostStatus, check_transition
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.command import ExecCommand, StartPlan, plan_start, shell_argv
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.fallback import next_plan, suggest_native_agent
from norouter_core.exec_commands.problem import Evidence, HostProblem, ProblemKind, Stage
from norouter_core.exec_commands.templates import shorten
from norouter_core.links.base import Link, OperationError
from norouter_core.links.local import LocalLink
from norouter_core.links.process import StartChild
from norouter_core.links.stdio import StdioLink
from norouter_core.model import AgentMode, Host
from norouter_core.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from norouter_core.wire.codes import Address

_LOGIN_REFUSED = (
    ProblemKind.LOGIN_FAILED,
    ProblemKind.SUDO_PASSWORD,
    ProblemKind.NOBODY_TO_ASK,
)
_MAX_REFUSED = 3

_log = logging.getLogger(__name__)

_PROGRESS_INTERVAL = 0.25
"""Seconds between two events that show how much of an agent has arrived, at least."""


class NoShell(OperationError, NorouterError):
    """A host has no shell; `exec` is the command that runs there what is appended to it."""

    def __init__(self, host: str, exec: tuple[str, ...]) -> None:
        super().__init__("no-shell", f"{host} has no shell")
        self.exec = exec


class SupervisorContext(Protocol):
    """What a supervisor needs of the engine."""

    io: Io
    timing: Timing
    starts: StartGate
    start_child: StartChild
    questions: Questions

    def host_changed(self, supervisor: Supervisor) -> None:
        """Note that the state, the problem or the link has changed."""

    def host_log(self, level: str, host: str, text: str) -> None: ...

    def on_client(
        self,
        supervisor: Supervisor,
        listener: int,
        peer: Address,
        end: End,
        destination: Address | None,
    ) -> None: ...

    def on_refused(self, supervisor: Supervisor, reason: str) -> None: ...

    def on_slow_start(self, supervisor: Supervisor, text: str) -> None: ...

    def on_direct_report(self, supervisor: Supervisor, rows: list[Any]) -> Iterator[None]: ...


class Supervisor:
    """Runs one host until it is stopped; `link` is set exactly while the host is ready."""

    def __init__(
        self, context: SupervisorContext, host: Host, listeners: HostListeners, names: NamesFiles
    ) -> None:
        self.host = host
        self.listeners = listeners
        self.names = names
        self.link: Link | None = None
        self.state = HostState.STOPPED
        self.problem: HostProblem | None = None
        self._context = context
        self._since = time.time()
        self._attempt = 0
        self._retry_at: float | None = None
        self._agent = ""
        self._step = Step(Stage.SPAWN)
        self._copied = False
        """Whether the last start copied an agent into a container without a shell."""
        self._shown_at = 0.0
        """When the step was last shown, by the monotonic clock."""
        self._shell_timeout = context.timing.shell
        self._back_off = self._new_back_off()
        self._scarcity = Scarcity()
        self._ever_ready = False
        self._refused = 0
        """How many logins in a row were refused."""
        self._restart_requested = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._starting = anyio.CancelScope()
        self._stdio: StdioLink | None = None
        self._asking: CommandQuestions
        self._network: NetworkWatch | None = None
        self._has_lost_network = False
        """Whether the host's interfaces had vanished when they were last looked at."""
        self._plan: StartPlan | None = None
        """How the host came up last, so that the next start does not try again what failed."""
        self._sending_problem: HostProblem | None = None
        """Why no agent could be sent, while an installed one has its second chance."""
        self._paused = asyncio.Event()
        self._ended = asyncio.Event()
        self.paused = False
        """Whether the user has stopped the host; only `restart` changes that."""

    # -- from outside ----------------------------------------------------------------------

    async def run(self) -> None:
        """Supervise the host until `stop`; no process is left, however this ends."""
        try:
            with self._scope:
                while True:
                    await self._run_safely()
        finally:
            if self.state is not HostState.STOPPED:
                self._set_state(HostState.STOPPED)
            self._paused.set()
            self._ended.set()

    async def stop(self) -> None:
        """End the host in an orderly way; return when nothing of it is left."""
        self._scope.cancel()
        await self._ended.wait()

    async def pause(self) -> None:
        """End the host in an orderly way and keep it stopped until `restart`.

        Return when nothing of it is left, or when it is started again.
        """
        if not self.paused:
            self.paused = True
            self._paused.clear()
            self._restart_requested.set()
            self._starting.cancel()
        await self._paused.wait()

    def restart(self) -> None:
        """Restart the host at once, in any state."""
        self.paused = False
        self._paused.set()
        self._back_off = self._new_back_off()
        self._attempt = self._refused = 0
        if self.state is HostState.FAILED:
            self.problem = None  # it is no longer final
        self._restart_requested.set()
        self._starting.cancel()

    def command_changed(self) -> None:
        """Restart the host by a new command, which may be wrong."""
        self._ever_ready = self._has_lost_network = False
        self._plan = None
        if not self.paused:
            self.restart()

    def kill_now(self) -> None:
        """Kill the exec command; `run` does the rest."""
        if self._stdio is not None:
            self._stdio.kill()

    @property
    def is_up(self) -> bool:
        """Whether the host is ready, and not about to be restarted."""
        return self.link is not None and not self._restart_requested.is_set()

    @property
    def is_settled(self) -> bool:
        """Whether a host that is up has all of its listeners and names files."""
        return self.listeners.is_settled and not self.names.is_busy

    @property
    def command(self) -> str:
        return shlex.join(self.host.argv) if self.host.argv else ""

    def shell_argv(self) -> tuple[str, ...]:
        """Return the command that starts a bare shell on the host.

        Raises:
            NoShell: the host's agent was started without one.
        """
        plan = self._plan
        if plan is not None and plan.container is not None:
            raise NoShell(self.host.name, plan.container.exec)
        if plan is None or plan.interpreter or plan.mode is AgentMode.NOROUTER:
            return shell_argv(self.host.argv or ())
        return plan.argv  # not always the shell of the host's command, which may be missing

    def status(self, traffic: tuple[int, int, int]) -> HostStatus:
        """Return the status; `traffic` is bytes in, bytes out and open streams."""
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
            agent_received=self._step.received,
            agent_size=self._step.size,
            agent_copied=self._copied,
        )

    # -- one life after the other ----------------------------------------------------------

    async def _run_safely(self) -> None:
        try:
            await self._run_once()
        except Exception as error:
            # An internal error must not affect other hosts; it is shown with its cause.
            _log.exception("the supervisor of %s failed", self.host.name)
            self.problem = HostProblem(
                kind="internal",
                message=f"internal error: {_root_cause(error)!r}",
                hint="please report this, with the log",
                command=self.command,
                permanent=True,
            )
            self._retry_at = None
            self._set_state(HostState.FAILED)
            await self._restart_requested.wait()

    async def _run_once(self) -> None:
        self._restart_requested.clear()
        if self.paused:
            await self._wait_paused()
            return
        self._attempt += 1
        self._copied = False
        self._set_state(HostState.STARTING)
        if self.host.argv is None:
            await self._serve(LocalLink(self, self._context.io, self._context.timing.request))
            return
        plan: StartPlan | None = self._plan or plan_start(
            self.host.argv, self.host.agent, self.host.python
        )
        self._plan, self._sending_problem = None, None
        problem: HostProblem | None = None
        async with self._context.questions.of_start(self.host.name, self.host.argv) as self._asking:
            while plan is not None:
                plan, problem = await self._run_plan(plan)
                if plan is not None and self._restart_requested.is_set():
                    self._set_state(HostState.STOPPED)
                    return
        if problem is not None:
            await self._back_off_or_fail(problem)

    async def _run_plan(self, plan: StartPlan) -> tuple[StartPlan | None, HostProblem | None]:
        """Start the host by a plan and run it.

        Return the plan to try next if it does not start, and without one, the problem, if any.
        """
        timing = replace(self._context.timing, shell=self._shell_timeout)
        async with anyio.create_task_group() as tasks:
            link = StdioLink(
                self,
                self._context.io,
                bootstrap_for(plan, timing),
                timing,
                lambda line: self._context.host_log("info", self.host.name, line),
                self._context.start_child,
                environment=self._asking.environment,
                limits=self._asking.limits,
            )
            self._stdio = link
            try:
                with anyio.CancelScope() as self._starting:
                    if self._restart_requested.is_set():  # before there was this scope
                        self._starting.cancel()
                    await self._start(link, tasks)
            except StartFailed as failure:
                return self._next_plan(plan, self._asking.add_to(failure.evidence))
            if self._starting.cancelled_caught:
                self._set_state(HostState.STOPPED)
                return None, None
            self._plan = plan
            self._asking.complete()
            if self._has_lost_network and (problem := await self._check_network(link)):
                return None, problem
            evidence = await self._serve(link)
        return None, None if evidence is None else diagnose(evidence)

    def _next_plan(
        self, plan: StartPlan, evidence: Evidence
    ) -> tuple[StartPlan | None, HostProblem | None]:
        """Return the plan to try after one that failed; without one, the problem of the host."""
        problem = diagnose(evidence)
        self._asking.failed(problem)
        following = next_plan(plan, evidence.stage, problem, self.host.agent)
        if following is not None:
            self._asking.accepted()
            text = f"{problem.message}; {following.purpose}"
            level = "warning" if plan.tentative else "info"
            self._context.host_log(level, self.host.name, text)
            if following.mode is AgentMode.NOROUTER:
                self._sending_problem = problem
            return following, None
        if evidence.stage in (Stage.SHELL, Stage.INTERPRETER) and evidence.timed_out:
            # The command was alive: it may just need longer.
            timing = self._context.timing
            self._shell_timeout = min(2 * self._shell_timeout, timing.max_shell)
        problem = suggest_native_agent(plan, evidence.stage, problem, self.host.agent)
        # Where an agent could not be sent either, that is the problem.
        return None, self._sending_problem or problem

    async def _wait_paused(self) -> None:
        """Stay stopped until `restart`."""
        self.problem = None
        self._agent = ""
        self._attempt = 0
        if self.state is not HostState.STOPPED:
            self._set_state(HostState.STOPPED)
        self._paused.set()
        await self._restart_requested.wait()

    async def _start(self, link: StdioLink, tasks: TaskGroup) -> None:
        async with self._context.starts.turn(self.host.argv or ()):
            waiting = asyncio.get_running_loop().call_later(
                self._context.timing.slow_start, self._log_slow_start
            )
            try:
                await link.start(tasks, self._on_progress)
            finally:
                waiting.cancel()

    def _on_progress(self, step: Step) -> None:
        self._step = step
        self._copied = self._copied or step.stage is Stage.COPIED
        if step.note:
            self._context.host_log(step.level, self.host.name, step.note)
        if step.stage not in (Stage.PYTHON, Stage.NATIVE, Stage.COPIED):
            return
        if self.state is HostState.STARTING:
            self._asking.accepted()
        if self.state is HostState.STARTING:
            self._set_state(HostState.BOOTSTRAPPING)
        elif time.monotonic() - self._shown_at >= _PROGRESS_INTERVAL:
            self._changed()

    async def _serve(self, link: LocalLink | StdioLink) -> Evidence | None:
        """Run a host that is ready; return the evidence if it is lost, None to restart it."""
        self.link = link.agent
        self.problem = None
        self._attempt = 0
        self._ever_ready, self._refused = True, 0
        self._agent = str(self.link.hello)
        ready_at = time.monotonic()
        self._set_state(HostState.READY)
        lost = False
        try:
            lost = await self._run_link(link)
        finally:
            self.link = None
            self._back_off.link_ended(time.monotonic() - ready_at)
            if lost:
                # At once: it takes seconds to end a frozen command.
                self._set_state(HostState.LOST)
            with anyio.CancelScope(shield=True):
                evidence = await self._close_link(link)
        if not lost:
            self._agent = ""
            self._set_state(HostState.STOPPED)
        return evidence if lost else None

    async def _run_link(self, link: LocalLink | StdioLink) -> bool:
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
            if self.host.argv is not None:
                self._network = NetworkWatch(self.host.argv, self._network_gone)
                tasks.start_soon(self._network.run, link.agent)
            await link.wait_down()
            tasks.cancel_scope.cancel()
        return not again

    def dial_failed(self) -> None:
        """Note that a target on the host was refused or is unreachable."""
        if self._network is not None:
            self._network.check_soon()

    def _network_gone(self) -> None:
        text = "its network interfaces have vanished, as if the container whose network it shares "
        text += "had been restarted: restarting the host"
        self._context.host_log("warning", self.host.name, text)
        self._has_lost_network = True
        self._restart_requested.set()

    async def _check_network(self, link: StdioLink) -> HostProblem | None:
        """Return the problem of a host that has no network still, once it has been ended."""
        problem = None
        is_checked = False
        try:
            problem = await missing_network(self.host.argv or (), link.agent)
            is_checked = True
        finally:
            if problem is not None or not is_checked:
                with anyio.CancelScope(shield=True):
                    await self._close_link(link)
        self._has_lost_network = problem is not None
        return problem

    async def _close_link(self, link: LocalLink | StdioLink) -> Evidence | None:
        self.listeners.link_lost()
        if isinstance(link, StdioLink) and link.is_down:
            return await link.lost()
        await self.names.undo(link.agent)
        await link.close()
        return None

    async def _back_off_or_fail(self, problem: HostProblem) -> None:
        """Wait for the next start, or, after a permanent problem, for `restart`."""
        self.problem = problem
        self._agent = ""
        self._refused = self._refused + 1 if problem.kind in _LOGIN_REFUSED else 0
        # If the host was ready once, its command is right. The problem (a login server that is
        # down, a container that is being replaced) may go away. But each refused login counts,
        # and too many of them lock the account or the address out.
        is_final = not self._ever_ready or self._refused >= _MAX_REFUSED
        if problem.permanent and (is_final or problem.kind == ProblemKind.CANCELLED):
            self._set_state(HostState.FAILED)
            await self._restart_requested.wait()
            return
        delay = self._back_off.next_delay()
        self._retry_at = time.monotonic() + delay
        self._set_state(HostState.BACKING_OFF)
        with anyio.move_on_after(delay):
            await self._restart_requested.wait()
        self._retry_at = None

    def _new_back_off(self) -> BackOff:
        command = ExecCommand.parse(self.host.argv or ())
        return BackOff(self._context.timing, command.stays_here)

    def _log_slow_start(self) -> None:
        step = self._step
        if step.received < step.size or step.is_local:
            return  # The front ends show the progress, the log what this machine does.
        if self._asking.limits.are_paused:
            return  # It waits for the user.
        has_answered = self.state is HostState.BOOTSTRAPPING
        what = "the agent behind" if has_answered else "an answer from"
        text = f"still waiting for {what}: {self.command}"
        # Once the shell has answered, that line is norouter's own.
        if self._stdio is not None and not has_answered and (line := self._stdio.last_line):
            text += f" (the last line that it printed: {shorten(line)})"
        self._context.on_slow_start(self, text)

    def _set_state(self, state: HostState) -> None:
        self.state = check_transition(self.state, state)
        self._since = time.time()
        if state is not HostState.BOOTSTRAPPING:
            self._step = Step(Stage.SPAWN)
        self._changed()

    def _changed(self) -> None:
        self._shown_at = time.monotonic()
        self._context.host_changed(self)

    # -- from the link ---------------------------------------------------------------------

    def offer(self, listener: int, peer: Address, end: End, destination: Address | None) -> None:
        self._context.on_client(self, listener, peer, end, destination)

    def refused(self, reason: str) -> None:
        self._context.on_refused(self, reason)

    def report(self, rows: list[Any]) -> Iterator[None]:
        return self._context.on_direct_report(self, rows)

    def scarce_descriptors(self, used: int, limit: int) -> None:
        if text := self._scarcity.line(used, limit, time.monotonic()):
            self._context.host_log("warning", self.host.name, text)


def _root_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
