"""The process of a run: its event loop, and the signals that end it."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.abc

from norouter_core.agent.descriptors import raise_limit
from norouter_tui.run.crash import reporter

TERMINATING = (signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
"""The signals that end a program in which SIGINT ends a command."""
STOPPING = (signal.SIGINT, signal.SIGTERM)
"""The signals that end a program which has no other use for SIGINT."""

_REPEATED = 0.2
"""Seconds within which the same signal counts once."""

_THRESHOLDS = (20_000, 10, 20)
"""Of the garbage collector. A large mesh has a million objects, and hardly any in cycles: to search
them all takes 0.1 s, and happened a dozen times while the mesh came up."""

_SWITCH_INTERVAL = 0.001
"""Seconds that the loop waits for a thread that compares or writes manifests; 0.005 by default."""

T = TypeVar("T")


def run_async(main: Callable[[], Awaitable[T]], *, uvloop: bool) -> T:
    """Run `main` as `anyio.run` does, on uvloop if it is installed and wanted.

    Errors that only the event loop sees go to the crash reporter.
    """

    async def watched() -> T:
        reporter.watch_loop(asyncio.get_running_loop())
        return await main()

    fast = uvloop and importlib.util.find_spec("uvloop") is not None
    raise_limit()
    # Imported modules stay: the collector need not walk them again and again.
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    return anyio.run(watched, backend_options={"use_uvloop": fast})


def _ignore_none(number: signal.Signals) -> bool:
    return False


async def watch_signals(
    first: Callable[[], None],
    again: Callable[[], None],
    numbers: tuple[signal.Signals, ...] = STOPPING,
    *,
    intercept: Callable[[signal.Signals], bool] = _ignore_none,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Call `first` at the first of the signals `numbers` and `again` at the second.

    The same signal twice at nearly one time counts once: GNU timeout, for example, signals its
    child and then the process group. A third ends the process by the default action, even if the
    event loop is stuck. Start it with `TaskGroup.start`.

    Args:
        intercept: sees each signal first; one for which it returns True does not count.
    """
    has_stopped = False
    last: tuple[signal.Signals, float] | None = None
    try:
        with anyio.open_signal_receiver(*numbers) as signals:
            task_status.started()
            async for number in signals:
                now = anyio.current_time()
                is_repeated = last is not None and number == last[0] and now - last[1] < _REPEATED
                last = (number, now)
                if intercept(number) or is_repeated:
                    continue
                if has_stopped:
                    break
                has_stopped = True
                first()
    finally:
        # After the first signal, the rest of the stop must not meet a KeyboardInterrupt.
        for number in numbers if has_stopped else ():
            signal.signal(number, signal.SIG_DFL)
    again()
