"""SIGINT and SIGTERM: the first asks for an orderly stop, the second does not wait for it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import anyio
import anyio.abc

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
ENDING = (signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
"""The signals that end a program for which SIGINT means something else."""


async def watch_signals(
    first: Callable[[], None],
    again: Callable[[], None],
    numbers: tuple[signal.Signals, ...] = _NUMBERS,
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Calls `first` at the first of the signals `numbers` and `again` at the second; a third ends
    the process by the default action, even if the event loop is stuck. Meant for
    `TaskGroup.start`.
    """
    asked = False
    try:
        with anyio.open_signal_receiver(*numbers) as signals:
            task_status.started()
            arrivals = aiter(signals)
            await anext(arrivals)
            asked = True
            first()
            await anext(arrivals)
    finally:
        # Whoever has asked once must not meet a KeyboardInterrupt in what is left of the stop.
        for number in numbers if asked else ():
            signal.signal(number, signal.SIG_DFL)
    again()
