"""SIGINT and SIGTERM: the first asks for an orderly stop, the second ends the process."""

from __future__ import annotations

import signal

import anyio
import anyio.abc


async def first_signal(
    *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> signal.Signals:
    """Waits for the first SIGINT or SIGTERM and returns it.

    From then on the next one ends the process at once, by the default action, even if the event
    loop is stuck; the agents see their stdin end. Meant for `TaskGroup.start`.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        number = await anext(aiter(signals))
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    return number
