"""Pacing: thousands of small steps must not block the event loop."""

from __future__ import annotations

import asyncio
from collections import deque

_STEPS = 128
"""Steps, of some 50 us each, in one iteration of the loop."""


class Pacer:
    """Lets a limited number of steps begin in each iteration of the loop."""

    def __init__(self, steps: int = _STEPS) -> None:
        self._steps = steps
        self._left = steps
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refilling = False

    async def wait(self) -> None:
        """Return when the next step may begin."""
        loop = asyncio.get_running_loop()
        if not self._refilling:
            self._refilling = True
            loop.call_soon(self._refill, loop)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _refill(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = self._steps
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # a cancelled one takes no turn
                turn.set_result(None)
                self._left -= 1
        # The waiters run in the next iteration, which is then full.
        self._refilling = self._left < self._steps
        if self._refilling:
            loop.call_soon(self._refill, loop)
