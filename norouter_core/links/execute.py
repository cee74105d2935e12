"""Commands that run once: on this machine, or on a host behind its exec command."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Sequence

import anyio

from norouter_core.links.process import Child, spawn_pumped
from norouter_core.timing import Timing

OutputHandler = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr`, and bytes as they come."""

_DRAIN_TIMEOUT = 0.5
"""Seconds to read what a command wrote before it ended, while a process that it left behind still
holds its stderr."""

# The script goes to the stdin of a bare `sh`, as the agent does, so nothing has to be quoted twice,
# whether the exec command hands its arguments on (docker) or joins them (ssh). To cancel, the hub
# closes that shell's stdin; the loop that reads it there then kills the command. The braces make
# the shell read the whole script before the loop may read its stdin.
_SCRIPT = """\
{{ exec 3<&0
{command} </dev/null 3<&- &
c=$!
{{ while read -r x; do :; done; kill $c; }} <&3 >/dev/null 2>&1 &
w=$!
exec 3<&-
wait $c
s=$?
kill $w
exit $s; }}
"""


async def execute(argv: tuple[str, ...], emit: OutputHandler) -> int:
    """Run a command on this machine; return its exit status as a shell reports it. Stdin is empty.

    Raises:
        OSError: it cannot be started.
    """
    child = _start(argv)
    child.writing.shutdown(socket.SHUT_WR)
    try:
        return await _run_to_end(child, emit)
    except BaseException:
        child.terminate()
        raise
    finally:
        await child.end()


async def execute_behind(shell: tuple[str, ...], argv: Sequence[str], emit: OutputHandler) -> int:
    """Run a command through the shell that `shell` starts; return its exit status. Stdin is empty.

    Raises:
        OSError: `shell` cannot be started.
    """
    script = _SCRIPT.format(command=shlex.join(argv)).encode("utf-8", "surrogateescape")
    child = _start(shell)
    try:
        await child.send(script)
        return await _run_to_end(child, emit)
    finally:
        await child.end()


def _start(argv: tuple[str, ...]) -> Child:
    # With threads on every system: they give the command real pipes, which it can open again
    # (`>/dev/stdout`), and speed does not matter here.
    return spawn_pumped(argv, Timing().grace)


async def _run_to_end(child: Child, emit: OutputHandler) -> int:
    """Pass on what a child prints until it has ended; return its exit status."""
    stderr_ended = anyio.Event()

    async def read_stderr() -> None:
        while data := await child.process.receive_stderr():
            emit("stderr", data)
        stderr_ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(child.hang_up)
        tasks.start_soon(read_stderr)
        while data := await child.receive():
            emit("stdout", data)
        status = await child.process.wait()
        with anyio.move_on_after(_DRAIN_TIMEOUT):
            await stderr_ended.wait()
        tasks.cancel_scope.cancel()
    return status if status >= 0 else 128 - status
