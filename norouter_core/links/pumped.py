"""A child process whose pipes are pumped by threads: the portable way beside `process.spawn`.

Windows' selector loop can watch sockets, but neither pipes nor child processes. There, threads
carry the child's stdio to and from socket pairs. It costs one more copy each way; otherwise the hub
sees the same two sockets and a process.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from typing import IO, Any

import anyio
import anyio.to_thread

_CHUNK = 65536


class PumpedProcess:
    """A `process.RunningProcess` whose stderr comes over a socket."""

    def __init__(self, popen: subprocess.Popen[bytes], stderr: socket.socket) -> None:
        self._popen = popen
        self._stderr = stderr
        self._reading = False
        self._ending = False
        self.pid = popen.pid

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    async def wait(self) -> int:
        """Wait for the process to end; return its exit status."""
        return await anyio.to_thread.run_sync(self._popen.wait, abandon_on_cancel=True)

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


def start(argv: tuple[str, ...]) -> tuple[PumpedProcess, socket.socket, socket.socket]:
    """Start a command; return the process and the hub's ends for reading and writing.

    Raises:
        OSError: the command cannot be started.
    """
    popen = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
    assert popen.stdin is not None and popen.stdout is not None and popen.stderr is not None
    reading, writing, stderr = _from(popen.stdout), _to(popen.stdin), _from(popen.stderr)
    for sock in (reading, writing, stderr):
        sock.setblocking(False)
    return PumpedProcess(popen, stderr), reading, writing


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
