"""A person at the REPL: keys go in by a pipe, the screen is read as text; the session is real."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TextIO, cast

from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from norouter_core.engine.engine import Engine
from norouter_core.model import MeshSpec
from norouter_core.session.autosave import Autosave
from norouter_core.session.client import Client
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.repl.interactive import Repl
from norouter_tui.repl.terminal import Terminal
from tests.engine.meshes import TIMING, children, local
from tests.servers import eventually

_FORWARD = re.compile(r"(?:\x1b\[([0-9]+)D)?\x1b\[([0-9]+)C")
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>])")

CTRL_C, CTRL_D, TAB, ENTER = "\x03", "\x04", "\t", "\r"


def _blanks(moved: re.Match[str]) -> str:
    return " " * (int(moved[2]) - int(moved[1] or 0))


async def _nothing_waits(timeout: float) -> None:
    """What is written to a `Screen` is shown at once."""


class Screen(io.StringIO):
    """What was written to the terminal, which says where its cursor is when it is asked."""

    encoding = "utf-8"

    def __init__(self, keys: PipeInput) -> None:
        super().__init__()
        self._keys = keys

    def write(self, text: str) -> int:
        for _ in range(text.count("\x1b[6n")):
            self._keys.send_text("\x1b[20;1R")
        return super().write(text)

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


class ReplDriver:
    """The keyboard and the screen of one REPL."""

    def __init__(self, repl: Repl, keys: PipeInput, screen: Screen, client: Client) -> None:
        self.repl = repl
        self.client = client
        self._keys = keys
        self._screen = screen
        self._read = 0
        self.task: asyncio.Task[int] = asyncio.create_task(repl.run())

    @property
    def raw(self) -> str:
        """Everything that was sent to the terminal."""
        return self._screen.getvalue()

    @property
    def text(self) -> str:
        """Everything shown so far, without escape sequences."""
        moved = _FORWARD.sub(_blanks, self.raw)
        return _ESCAPE.sub("", moved).replace("\r", "")

    def type(self, text: str) -> None:
        self._keys.send_text(text)

    def paste(self, text: str) -> None:
        """As a terminal with bracketed paste sends it."""
        self._keys.send_text(f"\x1b[200~{text}\x1b[201~")

    async def shows(self, part: str) -> str:
        """Waits for `part` after what was waited for last; gives what came up to its end."""
        with contextlib.suppress(AssertionError):
            await eventually(
                lambda: part in self.text[self._read :] or self.task.done(), f"{part!r} is shown"
            )
        begun = self._read
        at = self.text.find(part, begun)
        assert at >= 0, f"{part!r} is not in {self.text[begun:]}"
        self._read = at + len(part)
        return self.text[begun : self._read]

    async def says(self, line: str, part: str) -> str:
        """Types a command and waits for what it shows."""
        self.type(line + ENTER)
        return await self.shows(part)

    async def ended(self) -> int:
        """Waits for the end; the exit status."""
        async with asyncio.timeout(15):
            return await self.task


@asynccontextmanager
async def drive_client(
    client: Client,
    *,
    history: History | None = None,
    columns: int = 100,
    vi: bool = False,
    typed: str = "",
) -> AsyncIterator[ReplDriver]:
    """A REPL on `client`, at its prompt; ended in the end.

    Args:
        typed: keys that come before the prompt; unsaved work is offered then.
    """
    with create_pipe_input() as keys, ExitStack() as stack:
        screen = Screen(keys)
        output = Vt100_Output(cast(TextIO, screen), lambda: Size(40, columns), term="xterm")
        stack.enter_context(create_app_session(input=keys, output=output))
        terminal = Terminal(output, lambda text: text.plain, _nothing_waits)
        repl = Repl(client, terminal, history or InMemoryHistory(), vi=vi, recovers=bool(typed))
        keys.send_text(typed)
        made = ReplDriver(repl, keys, screen, client)
        try:
            await made.shows("norouter> ")
            yield made
        finally:
            made.task.cancel()
            await asyncio.wait([made.task])


@asynccontextmanager
async def drive_repl(
    spec: MeshSpec | None = None,
    *,
    folder: Path | None = None,
    history: History | None = None,
    columns: int = 100,
    vi: bool = False,
    client: Client | None = None,
) -> AsyncIterator[ReplDriver]:
    """A REPL on a real session with real hosts, or on `client`; ended in the end."""
    async with Engine(TIMING) as engine:
        document = Document.empty(spec or MeshSpec((local("local"),)))
        autosave = Autosave(folder) if folder else None
        async with Session(engine, document, autosave=autosave) as session:
            async with drive_client(
                client or session, history=history, columns=columns, vi=vi
            ) as made:
                yield made
    await eventually(lambda: not children(), f"no process is left: {children()}")
