"""The signals that end a run, counted."""

from __future__ import annotations

import signal
from functools import partial

import anyio
import pytest

from norouter_tui.run.process import watch_signals


@pytest.mark.anyio
async def test_the_same_signal_twice_at_one_time_counts_once() -> None:
    """GNU timeout signals its child, and then the process group."""
    done: list[str] = []
    seen: list[signal.Signals] = []
    over = anyio.Event()

    def intercept(number: signal.Signals) -> bool:
        seen.append(number)
        return False

    def end() -> None:
        done.append("again")
        over.set()

    numbers = (signal.SIGUSR1, signal.SIGUSR2)
    async with anyio.create_task_group() as tasks:
        watch = partial(watch_signals, intercept=intercept)
        await tasks.start(watch, lambda: done.append("first"), end, numbers)
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2):
            signal.raise_signal(number)
        with anyio.fail_after(10):
            await over.wait()
    assert done == ["first", "again"]
    assert seen == [signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2]
