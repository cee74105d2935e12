"""Lines about what happens, shown between the prompts: a few at a time, a flood summed up."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from rich.text import Text

from norouter_tui.output.units import count

MOST = 20
"""Lines shown at once."""
PAUSE = 0.25
"""Seconds between two showings: each of them draws the prompt anew."""

Show = Callable[[list[Text]], Awaitable[None]]


class Notices:
    """Keeps the latest lines until they can be shown; older ones are counted and let go.

    Args:
        show: writes lines; may wait for as long as they would be in the way.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._lines: deque[Text] = deque(maxlen=MOST)
        self._lost = 0
        self._arrived = anyio.Event()

    def put(self, line: Text) -> None:
        """Takes a line; never waits."""
        self._lost += len(self._lines) == self._lines.maxlen
        self._lines.append(line)
        self._arrived.set()

    async def run(self) -> None:
        """Shows lines as they come, until it is cancelled."""
        while True:
            await self._arrived.wait()
            await self.flush()
            await anyio.sleep(PAUSE)

    async def flush(self) -> None:
        """Shows what waits."""
        self._arrived = anyio.Event()
        lines, lost = list(self._lines), self._lost
        self._lines.clear()
        self._lost = 0
        if lost:
            what = f"... {count(lost, 'line')} left out; `log` and `status` tell more"
            lines.insert(0, Text(what, style="dim"))
        if lines:
            await self._show(lines)
