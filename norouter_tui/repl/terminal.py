"""The terminal of the REPL: what commands write, and lines that go above a prompt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import anyio
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.output import Output
from rich.text import Text

Drain = Callable[[float], Awaitable[None]]

_PATIENCE = 2.0
"""Seconds that a screen may take to be lent."""


class Terminal:
    """A `norouter_tui.output.display.Paper` that shares the screen with prompt_toolkit.

    Args:
        output: prompt_toolkit's.
        paint: text to what is written, with colours or without.
        drain: waits until what was written is shown, for so many seconds at most.
    """

    def __init__(self, output: Output, paint: Callable[[Text], str], drain: Drain) -> None:
        self._output = output
        self._paint = paint
        self._drain = drain
        self._free = anyio.Lock()
        self._line_ended = anyio.Event()
        self._line_ended.set()

    @property
    def width(self) -> int:
        return self._output.get_size().columns

    def write(self, text: Text) -> None:
        """Writes while no prompt is shown."""
        self._output.write_raw(self._paint(text))
        self._output.flush()
        if text.plain.endswith("\n"):
            self._line_ended.set()
        elif text.plain and self._line_ended.is_set():
            self._line_ended = anyio.Event()

    def write_bytes(self, source: str, data: bytes) -> None:
        raise NotImplementedError("a terminal gets no raw bytes")

    def say(self, *lines: Text) -> None:
        """Writes whole lines while no prompt is shown."""
        for line in lines:
            self.write(Text.assemble(line, "\n"))

    async def above(self, lines: Iterable[Text]) -> None:
        """Writes whole lines above the prompt, or between other lines where there is none."""
        async with self._free:
            await self._line_ended.wait()
            await run_in_terminal(lambda: self.say(*lines))

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """While somebody else has the screen: nothing is written `above`."""
        async with self._free:
            await self._drain(_PATIENCE)
            yield
