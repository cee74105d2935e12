"""An exec command as a child process, with stdio that the hub made itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import anyio
import anyio.lowlevel

from norouter_core.links.child_limits import with_original_limit
from norouter_core.sanitize import strip_line
from norouter_core.timing import TimeLimits

_CHUNK = 65536
_KEPT_LINES = 40
_MAX_LINE = 2000
_MAX_LINES_A_SECOND = 50
"""Lines of stderr that are passed on as events; the last ones are kept in any case."""
_DRAIN_TIMEOUT = 0.5
"""Seconds to read what a command wrote before it ended."""
_LEAVE = b"\x03\x04\nexit\n"
"""What ends a shell, or stage 1, that reads a TTY: interrupt, end of file, a word."""


class _LineLimiter:
    """Passes on a limited number of lines a second, and how many it left out."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
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
                self._on_line(f"({self._skipped} more lines of stderr were left out)")
                self._skipped = 0
        self._count += 1
        if self._count > _MAX_LINES_A_SECOND:
            self._skipped += 1
        else:
            self._on_line(text)


@dataclass(slots=True)
class Child:
    """A running exec command. `reading` and `writing` are the hub's ends of its stdio; a channel
    made of them owns them.
    """

    process: WatchedProcess | PumpedProcess
    reading: socket.socket
    writing: socket.socket
    grace: float
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))
    limits: TimeLimits = field(default_factory=TimeLimits)
    """They stand still while the command waits for an answer of the user."""
    heard: bytes = b""
    """The last bytes that were received before the link began."""
    ended: anyio.Event = field(default_factory=anyio.Event)
    """Set by `end`."""

    async def send(self, data: bytes) -> None:
        """Write to the command's stdin."""
        try:
            await asyncio.get_running_loop().sock_sendall(self.writing, data)
        except OSError:
            pass  # The command has ended; its exit status and what it printed tell why.

    async def receive(self) -> bytes:
        """Return the next bytes of the command's stdout; none at its end."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self.reading, _CHUNK)
        except OSError:
            return b""
        self.heard = (self.heard + data)[-_MAX_LINE:]
        return data

    async def read_stderr(self, on_line: Callable[[str], None]) -> None:
        """Read until the end and keep the last lines; run it as a task."""
        partial = b""
        limiter = _LineLimiter(on_line)
        while chunk := await self.process.receive_stderr():
            *lines, partial = (partial + chunk).replace(b"\r", b"\n").split(b"\n")
            partial = partial[:_MAX_LINE]
            # Only the end of a flood counts; the rest is not even looked at.
            limiter.skip(len(lines) - _KEPT_LINES)
            for line in lines[-_KEPT_LINES:]:
                self._line(line, limiter)
            await anyio.lowlevel.checkpoint()
        self._line(partial, limiter)

    def _line(self, line: bytes, limiter: _LineLimiter) -> None:
        text = strip_line(line.decode("utf-8", "replace")).strip()
        if text:
            self.stderr.append(text)
            limiter.line(text)

    async def hang_up(self) -> None:
        """End what can be read once the command has ended, because a process that it left behind
        may keep the other end of its stdio open. Run it as a task.
        """
        await self.process.wait()
        with anyio.move_on_after(_DRAIN_TIMEOUT):
            await self.ended.wait()
            return
        try:
            self.reading.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # Its channel has closed it.

    async def leave_terminal(self) -> None:
        """End the shell behind a TTY, which `podman exec -t` would leave there."""
        with anyio.move_on_after(self.grace):
            await self.send(_LEAVE)
            while await self.receive():
                pass

    async def end(self) -> int | None:
        """End the command and return its exit status: close its stdin, then ask it, then kill it.

        The whole process group ends, because an exec command may be a shell that started others.
        """
        self.reading.close()
        self.writing.close()
        # A command that waits for an answer notices nothing else, and must not get an empty one.
        steps = (_KILL,) if self.limits.are_paused else (None, signal.SIGTERM, _KILL)
        with anyio.CancelScope(shield=True):
            for signal_number in steps:
                if signal_number is not None:
                    self._signal(signal_number)
                with anyio.move_on_after(self.grace):
                    await self.process.wait()
                    break
            # What the command started in the background must not stay either.
            self._signal(_KILL)
            await self.process.aclose()
        self.ended.set()
        return self.process.returncode

    def terminate(self) -> None:
        """Ask the whole process group to end; `end` still has to be called."""
        if self.process.returncode is None:
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the whole process group; `end` still has to be called."""
        if self.process.returncode is None:
            self._signal(_KILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except (ProcessLookupError, PermissionError):
            pass  # It is gone, or a setuid program, which ends with its stdin.


Environment = Mapping[str, str] | None
"""That of a command; None for that of this process."""

_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


async def start_watched(
    argv: tuple[str, ...], grace: float, environment: Environment = None
) -> Child:
    """Start an exec command with `spawn_watched`."""
    return spawn_watched(argv, grace, environment)


def spawn_watched(argv: tuple[str, ...], grace: float, environment: Environment = None) -> Child:
    """Start an exec command in a session of its own.

    Without a controlling terminal ssh cannot prompt for passwords behind the program's back, and
    an interrupt from the keyboard reaches only the hub, which then ends its children in order.

    Raises:
        OSError: the command cannot be started.
    """
    reading, child_out = socket.socketpair()
    child_in, writing = socket.socketpair()
    with child_out, child_in:
        try:
            popen = subprocess.Popen(
                with_original_limit(argv),
                stdin=child_in.fileno(),
                stdout=child_out.fileno(),
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            reading.close()
            writing.close()
            raise
    for sock in (reading, writing):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    return Child(WatchedProcess(popen), reading, writing, grace)


class WatchedProcess:
    """A process that the loop watches.

    It was started by `subprocess`, which uses vfork. uvloop forks, which copies the page tables of
    the hub: beside 300 MiB that took 11 ms of CPU instead of 0.3, for which every stream waited.
    """

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stderr is not None
        self._popen = popen
        self._stderr = popen.stderr
        self._readable: asyncio.Future[None] | None = None
        """What `receive_stderr` waits for."""
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.pid = popen.pid
        os.set_blocking(self._stderr.fileno(), False)
        self._watch()

    def _watch(self) -> None:
        if sys.platform == "linux":
            try:
                descriptor = os.pidfd_open(self.pid)
            except OSError:
                pass  # an old kernel, or a sandbox
            else:
                self._loop.add_reader(descriptor, self._on_end, descriptor)
                return
        watch_in_thread(self._popen, self._loop, self._ended)

    def _on_end(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        self._popen.wait()
        self._ended.set()

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait for the process to end; return its exit status."""
        await self._ended.wait()
        return self._popen.wait()

    def send_signal(self, number: int) -> None:
        self._popen.send_signal(number)

    async def receive_stderr(self) -> bytes:
        """Return the next bytes of stderr; none at its end."""
        while not self._stderr.closed:
            try:
                return os.read(self._stderr.fileno(), _CHUNK)
            except BlockingIOError:
                await self._wait_readable()
            except OSError:
                break
        return b""

    async def _wait_readable(self) -> None:
        readable = self._readable = self._loop.create_future()
        self._loop.add_reader(self._stderr.fileno(), self._stop_waiting)
        try:
            await readable
        finally:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        readable, self._readable = self._readable, None
        if readable is not None:
            self._loop.remove_reader(self._stderr.fileno())
            if not readable.done():
                readable.set_result(None)

    async def aclose(self) -> None:
        self._stop_waiting()
        self._stderr.close()


def watch_in_thread(
    popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: asyncio.Event
) -> None:
    """Set `ended` when a process has ended."""

    def watch() -> None:
        popen.wait()
        try:
            loop.call_soon_threadsafe(ended.set)
        except RuntimeError:
            pass  # the loop has been closed

    # A thread of its own: those of a pool would all wait for processes.
    _run(watch)


class PumpedProcess:
    """A process whose pipes are pumped by threads, for loops that can watch sockets only.

    Windows' selector loop can watch neither pipes nor child processes. There, threads carry the
    child's stdio to and from socket pairs. It costs one more copy each way; otherwise the hub sees
    the same two sockets and a process.
    """

    def __init__(self, popen: subprocess.Popen[bytes], stderr: socket.socket) -> None:
        self._popen = popen
        self._stderr = stderr
        self._reading = False
        self._ending = False
        self._ended = asyncio.Event()
        self.pid = popen.pid
        watch_in_thread(popen, asyncio.get_running_loop(), self._ended)

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait for the process to end; return its exit status."""
        await self._ended.wait()
        return self._popen.wait()

    def send_signal(self, number: int) -> None:
        self._popen.send_signal(number)

    async def receive_stderr(self) -> bytes:
        """Return the next bytes of stderr; none at its end."""
        self._reading = True
        try:
            data = await asyncio.get_running_loop().sock_recv(self._stderr, _CHUNK)
        except OSError:
            data = b""
        finally:
            self._reading = False
            if self._ending:
                self._stderr.close()
        if not data:
            self._stderr.close()
        return data

    async def aclose(self) -> None:
        self._ending = True
        try:
            self._stderr.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # Its reader has closed it.
        # Otherwise the pending read, which ends now or is cancelled, closes it.
        if not self._reading:
            self._stderr.close()


def spawn_pumped(argv: tuple[str, ...], grace: float, environment: Environment = None) -> Child:
    """Start an exec command in a session of its own, with threads that carry its stdio.

    Raises:
        OSError: the command cannot be started.
    """
    popen = subprocess.Popen(
        with_original_limit(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        start_new_session=True,
    )
    assert popen.stdin is not None and popen.stdout is not None and popen.stderr is not None
    reading, writing, stderr = _from(popen.stdout), _to(popen.stdin), _from(popen.stderr)
    for sock in (reading, writing, stderr):
        sock.setblocking(False)
    return Child(PumpedProcess(popen, stderr), reading, writing, grace)


def _from(pipe: IO[bytes]) -> socket.socket:
    ours, theirs = socket.socketpair()

    def pump() -> None:
        with pipe, theirs:
            try:
                while data := pipe.read(_CHUNK):
                    theirs.sendall(data)
            except OSError:
                pass  # The hub has closed its end: nothing reads any more.

    _run(pump)
    return ours


def _to(pipe: IO[bytes]) -> socket.socket:
    ours, theirs = socket.socketpair()

    def pump() -> None:
        with theirs, pipe:
            try:
                while data := theirs.recv(_CHUNK):
                    rest: Any = memoryview(data)
                    while rest:
                        rest = rest[pipe.write(rest) or 0 :]
            except OSError:
                pass  # The child has closed its stdin; the reading side tells how it ended.

    _run(pump)
    return ours


def _run(pump: Any) -> None:
    threading.Thread(target=pump, name="stdio pump", daemon=True).start()


StartChild = Callable[[tuple[str, ...], float, Environment], Awaitable[Child]]
"""Starts an exec command; gets the time between asking it to end and killing it, too."""


async def start_pumped(
    argv: tuple[str, ...], grace: float, environment: Environment = None
) -> Child:
    """Start an exec command with `spawn_pumped`."""
    return spawn_pumped(argv, grace, environment)


start_child: StartChild = start_pumped if sys.platform == "win32" else start_watched
"""Where the loop can watch sockets only, threads carry the stdio."""
