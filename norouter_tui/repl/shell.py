"""`!COMMAND`: a shell of this machine, on the same terminal."""

from __future__ import annotations

import os
from subprocess import DEVNULL

import anyio


async def run_shell(command: str, *, typed: bool = True) -> int:
    """Runs a command by the user's shell on this process's own stdio; its exit status, negative
    for a signal. An interrupt is for the command: whoever calls this must not end by it.

    Args:
        typed: it may read stdin; False where that holds a script.

    Raises:
        OSError: the shell cannot be started.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    process = await anyio.open_process(
        [shell, "-c", command], stdin=None if typed else DEVNULL, stdout=None, stderr=None
    )
    async with process:
        return await process.wait()
