"""Commands that run once: on this machine, or on a host behind its exec command."""

from __future__ import annotations

import secrets
import shlex
import socket
from collections.abc import Callable, Mapping, Sequence

import anyio

from norouter_core.bootstrap.base import Completed
from norouter_core.links.process import Child, spawn_pumped
from norouter_core.sanitize import strip_lines
from norouter_core.timing import Timing

OutputHandler = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr`, and bytes as they come."""

_DRAIN_TIMEOUT = 0.5
"""Seconds to read what a command wrote before it ended, while a process that it left behind still
holds its stderr."""

_MAX_COLLECTED = 4 * 1024 * 1024
"""Bytes of output that `collect` keeps."""

# The script goes to the stdin of a bare `sh`, as the agent does, so nothing has to be quoted twice,
# whether the exec command hands its arguments on (docker) or joins them (ssh). To cancel, the hub
# closes that shell's stdin; the loop that reads it there then kills the command. The braces make
# the shell read the whole script before the loop may read its stdin.
_SCRIPT = """\
{{ echo {marker}; exec 3<&0
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


async def execute(
    argv: tuple[str, ...],
    emit: OutputHandler,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a command on this machine; return its exit status as a shell reports it.

    It should print little before it has read its stdin.

    Raises:
        OSError: it cannot be started.
    """
    child = _start(argv, environment)
    try:
        await child.send(stdin)
        child.writing.shutdown(socket.SHUT_WR)
        return await _run_to_end(child, emit)
    except BaseException:
        child.terminate()
        raise
    finally:
        await child.end()


async def collect(
    argv: tuple[str, ...], stdin: bytes, environment: Mapping[str, str] | None = None
) -> Completed:
    """Run a command on this machine, as `execute` does, and return all that it prints."""
    output = {"stdout": bytearray(), "stderr": bytearray()}

    def keep(name: str, data: bytes) -> None:
        output[name] += data[: _MAX_COLLECTED - len(output[name])]

    try:
        status = await execute(argv, keep, stdin, environment)
    except OSError as error:
        return Completed(127, b"", (str(error),))
    stderr = strip_lines(output["stderr"].decode("utf-8", "replace"))
    return Completed(status, bytes(output["stdout"]), tuple(stderr.splitlines()))


async def execute_behind(
    shell: tuple[str, ...],
    argv: Sequence[str],
    emit: OutputHandler,
    environment: Mapping[str, str] | None = None,
    on_shell: Callable[[], None] = lambda: None,
) -> int:
    """Run a command through the shell that `shell` starts; return its exit status. Stdin is empty.

    `on_shell` is called once that shell runs: every login on the way has succeeded.

    Raises:
        OSError: `shell` cannot be started.
    """
    marker = secrets.token_hex(8)
    script = _SCRIPT.format(marker=marker, command=shlex.join(argv))
    output = _MarkedOutput(emit, f"{marker}\n".encode(), on_shell)
    child = _start(shell, environment)
    try:
        await child.send(script.encode("utf-8", "surrogateescape"))
        status = await _run_to_end(child, output.receive)
        output.end()
        return status
    finally:
        await child.end()


class _MarkedOutput:
    """Passes on output without the line with which a shell shows that it runs."""

    def __init__(self, emit: OutputHandler, marker: bytes, on_shell: Callable[[], None]) -> None:
        self._emit = emit
        self._marker = marker
        self._on_shell = on_shell
        self._held = b""
        self._is_found = False

    def receive(self, source: str, data: bytes) -> None:
        """Take output; what may be the beginning of the line has to wait."""
        if source != "stdout" or self._is_found:
            self._emit(source, data)
            return
        before, marker, after = (self._held + data).partition(self._marker)
        if marker:
            self._is_found, self._held = True, b""
            self._on_shell()
        else:
            kept = min(len(before), len(self._marker) - 1)
            before, self._held = before[: len(before) - kept], before[len(before) - kept :]
        for part in (before, after):
            if part:
                self._emit(source, part)

    def end(self) -> None:
        """Pass on what waits."""
        if self._held:
            self._emit("stdout", self._held)


def _start(argv: tuple[str, ...], environment: Mapping[str, str] | None) -> Child:
    # With threads on every system: they give the command real pipes, which it can open again
    # (`>/dev/stdout`), and speed does not matter here.
    return spawn_pumped(argv, Timing().grace, environment)


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
