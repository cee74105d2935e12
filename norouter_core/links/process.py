"""An exec command as a child process, with stdio that the hub made itself."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import ByteReceiveStream, Process

_KEPT_LINES = 40
_LINE_LIMIT = 500
_GRACE = 2.0
"""Seconds between asking a child to end and making it."""

# Escape sequences and control characters: stderr is a stranger's text on the way to a terminal.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, with its end
    r"|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]"
)


def clean(text: str) -> str:
    """One line of a stranger's text without anything that a terminal would act on."""
    return _UNPRINTABLE.sub("", text)[:_LINE_LIMIT]


@dataclass(slots=True)
class Child:
    """A running exec command. `reading` and `writing` are the hub's ends of its stdio; whoever
    makes a channel of them owns them from then on."""

    process: Process
    reading: socket.socket
    writing: socket.socket
    stderr: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    async def read_stderr(self, line_seen: Callable[[str], None]) -> None:
        """Reads until the end, keeping the last lines; to be run as a task."""
        stream = self.process.stderr
        assert stream is not None
        partial = b""
        while chunk := await _receive(stream):
            *lines, partial = (partial + chunk).replace(b"\r", b"\n").split(b"\n")
            partial = partial[: 4 * _LINE_LIMIT]
            for line in lines:
                self._line(line, line_seen)
        self._line(partial, line_seen)

    def _line(self, line: bytes, line_seen: Callable[[str], None]) -> None:
        text = clean(line.decode("utf-8", "replace")).strip()
        if text:
            self.stderr.append(text)
            line_seen(text)

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
        return self.process.returncode

    def _signal(self, number: signal.Signals) -> None:
        try:
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except (ProcessLookupError, PermissionError):
            pass  # gone already, or a setuid program that the next signal's EOF will end


_KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


async def spawn(argv: tuple[str, ...]) -> Child:
    """Starts an exec command in a session of its own.

    Without a controlling terminal ssh cannot ask for passwords behind the program's back, and a
    terminal's interrupt reaches the hub alone, which then ends its children in order.

    Raises:
        OSError: the command cannot be started.
    """
    reading, child_out = socket.socketpair()
    child_in, writing = socket.socketpair()
    with child_out, child_in:
        try:
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
    return Child(process, reading, writing)


async def _receive(stream: ByteReceiveStream) -> bytes:
    try:
        return await stream.receive(65536)
    except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
        return b""
