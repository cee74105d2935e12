"""Time limits for others, which do not count the time in which this process stood still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

_STEP = 0.5
"""Seconds that are counted at once; a step that ends later than twice that counts once."""


class PatientTimer:
    """Calls `over` after some seconds in which this process could see an answer.

    A machine may be suspended, a process stopped or swapped out. What others send meanwhile is read
    afterwards, so a time that seems to be over then is extended, once.
    """

    __slots__ = ("_due", "_handle", "_is_extended", "_left", "_loop", "_over", "_step")

    def __init__(self, seconds: float, over: Callable[[], object], *, step: float = _STEP) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = seconds
        self._over = over
        self._step = step
        self._due = 0.0
        self._is_extended = False
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Count, also on after `stop`."""
        delay = min(self._left, self._step)
        self._due = self._loop.time() + delay
        self._handle = self._loop.call_later(delay, self._step_over, delay)

    def stop(self) -> None:
        """Count no more; the step under way does not count."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _step_over(self, counted: float) -> None:
        self._handle = None
        self._left -= counted
        is_late = self._loop.time() - self._due > self._step
        if self._left <= 0 and is_late and not self._is_extended:
            # uvloop runs timers before it reads: the answer may be there.
            self._is_extended = True
            self._left = self._step
        if self._left > 0:
            self.start()
        else:
            self._over()


class Countdown:
    """An `asyncio.timeout` by a `PatientTimer`; None is no limit."""

    __slots__ = ("_limit", "_timer")

    def __init__(self, seconds: float | None, *, step: float = _STEP) -> None:
        self._limit = asyncio.timeout(None)
        self._timer = None if seconds is None else PatientTimer(seconds, self._expire, step=step)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        if self._timer is not None:
            self._timer.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.stop()
        await self._limit.__aexit__(kind, error, at)

    def _expire(self) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time())
