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
"""Seconds between two looks at a watched file, and without a change before it is read."""


class Reloading:
    """Reloads the manifest of a mesh on SIGHUP, or when the file changes.

    Streams that the change does not touch stay up. If the manifest has errors, they are printed,
    and the mesh stays as it is.

    Args:
        session: of the mesh.
        say: takes lines for the user.
        hang_up: called when SIGHUP means that the terminal has gone.
    """

    def __init__(self, session: Session, say: PrintLine, hang_up: Callable[[], None]) -> None:
        self._session = session
        self._say = say
        self._hang_up = hang_up
        self._loading = anyio.Lock()

    async def on_signal(self) -> None:
        """Reload at every SIGHUP, until cancelled, unless it is ignored, as under nohup."""
        number = getattr(signal, "SIGHUP", None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:
            return
        had_terminal = _has_terminal()
        with anyio.open_signal_receiver(number) as signals:
            async for _ in signals:
                if had_terminal and not _has_terminal():
                    self._hang_up()
                elif self._session.document.path:
                    await self.load()
                else:
                    self._say(Text("SIGHUP: this mesh has no file to reload"))

    async def on_change(self) -> None:
        """Reload when the file has changed, until cancelled; never over unsaved live changes."""
        seen = await self._fingerprint()
        while True:
            await anyio.sleep(INTERVAL)
            now = await self._fingerprint()
            if now == seen:
                continue
            while now != seen:
                seen = now
                await anyio.sleep(INTERVAL)
                now = await self._fingerprint()
            if now is not None and not await asyncio.to_thread(self._session.document.is_current):
                await self._load_if_saved()

    async def _load_if_saved(self) -> None:
        if not self._session.unsaved:
            await self.load()
            return
        path = self._session.document.path
        text = (
            f"{escape(path)} has changed, but the mesh has unsaved changes; not reloaded "
            f"(to discard them: norouter ctl --yes load {escape(path)})"
        )
        self._say(Text(text, style="yellow"))

    async def load(self) -> None:
        """Reload now."""
        path = self._session.document.path
        async with self._loading:
            if await asyncio.to_thread(load_manifest, path, self._say) is None:
                self._say(Text("the mesh stays as it is", style="bold"))
                return
            call = build_call("load", file=path)
            outcome = await self._session.run(call, _nothing, confirmed=True)
        if outcome.failure is not None:
            for text in failure_lines(outcome.failure):
                self._say(text)
        else:
            self._say(Text(escape(outcome.message)))

    async def _fingerprint(self) -> tuple[int, ...] | None:
        return await asyncio.to_thread(_file_fingerprint, self._session.document.path)


def _file_fingerprint(path: str) -> tuple[int, ...] | None:
    """Return values that change when a file does; None if there is no file."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _has_terminal() -> bool:
    """Return whether this process has a controlling terminal that still exists."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _nothing(output: Any) -> None:
    """`load` has no output."""
