"""Work in small pieces, so that thousands of them do not hold up the event loop."""

from __future__ import annotations

import asyncio
from collections import deque

_STEPS = 128
"""Pieces of work, of some 50 us each, before the rest of the loop has its turn."""


class Pacer:
    """Lets only so many pieces of work begin in one iteration of the loop."""

    def __init__(self, steps: int = _STEPS) -> None:
        self._steps = steps
        self._left = steps
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refilling = False

    async def wait(self) -> None:
        """Return when the next piece of work may begin."""
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
        # Those who waited take their turns in the next iteration, which is to be full then.
        self._refilling = self._left < self._steps
        if self._refilling:
            loop.call_soon(self._refill, loop)
