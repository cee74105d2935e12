"""Time limits for others, which do not count the time in which this process stood still."""

from __future__ import annotations

import asyncio
from types import TracebackType

_STEP = 0.5
"""Seconds that are counted at once; a step that ends later than twice that counts once."""


class Countdown:
    """An `asyncio.timeout` that counts only time in which this process could see an answer.

    A machine may be suspended, a process stopped or swapped out. What others send meanwhile is read
    afterwards, so a limit that such a time seems to exceed is extended, once.
    """

    __slots__ = ("_due", "_is_extended", "_left", "_limit", "_loop", "_step", "_timer")

    def __init__(self, seconds: float | None, *, step: float = _STEP) -> None:
        """None is no limit. The context manager raises TimeoutError."""
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._left = seconds
        self._step = step
        self._due = 0.0
        self._is_extended = False
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._count()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._limit.__aexit__(kind, error, at)

    def _count(self) -> None:
        if self._left is None:
            return
        delay = min(self._left, self._step)
        self._left -= delay
        self._due = self._loop.time() + delay
        self._timer = self._loop.call_later(delay, self._step_over)

    def _step_over(self) -> None:
        assert self._left is not None
        now = self._loop.time()
        if self._left <= 0 and now - self._due > self._step and not self._is_extended:
            # uvloop runs timers before it reads: the answer may be there.
            self._is_extended = True
            self._left = self._step
        if self._left > 0:
            self._count()
        else:
            self._limit.reschedule(now)
