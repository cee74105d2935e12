"""The whole life of a session: its engine, what talks to it, the signals that end it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import NoReturn, Protocol

import anyio
import anyio.abc
from rich.text import Text

from norouter_core.engine import Engine
from norouter_core.session.autosave import Autosave
from norouter_core.session.client import Client
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.cli.check import sayer
from norouter_tui.exit_codes import ExitCode
from norouter_tui.run.reload import controlled
from norouter_tui.run.signals import ENDING, watch_signals

_PATIENCE = 1.0
"""Seconds of an orderly stop after which a person is told of the other way."""
_AT_ONCE = 0.5
"""Seconds for the rest of the stop once the exec commands have been killed."""


class FrontEnd(Protocol):
    """What talks to a session: a person at a terminal, or a script."""

    @property
    def keeps_work(self) -> bool:
        """Whether unsaved changes outlive the session."""
        ...

    @property
    def takes_interrupts(self) -> bool:
        """Whether SIGINT is for what runs in the session, by `interrupt`, not for its end."""
        ...

    def interrupt(self) -> None: ...

    async def run(self, client: Client) -> int:
        """Works until all is done; the exit status. Cancelling ends it in order."""
        ...


class SessionHost:
    """Runs an engine with a session for as long as there is work, or until a signal ends it.

    Args:
        document: the session's.
        work: see `Work`.
    """

    def __init__(self, document: Document, work: FrontEnd) -> None:
        self._document = document
        self._work = work
        self._scope: anyio.CancelScope
        self._engine: Engine | None = None
        self._stopping = False
        # A script that is interrupted has not done its work; a person is done at any time.
        self._status_of_signal = ExitCode.OK if work.takes_interrupts else ExitCode.INTERRUPTED
        self._say = sayer(sys.stderr)

    async def main(self) -> int:
        """Runs to the end and returns the exit status; nothing of the mesh is left then."""
        status: int | None = None
        self._scope = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            if self._work.takes_interrupts:
                await tasks.start(self._watch_interrupts)
                await tasks.start(watch_signals, self._end, self._end_at_once, ENDING)
            else:
                await tasks.start(watch_signals, self._end, self._end_at_once)
            async with Engine() as engine:
                self._engine = engine
                autosave = Autosave()
                async with Session(engine, self._document, autosave=autosave) as session:
                    session.keeps_work = self._work.keeps_work
                    async with controlled(session, self._quit, self._say):
                        with self._scope:
                            status = await self._work.run(session)
                    if status is None and session.unsaved and session.keeps_work:
                        self._say(Text("unsaved changes are kept: `recover` brings them back"))
                self._stopping = True
                tasks.start_soon(self._explain_wait)
            tasks.cancel_scope.cancel()
        return self._status_of_signal if status is None else status

    def _end(self) -> None:
        self._scope.cancel()

    def _quit(self) -> None:
        """Somebody else asked for the end, by the control socket."""
        self._status_of_signal = ExitCode.OK
        self._scope.cancel()

    async def _watch_interrupts(
        self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                if self._stopping:
                    self._end_at_once()
                else:
                    self._work.interrupt()

    def _end_at_once(self) -> None:
        """Nothing is waited for any more, and a child that cannot be killed holds nothing up."""
        self._say(Text("ended at once: the exec commands were killed"))
        if self._engine is not None:
            self._engine.kill_now()
        asyncio.get_running_loop().call_later(_AT_ONCE, _leave)

    async def _explain_wait(self) -> None:
        await anyio.sleep(_PATIENCE)
        self._say(Text("stopping takes its time; Ctrl-C ends it at once"))


def _leave() -> NoReturn:
    os._exit(ExitCode.INTERRUPTED)
