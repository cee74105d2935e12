"""The terminal of the REPL: what commands write, lines above the prompt, and shell commands."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from select import select
from subprocess import DEVNULL

import anyio
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.output import Output
from rich.text import Text

from norouter_core.links.child_limits import with_original_limit
from norouter_core.mailbox import Mailbox
from norouter_tui.output.units import count

Drain = Callable[[float], Awaitable[None]]

_LEND_TIMEOUT = 2.0
"""Seconds to wait for output before something else gets the screen."""


class Terminal:
    """A `norouter_tui.output.display.Sink` that shares the screen with prompt_toolkit.

    Args:
        output: That of prompt_toolkit.
        paint: Returns a text as it is written, with or without colors.
        drain: Waits until the output is shown, for a number of seconds at most.
    """

    def __init__(self, output: Output, paint: Callable[[Text], str], drain: Drain) -> None:
        self._output = output
        self._paint = paint
        self._drain = drain
        self.reading = anyio.Lock()
        """Held while a prompt reads the terminal."""
        self._free = anyio.Lock()
        self._line_ended = anyio.Event()
        self._line_ended.set()

    @property
    def width(self) -> int:
        return self._output.get_size().columns

    def write(self, text: Text) -> None:
        """Write while no prompt is shown."""
        self._output.write_raw(self._paint(text))
        self._output.flush()
        if text.plain.endswith("\n"):
            self._line_ended.set()
        elif text.plain and self._line_ended.is_set():
            self._line_ended = anyio.Event()

    def write_bytes(self, source: str, data: bytes) -> None:
        raise NotImplementedError("a terminal gets no raw bytes")

    def say(self, *lines: Text) -> None:
        """Write whole lines while no prompt is shown."""
        for line in lines:
            self.write(Text.assemble(line, "\n"))

    async def above(self, lines: Iterable[Text]) -> None:
        """Write whole lines above the prompt, or between other lines if there is none."""
        async with self._free:
            await self._line_ended.wait()
            await run_in_terminal(lambda: self.say(*lines))

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Give the screen to something else; meanwhile, `above` waits."""
        async with self._free:
            await self._drain(_LEND_TIMEOUT)
            yield


MAX_NOTICES = 20
"""How many lines are shown at once."""
PAUSE = 0.25
"""Seconds between two groups of lines: each of them redraws the prompt."""

Show = Callable[[list[Text]], Awaitable[None]]


class Notices:
    """Lines about events, shown between prompts a few at a time. A flood is summed up.

    Args:
        show: Writes lines; waits while they would be in the way.
        pause: Seconds between two groups.
    """

    def __init__(self, show: Show, pause: float = PAUSE) -> None:
        self._show = show
        self._pause = pause
        self._lines = Mailbox[Text](MAX_NOTICES)

    def put(self, line: Text) -> None:
        """Take a line; never waits."""
        self._lines.put(line)

    async def run(self) -> None:
        """Show lines as they come, until cancelled."""
        while await self._lines.wait():
            await self.flush()
            await anyio.sleep(self._pause)

    async def flush(self) -> None:
        """Show what waits."""
        lines, dropped = self._lines.take_all(), self._lines.dropped
        self._lines.dropped = 0
        if dropped:
            what = f"... {count(dropped, 'line')} left out; see `log` and `status`"
            lines.insert(0, Text(what, style="dim"))
        if lines:
            await self._show(lines)


def has_waiting_keys(source: Input) -> bool:
    """Return whether keys were typed that no prompt has taken."""
    keys = get_typeahead(source)
    store_typeahead(source, keys)
    if keys:
        return True
    # Otherwise the system keeps a line to itself until its Enter.
    with source.raw_mode():
        return bool(select([source.fileno()], (), (), 0)[0])


async def run_shell(command: str, *, typed: bool = True) -> int:
    """Run a command in the user's shell, on the stdio of this process.

    Return its exit status, negative for a signal. An interrupt is meant for the command; the caller
    must ignore it.

    Args:
        typed: The command can read stdin; False if that is a script.

    Raises:
        OSError: The shell cannot be started.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    process = await anyio.open_process(
        with_original_limit((shell, "-c", command)),
        stdin=None if typed else DEVNULL,
        stdout=None,
        stderr=None,
    )
    async with process:
        return await process.wait()
