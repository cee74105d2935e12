"""Work of any length in short turns, so that the rest of the loop runs in between."""

from __future__ import annotations

from collections import deque
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from norouter_core.agent.loop import LoopLike

_MAX_TURN = 0.001
"""Seconds of work before the rest of the loop runs. What it causes there may take as long again."""


def run_turn(steps: Iterator[object]) -> bool:
    """Take steps for one turn, or until one is true; return whether any may be left."""
    until = monotonic() + _MAX_TURN
    # Not `any`, whose generator would cost more than the clock does, for every frame.
    for stop in steps:
        if stop or monotonic() >= until:
            break
    else:
        return False
    return True


class TurnQueue:
    """Runs iterators one after the other, each as far as a turn lasts."""

    def __init__(self, loop: LoopLike) -> None:
        self._loop = loop
        self._waiting: deque[Iterator[object]] = deque()

    def add(self, steps: Iterator[object]) -> None:
        """Run `steps` after those that were added before; at once if there are none."""
        self._waiting.append(steps)
        if len(self._waiting) == 1:
            self._run()

    def clear(self) -> None:
        """Drop what has not been done."""
        self._waiting.clear()

    def _run(self) -> None:
        if not self._waiting:
            return
        steps = self._waiting[0]
        if not run_turn(steps) and self._waiting and self._waiting[0] is steps:
            self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._run)


class Allowance:
    """Limits what is taken to `rate` a second, and to as much at once."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = rate
        self._last = now

    def take(self, amount: float, now: float) -> float:
        """Take `amount`; return the seconds to wait before the next time."""
        left = min(self._rate, self._left + (now - self._last) * self._rate)
        self._left, self._last = left - amount, now
        return max(0.0, -self._left / self._rate)
