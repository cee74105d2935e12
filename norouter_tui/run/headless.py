"""A mesh without a screen: bring it up, print what happens, exit with an exact status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import anyio.abc
from rich.text import Text

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Event, HostChanged, Ready, Stopped
from norouter_core.engine.readiness import MeshFailed, PortsFailed
from norouter_core.engine.status import HostState
from norouter_core.manifest import Loaded
from norouter_core.model import Host
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output import writers
from norouter_tui.output.json_lines import JsonLines
from norouter_tui.output.printer import Printer, not_ready_lines, ports_failed_lines
from norouter_tui.output.writers import PrintLine, line_printer
from norouter_tui.run.child_command import READY_TIMEOUT, ChildCommand, check_runnable
from norouter_tui.run.detach import DetachError, StartReport, run_detached
from norouter_tui.run.documents import left_work_lines, load_manifest
from norouter_tui.run.environment import with_proxy
from norouter_tui.run.local_ports import addresses_in_use, describe_holders
from norouter_tui.run.meshes import already_runs
from norouter_tui.run.process import STOPPING, run_async
from norouter_tui.run.questions import TerminalAsker, answer_questions, open_terminal
from norouter_tui.run.readiness import ForeignFile, Readiness
from norouter_tui.run.reload import Reloading
from norouter_tui.run.session_host import SessionHost
from norouter_tui.shell.inside import Inside, NoNamespace, make_namespace, with_shell

_CLOSE_TIMEOUT = 2.0
"""Seconds for a slow terminal to take the last lines."""
_EXIT_TIMEOUT = 0.25
"""The same for each of stdout and stderr after a second signal."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of `norouter run`.

    Attributes:
        wait_ready: seconds for the mesh to be ready; None for no limit.
        control: whether to open the control socket.
        watch: whether to reload the manifest when it changes.
        command: runs once all is ready, and ends the run when it ends.
        ready_file: exists while the mesh is ready; empty for none.
        inside: whether the command runs in a namespace of its own, inside the mesh.
    """

    wait_ready: float | None = None
    as_json: bool = False
    debug: bool = False
    uvloop: bool = True
    control: bool = True
    watch: bool = False
    quiet: bool = False
    command: tuple[str, ...] = ()
    ready_file: str = ""
    detach: bool = False
    inside: bool = False

    @property
    def ready_timeout(self) -> float | None:
        """Seconds for the mesh to be ready; None for no limit."""
        if self.wait_ready is None and (self.command or self.detach):
            return READY_TIMEOUT
        return self.wait_ready


class EventSink(Protocol):
    """Shows events."""

    def show(self, event: Event) -> None: ...
    def missed(self, number: int) -> None: ...


def run_file(file: str, options: RunOptions) -> int:
    """Run the mesh of a manifest until a signal or the end of its command; return the status."""
    say = line_printer(sys.stderr)
    if options.command:
        status, reason = check_runnable(options.command)
        if status is not ExitCode.OK:
            say(Text(f"norouter: {reason}; nothing was started", style="bold red"))
            return status
    loaded = load_manifest(file, say, runs=True, adds_local=bool(options.command))
    if loaded is None:
        return ExitCode.USAGE
    if not loaded.spec.hosts:
        text = f"{escape(loaded.name)}: no hosts to bring up; see the warning above"
        say(Text(text, style="bold red"))
        return ExitCode.USAGE
    if not options.inside and (running := already_runs(file)):
        say(running)
        return ExitCode.ALREADY_RUNS
    readiness = Readiness("" if file == "-" else file, options.ready_file)
    try:
        try:
            readiness.prepare()
        except OSError as error:
            text = f"cannot write the ready file {options.ready_file}: {error.strerror}"
            raise ForeignFile(text) from None
        if not options.detach:
            return _run(loaded, options, readiness)
        name = os.path.basename(loaded.name).partition(".")[0]
        return run_detached(
            name,
            lambda report: _run(loaded, options, readiness, report),
            as_json=options.as_json,
        )
    except (ForeignFile, DetachError) as error:
        say(Text(f"norouter: {escape(str(error))}", style="bold red"))
        return ExitCode.USAGE


def _run(
    loaded: Loaded, options: RunOptions, readiness: Readiness, report: StartReport | None = None
) -> int:
    if report is not None:
        readiness.on_ready = report.ready
    try:
        if not options.inside:
            return run_loaded(loaded, options, readiness=readiness)[0]
        with make_namespace(loaded.spec, addresses_in_use()) as inside:
            return run_loaded(loaded, options, readiness=readiness, inside=inside)[0]
    except NoNamespace as error:
        say = line_printer(sys.stderr)
        say(Text(f"norouter: {escape(str(error))}", style="bold red"))
        if error.hint:
            say(Text(f"  hint: {escape(error.hint)}"))
        return ExitCode.MESH_FAILED
    finally:
        readiness.end()


def run_loaded(
    loaded: Loaded,
    options: RunOptions,
    *,
    reopen: bool = False,
    readiness: Readiness | None = None,
    inside: Inside | None = None,
) -> tuple[int, bool]:
    """Run the mesh of a manifest that has hosts.

    Args:
        reopen: whether a line on stdin stops the mesh.
        readiness: learns when the mesh is ready.
        inside: the namespace of the command.

    Returns:
        The exit status, and whether a line on stdin ended the run.
    """
    out, err = writers.open_writers()
    paint_out, paint_err = writers.painter(sys.stdout), writers.painter(sys.stderr)

    def diagnose(line: Text) -> None:
        err.put(paint_err(line))

    def show(line: Text) -> None:
        out.put(paint_out(line))

    def settle() -> None:
        for writer in (out, err):
            writer.drain()

    def close(timeout: float) -> None:
        for writer in (out, err):
            writer.close(timeout)

    document = _document(loaded, options, inside)
    command = (
        ChildCommand(options.command, loaded.name, diagnose, inside) if options.command else None
    )
    shows = diagnose if command else show  # stdout belongs to the command then
    sinks: list[EventSink] = [_printer(options, shows, diagnose, len(document.spec.hosts))]
    if options.as_json:
        sinks.append(JsonLines(out.put))
    if readiness is not None:
        readiness.settle = settle
    run = HeadlessRun(options, sinks, diagnose, command=command, readiness=readiness, reopen=reopen)
    host = run.host(document, lambda: close(_EXIT_TIMEOUT))
    for line in left_work_lines(document.path, control=options.control):
        diagnose(line)
    try:
        return run_async(host.run, uvloop=options.uvloop), run.has_returned
    finally:
        close(_CLOSE_TIMEOUT)


def _printer(options: RunOptions, show: PrintLine, diagnose: PrintLine, hosts: int) -> Printer:
    return Printer(
        _nowhere if options.as_json or options.quiet else show,
        diagnose,
        debug=options.debug,
        expected=hosts,
        again="norouter ctl host restart {}" if options.control else "restart the run",
    )


def _document(loaded: Loaded, options: RunOptions, inside: Inside | None) -> Document:
    if inside is not None:
        return Document.empty(with_shell(loaded.spec, inside, addresses_in_use()))
    if options.command and (spec := with_proxy(loaded.spec)) != loaded.spec:
        # This mesh differs from the file, and must never be saved there.
        return Document.empty(spec)
    return Document.of(loaded)


class HeadlessRun:
    """A mesh without a user: brings it up, shows its events, runs the command, reloads.

    Args:
        options: see `RunOptions`.
        sinks: each is shown every event, in order.
        diagnose: takes lines about the run itself.
        command: ends the run when it ends.
        readiness: learns when the mesh is ready.
        reopen: whether a line on stdin ends the run and sets `has_returned`.
    """

    keeps_work = True

    @property
    def asks(self) -> bool:
        """Whether there is a terminal to ask at, until the command runs."""
        with self._terminal() as terminal:
            return terminal is not None

    def __init__(
        self,
        options: RunOptions,
        sinks: list[EventSink],
        diagnose: PrintLine,
        *,
        command: ChildCommand | None = None,
        readiness: Readiness | None = None,
        reopen: bool = False,
    ) -> None:
        self.has_returned = False
        self.signals = STOPPING if command is None else command.signals
        self._options = options
        self._sinks = sinks
        self._diagnose = diagnose
        self._command = command
        self._readiness = readiness
        self._reopen = reopen
        self._asking: anyio.CancelScope
        self._awaits_ready = options.ready_timeout is not None
        self._host: SessionHost

    def host(self, document: Document, before_exit: Callable[[], None]) -> SessionHost:
        """Return what runs the mesh of `document` for this front end."""
        self._host = SessionHost(
            document,
            self,
            self._diagnose,
            autosave=Autosave(),
            control=self._options.control,
            observe=self._show,
            before_exit=before_exit,
        )
        return self._host

    def on_signal(self, number: signal.Signals) -> int | None:
        """Leave signals to the command; without one they stop the run."""
        return ExitCode.OK if self._command is None else self._command.on_signal(number)

    async def run(self, session: Session) -> int:
        """Run until something ends the mesh; return the exit status."""
        reloading = Reloading(session, self._diagnose, self._host.stop)
        async with anyio.create_task_group() as tasks:
            if self._command is None:  # else SIGHUP is for the command
                tasks.start_soon(reloading.on_signal)
            if self._options.watch and session.document.path:
                tasks.start_soon(reloading.on_change)
            if self._reopen:
                tasks.start_soon(self._await_return)
            self._asking = anyio.CancelScope()
            tasks.start_soon(self._answer_questions, session)
            status = await self._bring_up(session.engine)
            if status is None:
                await anyio.sleep_forever()
            tasks.cancel_scope.cancel()
        return status or ExitCode.OK

    async def _answer_questions(self, session: Session) -> None:
        with self._asking, self._terminal() as terminal:
            if terminal is not None:
                await answer_questions(session, terminal)
                self._host.stop_asking()

    def _terminal(self) -> AbstractContextManager[TerminalAsker | None]:
        # With `reopen`, the next line that is typed is no answer.
        return nullcontext() if self._reopen else open_terminal()

    async def _await_return(self) -> None:
        if await writers.line_read(0):
            self.has_returned = True
            self._host.stop()

    async def _bring_up(self, engine: Engine) -> int | None:
        """Return the exit status if the mesh does not come up, or once the command has ended."""
        wait = self._options.ready_timeout
        try:
            if wait is not None:
                with engine.questions.limits.limit(wait) as limit:
                    await engine.wait_ready()
                if limit.cancelled_caught:
                    for line in not_ready_lines(engine.status(), wait):
                        self._diagnose(line)
                    return ExitCode.NOT_READY
            self._awaits_ready = False
        except MeshFailed as failed:
            names = ", ".join(escape(name) for name in failed.problems)
            self._diagnose(Text(f"not ready: {names} failed for good", style="bold red"))
            return ExitCode.MESH_FAILED
        except PortsFailed as ports:
            holders = await describe_holders(ports.listeners)
            for line in ports_failed_lines(ports.listeners, holders):
                self._diagnose(line)
            return ExitCode.NOT_READY
        if self._command is None:
            return None
        # From now on, the terminal is the command's.
        self._asking.cancel()
        self._host.stop_asking()
        return await self._command.run(engine)

    async def _show(
        self,
        engine: Engine,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        events = engine.subscribe(streams=self._options.as_json or self._options.debug)
        task_status.started()
        missed = 0
        with events:
            async for event in events:
                # Once, when everything that was kept has been shown.
                if events.dropped > missed and not events.waiting:
                    for sink in self._sinks:
                        sink.missed(events.dropped - missed)
                    missed = events.dropped
                for sink in self._sinks:
                    sink.show(event)
                if isinstance(event, Ready) and self._readiness is not None:
                    self._announce_ready(self._readiness, engine)
                if isinstance(event, HostChanged) and event.host.state is HostState.FAILED:
                    if all_failed(engine.host_states()):
                        self._give_up()
                if isinstance(event, Stopped):
                    break

    def _announce_ready(self, readiness: Readiness, engine: Engine) -> None:
        try:
            readiness.ready(engine)
        except (OSError, ForeignFile) as error:
            text = f"cannot write the ready file: {escape(str(error))}"
            self._diagnose(Text(text, style="bold red"))

    def _give_up(self) -> None:
        if self._awaits_ready:
            return  # `_bring_up` reports which host failed
        if not self._host.is_stopping:
            self._diagnose(Text("every host with a command has failed for good", style="bold red"))
        self._host.stop(ExitCode.MESH_FAILED)


def all_failed(states: Iterable[tuple[Host, HostState]]) -> bool:
    """Whether no host with a command can come up any more (False without any such host)."""
    remote = [state for host, state in states if not host.is_local]
    return bool(remote) and all(state is HostState.FAILED for state in remote)


def _nowhere(line: Any) -> None:
    """Where readiness lines go when stdout carries JSON."""
