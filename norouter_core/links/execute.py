"""Commands that are run once: on this machine, or on a host, behind its exec command."""

from __future__ import annotations

import asyncio
import shlex
import socket
from collections.abc import Callable, Sequence

import anyio

from norouter_core.links import pumped
from norouter_core.links.process import Child

Told = Callable[[str, bytes], None]
"""Told `stdout` or `stderr`, and bytes as they come."""

_CHUNK = 65536

_LAST_WORDS = 0.5
"""Seconds for what a command wrote before it ended, where something that it left behind still holds
its stderr."""

# The command is written to a bare `sh` there, as the agent is: so nothing has to be quoted twice,
# whether the exec command hands its arguments on (docker) or joins them (ssh). Whoever gives up
# closes that shell's stdin here; what waits for its end there then ends the command. In braces, so
# that the shell has read all of it before anything else may read its stdin.
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


async def execute(argv: tuple[str, ...], emit: Told) -> int:
    """Runs a command on this machine; its exit status, as a shell has it. Stdin is empty.

    Raises:
        OSError: it cannot be started.
    """
    child = _start(argv)
    child.writing.shutdown(socket.SHUT_WR)
    try:
        return await _see_through(child, emit)
    except BaseException:
        child.terminate()
        raise
    finally:
        await child.end()


async def execute_behind(shell: tuple[str, ...], argv: Sequence[str], emit: Told) -> int:
    """Runs a command by a shell that `shell` leads to; its exit status. Stdin is empty.

    Raises:
        OSError: `shell` cannot be started.
    """
    script = _SCRIPT.format(command=shlex.join(argv)).encode("utf-8", "surrogateescape")
    child = _start(shell)
    try:
        await _send(child, script)
        return await _see_through(child, emit)
    finally:
        await child.end()


def _start(argv: tuple[str, ...]) -> Child:
    # By threads on every system: they give the command real pipes, which can be opened again
    # (`>/dev/stdout`), and this is not where speed counts.
    return Child(*pumped.start(argv))


async def _see_through(child: Child, emit: Told) -> int:
    """Passes on what a child says until it has ended; its exit status."""
    told = anyio.Event()

    async def errors() -> None:
        while data := await child.process.receive_stderr():
            emit("stderr", data)
        told.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(child.hang_up)
        tasks.start_soon(errors)
        while data := await _output(child):
            emit("stdout", data)
        status = await child.process.wait()
        with anyio.move_on_after(_LAST_WORDS):
            await told.wait()
        tasks.cancel_scope.cancel()
    return status if status >= 0 else 128 - status


async def _send(child: Child, data: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(child.writing, data)
    except OSError:
        pass  # it has ended already: its exit status and its stderr tell why


async def _output(child: Child) -> bytes:
    try:
        return await asyncio.get_running_loop().sock_recv(child.reading, _CHUNK)
    except OSError:
        return b""
