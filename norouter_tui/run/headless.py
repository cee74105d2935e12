"""A mesh without a screen: bring it up, tell what happens, end with an exact exit status."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar

import anyio
import anyio.abc
from rich.text import Text

from norouter_core.engine import Engine, MeshFailed, Subscription
from norouter_core.engine.events import Event, HostChanged, Ready, Stopped
from norouter_core.engine.status import HostState, Status
from norouter_core.manifest import Loaded
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.cli.check import load, sayer
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output import writers
from norouter_tui.output.json_lines import JsonLines
from norouter_tui.output.printer import Printer, Say, not_ready_lines
from norouter_tui.run.child_command import PATIENCE, ChildCommand, missing
from norouter_tui.run.crash import reporter
from norouter_tui.run.detach import DetachError, StartReport, detached
from norouter_tui.run.environment import with_proxy
from norouter_tui.run.readiness import NotOurs, Readiness
from norouter_tui.run.reload import Reloading, controlled
from norouter_tui.run.signals import watch_signals

_PATIENCE = 1.0
"""Seconds of an orderly stop after which a person is told of the other way."""
_DRAIN = 2.0
"""Seconds for the last events to be shown once the engine has stopped."""
_AT_ONCE = 0.5
"""Seconds for the rest of the stop once the exec commands have been killed."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `norouter run` was asked for. `wait_ready` is in seconds; `control` opens the control
    socket, `watch` loads the manifest again whenever it changes, `command` runs once all is ready,
    and ends the run."""

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

    @property
    def ready_timeout(self) -> float | None:
        """Seconds for the mesh to be ready; None waits for it as long as it takes."""
        if self.wait_ready is None and (self.command or self.detach):
            return PATIENCE
        return self.wait_ready


class EventSink(Protocol):
    """What shows events."""

    def show(self, event: Event) -> None: ...
    def missed(self, number: int) -> None: ...


def run_file(file: str, options: RunOptions) -> int:
    """Runs the mesh of a manifest until it is asked to end, or its command has ended."""
    say = sayer(sys.stderr)
    status, trouble = missing(options.command) if options.command else (ExitCode.OK, "")
    if status is not ExitCode.OK:
        say(Text(f"norouter: {trouble}: nothing was started", style="bold red"))
        return status
    loaded = load(file, say)
    if loaded is None:
        return ExitCode.USAGE
    if not loaded.spec.hosts:
        text = f"{escape(loaded.name)}: there is no host to bring up, as warned of above"
        say(Text(text, style="bold red"))
        return ExitCode.USAGE
    readiness = Readiness("" if file == "-" else file, options.ready_file)
    try:
        readiness.prepare()
        if not options.detach:
            return _run(loaded, options, readiness)
        name = os.path.basename(loaded.name).partition(".")[0]
        return detached(name, lambda report: _run(loaded, options, readiness, report))
    except (NotOurs, DetachError) as error:
        say(Text(f"norouter: {escape(str(error))}", style="bold red"))
        return ExitCode.USAGE


def _run(
    loaded: Loaded, options: RunOptions, readiness: Readiness, report: StartReport | None = None
) -> int:
    if report is not None:
        readiness.call = report.ready
    try:
        return run_loaded(loaded, options, readiness=readiness)[0]
    finally:
        readiness.over()


def run_loaded(
    loaded: Loaded,
    options: RunOptions,
    *,
    reopen: bool = False,
    readiness: Readiness | None = None,
) -> tuple[int, bool]:
    """Runs the mesh of a manifest that has hosts; how it ended, and whether by RETURN.

    Args:
        reopen: a line on stdin stops the mesh in order.
        readiness: told when the mesh is ready.
    """
    document = _document(loaded, options)
    out, err = writers.open_writers()
    paint_out, paint_err = writers.painter(sys.stdout), writers.painter(sys.stderr)

    def diagnose(line: Text) -> None:
        err.put(paint_err(line))

    def tell(line: Text) -> None:
        out.put(paint_out(line))

    tells = diagnose if options.command else tell  # stdout is the command's then
    told = _nowhere if options.as_json or options.quiet else tells
    printer = Printer(told, diagnose, debug=options.debug, expected=len(document.spec.hosts))
    faces: list[EventSink] = [printer]
    if options.as_json:
        faces.append(JsonLines(out.put))

    def settle() -> None:
        for writer in (out, err):
            writer.drain()

    def leave() -> NoReturn:
        for writer in (out, err):
            writer.close(_AT_ONCE / 2)
        os._exit(ExitCode.INTERRUPTED)

    run = HeadlessRun(document, options, faces, diagnose, leave, reopen=reopen)
    run.readiness = readiness
    if readiness is not None:
        readiness.settle = settle
    if options.command:
        run.command = ChildCommand(options.command, loaded.name, diagnose)
    try:
        return run_async(run.main, uvloop=options.uvloop), run.returned
    finally:
        for writer in (out, err):
            writer.close()


def _document(loaded: Loaded, options: RunOptions) -> Document:
    if options.command and (spec := with_proxy(loaded.spec)) != loaded.spec:
        # This mesh is no more what the file says, and is never to be saved there.
        return Document.empty(spec)
    return Document.of(loaded)


def run_async(main: Callable[[], Awaitable[T]], *, uvloop: bool) -> T:
    """`anyio.run` on uvloop where it is installed and wanted, with no traceback from the loop."""

    async def watched() -> T:
        reporter.watch_loop(asyncio.get_running_loop())
        return await main()

    fast = uvloop and importlib.util.find_spec("uvloop") is not None
    return anyio.run(watched, backend_options={"use_uvloop": fast})


class HeadlessRun:
    """One run of a mesh, from `apply` to the orderly stop.

    Args:
        document: the mesh.
        options: see `RunOptions`.
        faces: shown every event, in order.
        diagnose: takes lines about the run itself.
        leave: ends the process, whatever still runs in it.
        reopen: a line on stdin ends the run, and `returned` is True then.
    """

    def __init__(
        self,
        document: Document,
        options: RunOptions,
        faces: list[EventSink],
        diagnose: Say,
        leave: Callable[[], NoReturn],
        *,
        reopen: bool = False,
    ) -> None:
        self.returned = False
        self.readiness: Readiness | None = None
        self.command: ChildCommand | None = None
        self._reopen = reopen
        self._document = document
        self._options = options
        self._faces = faces
        self._diagnose = diagnose
        self._leave = leave
        self._engine: Engine | None = None
        self._over = anyio.Event()
        self._shown = anyio.Event()
        self._code: int = ExitCode.OK

    async def main(self) -> int:
        """Runs to the end and returns how it ended."""
        async with anyio.create_task_group() as tasks:
            if self.command is not None:
                await tasks.start(self.command.watch, self._end, self._end_at_once)
            else:
                await tasks.start(watch_signals, lambda: self._end(ExitCode.OK), self._end_at_once)
            async with Engine() as engine:
                self._engine = engine
                streams = self._options.as_json or self._options.debug
                tasks.start_soon(self._show, engine, engine.subscribe(streams=streams))
                async with (
                    Session(engine, self._document, autosave=Autosave()) as session,
                    anyio.create_task_group() as work,
                ):
                    work.start_soon(self._bring_up, engine)
                    work.start_soon(self._steer, session)
                    if self._reopen:
                        work.start_soon(self._await_return)
                    await self._over.wait()
                    work.cancel_scope.cancel()
                tasks.start_soon(self._explain_wait)
            with anyio.move_on_after(_DRAIN):
                await self._shown.wait()
            tasks.cancel_scope.cancel()
        return self._code

    def _end(self, code: int) -> None:
        """The first reason to end is the one that counts."""
        if not self._over.is_set():
            self._code = code
            self._over.set()

    async def _await_return(self) -> None:
        if await writers.line_read(0) and not self._over.is_set():
            self.returned = True
            self._end(ExitCode.OK)

    def _end_at_once(self) -> None:
        """A second signal: nothing is waited for any more, and a child that cannot be killed (it
        is another user's, say) holds nothing up."""
        self._code = ExitCode.INTERRUPTED
        self._diagnose(Text("ended at once, by a second signal: the exec commands were killed"))
        if self._engine is not None:
            self._engine.kill_now()
        asyncio.get_running_loop().call_later(_AT_ONCE, self._leave)

    async def _explain_wait(self) -> None:
        await anyio.sleep(_PATIENCE)
        self._diagnose(Text("stopping takes its time; a second SIGINT (Ctrl-C) ends it at once"))

    async def _steer(self, session: Session) -> None:
        reloading = Reloading(session, self._diagnose, lambda: self._end(ExitCode.OK))
        async with anyio.create_task_group() as tasks:
            if self.command is None:  # else that signal is the command's
                tasks.start_soon(reloading.on_signal)
            if self._options.watch and session.document.path:
                tasks.start_soon(reloading.on_change)
            if self._options.control:
                async with controlled(session, lambda: self._end(ExitCode.OK), self._diagnose):
                    await anyio.sleep_forever()

    async def _bring_up(self, engine: Engine) -> None:
        wait = self._options.ready_timeout
        try:
            with anyio.fail_after(wait):
                if wait is not None:
                    await engine.wait_ready()
        except TimeoutError:
            for line in not_ready_lines(engine.status(), wait or 0):
                self._diagnose(line)
            self._end(ExitCode.NOT_READY)
        except MeshFailed as failed:
            names = ", ".join(escape(name) for name in failed.problems)
            self._diagnose(Text(f"not ready: {names} failed for good", style="bold red"))
            self._end(ExitCode.MESH_FAILED)
        else:
            if self.command is not None:
                self._end(await self.command.run(engine))

    async def _show(self, engine: Engine, events: Subscription) -> None:
        missed = 0
        with events:
            async for event in events:
                if events.dropped > missed:
                    for face in self._faces:
                        face.missed(events.dropped - missed)
                    missed = events.dropped
                for face in self._faces:
                    face.show(event)
                if isinstance(event, Ready) and self.readiness is not None:
                    self._tell_ready(self.readiness, engine)
                if isinstance(event, HostChanged) and all_failed(engine.status()):
                    self._give_up()
                if isinstance(event, Stopped):
                    break
        self._shown.set()

    def _tell_ready(self, readiness: Readiness, engine: Engine) -> None:
        try:
            readiness.ready(engine)
        except OSError as error:
            text = f"cannot write the ready file: {escape(str(error))}"
            self._diagnose(Text(text, style="bold red"))

    def _give_up(self) -> None:
        if not self._over.is_set():
            self._diagnose(Text("every host with a command has failed for good", style="bold red"))
        self._end(ExitCode.MESH_FAILED)


def all_failed(status: Status) -> bool:
    """Whether no host with a command can come up any more (False without any such host)."""
    states = [host.state for host in status.hosts if host.command]
    return bool(states) and all(state == HostState.FAILED for state in states)


def _nowhere(line: Any) -> None:
    """Where readiness lines go when stdout carries JSON."""
