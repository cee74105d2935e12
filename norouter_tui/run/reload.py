"""Reload a manifest that has changed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from rich.text import Text

from norouter_core.commands.call import build_call
from norouter_core.sanitize import escape
from norouter_core.session.session import Session
from norouter_tui.output.rendering import failure_lines
from norouter_tui.output.writers import PrintLine
from norouter_tui.run.documents import load_manifest

INTERVAL = 0.3
"""Seconds between two looks at a watched file, which is read once it has rested so long."""


class Reloading:
    """Makes the mesh that of its manifest again, where that has changed: when a SIGHUP asks for it,
    or by itself. Streams that the change does not touch stay up; a manifest with mistakes is told
    of, and the mesh runs on as it was.

    Args:
        session: of the mesh; nothing can be loaded if it has no file.
        say: takes lines for a person.
        hangs_up: called when the terminal has gone, which a SIGHUP may mean as well.
    """

    def __init__(self, session: Session, say: PrintLine, hangs_up: Callable[[], None]) -> None:
        self._session = session
        self._say = say
        self._hangs_up = hangs_up
        self._loading = anyio.Lock()

    async def on_signal(self) -> None:
        """Reloads at every SIGHUP, until cancelled. One that was ignored from the beginning, as
        nohup has it, still is."""
        number = getattr(signal, "SIGHUP", None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:
            return
        had_terminal = _has_terminal()
        with anyio.open_signal_receiver(number) as signals:
            async for _ in signals:
                if had_terminal and not _has_terminal():
                    self._hangs_up()
                elif self._session.document.path:
                    await self.load()
                else:
                    self._say(Text("SIGHUP: this mesh has no file that could be loaded again"))

    async def on_change(self) -> None:
        """Reloads whenever the file has changed, until cancelled; over live changes that nobody has
        saved it does not."""
        seen = await self._look()
        while True:
            await anyio.sleep(INTERVAL)
            now = await self._look()
            if now == seen:
                continue
            while (later := await self._rested()) != now:
                now = later
            seen = now
            if now is not None and not await self._is_known():
                await self._changed()

    async def _changed(self) -> None:
        if not self._session.unsaved:
            await self.load()
            return
        path = self._session.document.path
        text = (
            f"{escape(path)} has changed, and so has the mesh, unsaved: the file is not loaded "
            f"(norouter ctl --yes load {escape(path)} does so all the same)"
        )
        self._say(Text(text, style="yellow"))

    async def load(self) -> None:
        """Reloads now."""
        path = self._session.document.path
        async with self._loading:
            if await asyncio.to_thread(load_manifest, path, self._say) is None:
                self._say(Text("the mesh runs on as it was", style="bold"))
                return
            call = build_call("load", file=path)
            outcome = await self._session.run(call, _nothing, confirmed=True)
        if outcome.failure is not None:
            for text in failure_lines(outcome.failure):
                self._say(text)
        else:
            self._say(Text(escape(outcome.message)))

    async def _rested(self) -> tuple[int, ...] | None:
        await anyio.sleep(INTERVAL)
        return await self._look()

    async def _look(self) -> tuple[int, ...] | None:
        return await asyncio.to_thread(_marks, self._session.document.path)

    async def _is_known(self) -> bool:
        """Whether the file holds what was loaded from it, or saved, last."""
        return await asyncio.to_thread(self._session.document.is_current)


def _marks(path: str) -> tuple[int, ...] | None:
    """What changes with a file; None while there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal (which is still there)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _nothing(output: Any) -> None:
    """`load` has no output."""
