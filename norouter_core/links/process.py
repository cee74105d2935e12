"""An exec command as a child process, with stdio that the hub made itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.lowlevel
from anyio.abc import Process

from norouter_core.links import pumped
from norouter_core.sanitize import strip_line

_KEPT_LINES = 40
_LINE_LIMIT = 2000
_GRACE = 2.0
"""Seconds between asking a child to end and making it."""
_TOLD_A_SECOND = 50
"""Lines of stderr that are passed on as events; the last ones are kept in any case."""
_LAST_WORDS = 0.5
"""Seconds to read what a command wrote before it ended."""
_LEAVE = b"\x03\x04\nexit\n"
"""What ends a shell, or our first stage, that reads a terminal: interrupt, end of file, a word."""

PUMPED = sys.platform == "win32"
"""Whether threads carry a child's stdio: where the loop can watch sockets only. Tests set it."""


class _Told:
    """Passes on at most so many lines a second, and how many were left out."""

    def __init__(self, line_seen: Callable[[str], None]) -> None:
        self._line_seen = line_seen
        self._second = 0
        self._count = 0
        self._skipped = 0

    def skip(self, lines: int) -> None:
        self._skipped += max(0, lines)

    def line(self, text: str) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
            if self._skipped:
                self._line_seen(f"({self._skipped} more lines of stderr were left out)")
                self._skipped = 0
        self._count += 1
        if self._count > _TOLD_A_SECOND:
            self._skipped += 1
        else:
            self._line_seen(text)


class RunningProcess(Protocol):
    """A child process, however it was started."""

    pid: int

    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    async def receive_stderr(self) -> bytes: ...
    async def aclose(self) -> None: ...


@dataclass(slots=True)
class Child:
    """A running exec command. `reading` and `writing` are the hub's ends of its stdio; whoever
    makes a channel of them owns them from then on."""

    process: RunningProcess
    reading: socket.socket
    writing: socket.socket
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    ended: anyio.Event = field(default_factory=anyio.Event)
    """Set by `end`."""

    async def read_stderr(self, line_seen: Callable[[str], None]) -> None:
        """Reads until the end, keeping the last lines; to be run as a task."""
        partial = b""
        told = _Told(line_seen)
        while chunk := await self.process.receive_stderr():
            *lines, partial = (partial + chunk).replace(b"\r", b"\n").split(b"\n")
            partial = partial[:_LINE_LIMIT]
            # Of a flood the end is what counts: the rest is not even looked at.
            told.skip(len(lines) - _KEPT_LINES)
            for line in lines[-_KEPT_LINES:]:
                self._line(line, told)
            await anyio.lowlevel.checkpoint()
        self._line(partial, told)

    def _line(self, line: bytes, told: _Told) -> None:
        text = strip_line(line.decode("utf-8", "replace")).strip()
        if text:
            self.stderr.append(text)
            told.line(text)

    async def hang_up(self) -> None:
        """Ends what can be read once the command has ended: something that it left behind may
        keep the other end of its stdio open. To be run as a task."""
        await self.process.wait()
        with anyio.move_on_after(_LAST_WORDS):
            await self.ended.wait()
            return
        try:
            self.reading.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # its channel has closed it

    async def leave_terminal(self) -> None:
        """Has the shell behind a terminal end: `podman exec -t` leaves it there when it goes."""
        loop = asyncio.get_running_loop()
        with anyio.move_on_after(_GRACE):
            try:
                await loop.sock_sendall(self.writing, _LEAVE)
                while await loop.sock_recv(self.reading, 65536):
                    pass
            except OSError:
                pass  # it has ended

    async def end(self) -> int | None:
        """Sees the child out: its stdin is closed already or closed here; then it is asked, then
        made to end. Returns its exit status.

        The whole process group goes: an exec command may be a shell that started others.
        """
        self.reading.close()
        self.writing.close()
        with anyio.CancelScope(shield=True):
            for signal_number in (None, signal.SIGTERM, _KILL):
                if signal_number is not None:
                    self._signal(signal_number)
                with anyio.move_on_after(_GRACE):
                    await self.process.wait()
                    break
            # What the command started beside itself must not stay either.
            self._signal(_KILL)
            await self.process.aclose()
        self.ended.set()
        return self.process.returncode

    def terminate(self) -> None:
        """Asks the whole process group to end; `end` is still to be called."""
        if self.process.returncode is None:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the whole process group at once; `end` is still to be called."""
        if self.process.returncode is None:
            self._signal(_KILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except (ProcessLookupError, PermissionError):
            pass  # gone already, or a setuid program, which ends with its stdin


_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


async def spawn(argv: tuple[str, ...]) -> Child:
    """Starts an exec command in a session of its own.

    Without a controlling terminal ssh cannot ask for passwords behind the program's back, and a
    terminal's interrupt reaches the hub alone, which then ends its children in order.

    Raises:
        OSError: the command cannot be started.
    """
    if PUMPED:
        return Child(*pumped.start(argv))
    reading, child_out = socket.socketpair()
    child_in, writing = socket.socketpair()
    with child_out, child_in:
        try:
            # Cancelled half-way, asyncio's own start of a process leaves its pipes behind.
            with anyio.CancelScope(shield=True):
                process = await anyio.open_process(
                    argv,
                    stdin=child_in.fileno(),
                    stdout=child_out.fileno(),
                    start_new_session=True,
                )
        except BaseException:
            reading.close()
            writing.close()
            raise
    for sock in (reading, writing):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return Child(_Watched(process), reading, writing)


class _Watched:
    """A process that the loop watches."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(signal.Signals(number))

    async def receive_stderr(self) -> bytes:
        stream = self._process.stderr
        assert stream is not None
        try:
            return await stream.receive(65536)
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return b""

    async def aclose(self) -> None:
        await self._process.aclose()
