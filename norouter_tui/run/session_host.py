"""The life of a session, from its engine to the orderly stop: the same for every front end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, NoReturn, Protocol

import anyio
import anyio.abc
from rich.text import Text

from norouter_core.control import ControlServer, ListenError
from norouter_core.engine.engine import Engine
from norouter_core.engine.status import HostState
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.units import count
from norouter_tui.output.writers import PrintLine
from norouter_tui.run.documents import kept_line
from norouter_tui.run.local_ports import addresses_in_use
from norouter_tui.run.process import watch_signals

_EXPLAIN_AFTER = 1.0
"""Seconds of an orderly stop after which the user learns how to cut it short."""
_MAX_NAMES = 3
"""How many of the hosts that are still stopping are named."""
_MANY_HOSTS = 20
"""Hosts of which more are announced to stop as soon as a signal comes."""
_OBSERVE_TIMEOUT = 2.0
"""Seconds for the front end to show the last events once the engine has stopped."""
_EXIT_TIMEOUT = 0.5
"""Seconds for the rest of the stop once the exec commands have been killed."""


@asynccontextmanager
async def _controlled(
    session: Session, quits: Callable[[], None], say: PrintLine
) -> AsyncIterator[None]:
    """Open a session's control socket, for `norouter ctl` and `attach`.

    If that is not possible, `say` gets the reason, and the mesh runs without it.
    """
    server = ControlServer(session, manifest=session.document.path, on_quit=quits)
    try:
        await server.__aenter__()
    except ListenError as error:
        text = f"no control socket, so norouter ctl and attach do not work: {error}"
        say(Text(escape(text), style="yellow"))
        yield
        return
    try:
        yield
    finally:
        await server.__aexit__(None, None, None)


class FrontEnd(Protocol):
    """What a session runs for: a user at a terminal, a script, a child command."""

    @property
    def keeps_work(self) -> bool:
        """Whether unsaved changes outlive the session, for `recover`."""
        ...

    @property
    def asks(self) -> bool:
        """Whether it has somebody to ask what exec commands ask, from the first start on."""
        ...

    @property
    def signals(self) -> tuple[signal.Signals, ...]:
        """The signals that it or its host handles; none in a thread other than the main one."""
        ...

    def on_signal(self, number: signal.Signals) -> int | None:
        """Handle a signal, or return the exit status with which it stops the session."""
        ...

    async def run(self, session: Session) -> int:
        """Work until all is done and return the exit status. A stop cancels it."""
        ...


class SessionHost:
    """Owns a session and all that it needs: engine, autosave, control socket, signals.

    The first signal, a `quit` over the control socket or `stop` end it in order; a second signal
    ends the process at once.

    Args:
        document: the session's.
        front_end: see `FrontEnd`.
        say: takes lines about the session itself.
        autosave: keeps unsaved work; None keeps none.
        control: whether to open a control socket.
        observe: shows what happens until the engine has stopped. Started by `TaskGroup.start`
            before the mesh comes up: a subscription made before `started()` misses no event.
        before_exit: called before a second signal ends the process; must not block for long.
    """

    def __init__(
        self,
        document: Document,
        front_end: FrontEnd,
        say: PrintLine,
        *,
        autosave: Autosave | None = None,
        control: bool = True,
        observe: Callable[..., Coroutine[Any, Any, None]] | None = None,
        before_exit: Callable[[], None] = lambda: None,
    ) -> None:
        self._document = document
        self._front_end = front_end
        self._say = say
        self._autosave = autosave
        self._control = control
        self._observe = observe
        self._before_exit = before_exit
        self._engine: Engine | None = None
        self._attendance = ExitStack()
        self._work: anyio.CancelScope | None = None
        self._status: int | None = None
        self._signal_status: int = ExitCode.OK
        self.has_kept_work = False
        """Whether the session has left unsaved work for `recover`; known once it has ended."""
        self.manifest = document.path
        """The session's manifest when it ended; empty for none."""

    async def run(self) -> int:
        """Run to the end and return the exit status; nothing of the mesh is left then."""
        if self._status is not None:
            return self._status
        async with anyio.create_task_group() as tasks:
            if self._front_end.signals:
                await tasks.start(self._watch_signals)
            is_shown = anyio.Event()
            async with Engine() as engine:
                self._engine = engine
                if self._front_end.asks:
                    self._attendance.enter_context(engine.questions.prompts.attend())
                await tasks.start(self._show, engine, is_shown)
                # A stop cancels a session that is still starting as well.
                with anyio.CancelScope() as self._work:
                    await self._run_session(engine)
                self.stop_asking()
                if self._front_end.signals:
                    tasks.start_soon(self._explain_wait)
            with anyio.move_on_after(_OBSERVE_TIMEOUT):
                await is_shown.wait()
            tasks.cancel_scope.cancel()
        assert self._status is not None
        return self._status

    async def _run_session(self, engine: Engine) -> None:
        has_finished = False
        async with Session(
            engine, self._document, autosave=self._autosave, find_in_use=addresses_in_use
        ) as session:
            session.keeps_work = self._front_end.keeps_work
            async with AsyncExitStack() as stack:
                if self._control:
                    await stack.enter_async_context(_controlled(session, self.stop, self._say))
                with anyio.CancelScope() as self._work:
                    if self._status is not None:
                        self._work.cancel()
                    status = await self._front_end.run(session)
                    has_finished = True
                    self.stop(status)
            keeps = self._autosave is not None and session.keeps_work
            self.has_kept_work = keeps and session.unsaved
            self.manifest = session.document.path
        if self.has_kept_work and not has_finished:
            self._say(kept_line("norouter repl", self.manifest))

    async def _show(
        self,
        engine: Engine,
        is_shown: anyio.Event,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        if self._observe is None:
            task_status.started()
        else:
            await self._observe(engine, task_status=task_status)
        is_shown.set()

    @property
    def is_stopping(self) -> bool:
        """Whether the session is to end, or has ended."""
        return self._status is not None

    def stop(self, status: int = ExitCode.OK) -> None:
        """Begin the orderly stop. The first call decides the exit status."""
        if self._status is None:
            self._status = status
            if self._work is not None:
                self._work.cancel()

    def stop_asking(self) -> None:
        """Let starts fail that ask, unless another front end is there to answer."""
        self._attendance.close()

    def kill_commands(self) -> None:
        """Kill the exec commands instead of waiting for their orderly stop."""
        if self._engine is not None:
            self._engine.kill_now()

    # -- signals ---------------------------------------------------------------------------

    async def _watch_signals(
        self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        await watch_signals(
            self._on_first_signal,
            self._end_at_once,
            self._front_end.signals,
            intercept=self._intercept,
            task_status=task_status,
        )

    def _intercept(self, number: signal.Signals) -> bool:
        status = self._front_end.on_signal(number)
        if status is not None:
            self._signal_status = status
        return status is None

    def _on_first_signal(self) -> None:
        if self._status is None:
            hosts = len(self._engine.host_states()) if self._engine is not None else 0
            if hosts > _MANY_HOSTS:  # so many take a while
                self._say(Text(f"stopping {hosts} hosts"))
            self.stop(self._signal_status)
        else:
            self._end_at_once()

    def _end_at_once(self) -> None:
        """Wait for nothing more, not even for a child that cannot be killed."""
        self._status = ExitCode.INTERRUPTED
        self._say(Text("interrupted while stopping: killed the exec commands"))
        self.kill_commands()
        asyncio.get_running_loop().call_later(_EXIT_TIMEOUT, self._exit)

    def _exit(self) -> NoReturn:
        self._before_exit()
        os._exit(ExitCode.INTERRUPTED)

    async def _explain_wait(self) -> None:
        await anyio.sleep(_EXPLAIN_AFTER)
        what = f" {names}" if (names := self._names_of_running()) else ""
        self._say(Text(f"still stopping{what}; press Ctrl-C (or send SIGINT) to kill what is left"))

    def _names_of_running(self) -> str:
        """Return which hosts have not stopped yet."""
        hosts = self._engine.status().hosts if self._engine is not None else ()
        names = [escape(host.name) for host in hosts if host.state is not HostState.STOPPED]
        first, more = ", ".join(names[:_MAX_NAMES]), len(names) - _MAX_NAMES
        return f"{first} and {count(more, 'more host')}" if more > 0 else first
