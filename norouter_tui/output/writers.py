"""Standard output that outlives its reader, and writers that never block the mesh."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, cast

from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console
    from rich.text import Text

PrintLine = Callable[["Text"], None]
"""Prints a line, which has no newline of its own."""

_MAX_LINES_SIZE = 4 << 20
"""Bytes of lines that wait for a slow reader."""
_MAX_TERMINAL_SIZE = 1 << 20
"""Bytes that wait for a slow terminal."""
_READER_GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO})


class CannotWrite(NorouterError, OSError):
    """Output cannot be written, because the disk is full, for example. Not an internal error."""


def cannot_write(error: BaseException) -> CannotWrite | None:
    """Return the `CannotWrite` in `error`, which may be a group of exceptions."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(cannot_write, error.exceptions)), None)
    return error if isinstance(error, CannotWrite) else None


class LastingFile(io.FileIO):
    """A descriptor for writing that drops writes once its reader has gone.

    Other errors, such as a full disk, are raised as `CannotWrite`. A write waits even if another
    program has made the descriptor non-blocking, as `ssh` does with a terminal it shares.
    """

    gone = False

    def write(self, data: ReadableBuffer, /) -> int:
        size = memoryview(data).nbytes
        while not self.gone:
            try:
                written = cast("int | None", super().write(data))
            except OSError as error:
                if error.errno not in _READER_GONE:
                    name = {1: "stdout", 2: "stderr"}.get(self.fileno(), "the output")
                    raise CannotWrite(error.errno, error.strerror, name) from None
                self.gone = True
                break
            if written is not None:
                return written
            select.select([], [self], [])
        return size


def install() -> None:
    """Make `sys.stdout` and `sys.stderr` survive a closed pipe and any character.

    If one of them is closed at the start (`>&-`), the null device replaces it.
    """
    sys.stdout = _lasting(sys.stdout, 1)
    sys.stderr = _lasting(sys.stderr, 2)


def _lasting(old: TextIO | None, number: int) -> TextIO:
    if old is None:
        number = os.open(os.devnull, os.O_WRONLY)
    else:
        old.flush()
    raw = LastingFile(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=old.encoding if old is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def drawing() -> io.TextIOWrapper:
    """Return stderr for a screen to draw on: UTF-8, written when flushed, outliving its reader."""
    raw = LastingFile(2, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")


def give_up() -> None:
    """Drop what stdout still buffers and all that is written to it from now on."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, LastingFile):
        raw.gone = True


class BackgroundWriter:
    """Writes bytes to a descriptor from a thread of its own.

    A reader that stops reading (a paused pager, a dead ssh connection) holds up that thread only.
    """

    def __init__(self, raw: io.RawIOBase, encoding: str, limit: int) -> None:
        self.encoding = encoding
        self._raw = raw
        self._limit = limit
        self._waiting = bytearray()
        self._changed = threading.Condition()
        self._is_writing = False
        self._is_closing = False
        # A daemon, because a write that never returns must not keep the program alive.
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def drain(self, timeout: float = 1.0) -> None:
        """Return when everything has been written, or after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._is_writing, timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most `timeout` seconds, and end the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _work(self) -> None:
        while batch := self._take():
            # A full disk under a log must not end the mesh: what cannot be written is lost.
            with contextlib.suppress(OSError):
                view = memoryview(batch)
                while view:
                    view = view[self._raw.write(view) or 0 :]
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _take(self) -> bytes:
        """Return what waits, once there is something; empty when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            batch = bytes(self._waiting)
            self._waiting.clear()
            self._is_writing = bool(batch)
            return batch


class LineWriter(BackgroundWriter):
    """Takes whole lines; drops a new line when more than `limit` bytes wait."""

    def __init__(
        self, raw: io.RawIOBase, encoding: str = "utf-8", limit: int = _MAX_LINES_SIZE
    ) -> None:
        super().__init__(raw, encoding, limit)

    def put(self, line: str) -> bool:
        """Queue `line` (without its newline), or drop it and return False. Never blocks."""
        data = f"{line}\n".encode(self.encoding, "backslashreplace")
        with self._changed:
            if len(self._waiting) >= self._limit or self._is_closing:
                return False
            self._waiting += data
            self._changed.notify_all()
            return True


class TerminalFile(BackgroundWriter):
    """A text file on a terminal, for prompt_toolkit; drops its oldest lines and says so.

    Args:
        number: the descriptor of the terminal.
    """

    def __init__(
        self, number: int, encoding: str = "utf-8", limit: int = _MAX_TERMINAL_SIZE
    ) -> None:
        self._number = number
        self._dropped = 0
        super().__init__(LastingFile(number, "w", closefd=False), encoding, limit)

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def fileno(self) -> int:
        return self._number

    def write(self, text: str) -> int:
        """Queue text. Never blocks."""
        with self._changed:
            self._waiting += text.encode(self.encoding, "replace")
            if len(self._waiting) > self._limit:
                middle = len(self._waiting) - self._limit // 2
                end = self._waiting.find(b"\n", middle) + 1 or middle
                del self._waiting[:end]
                self._dropped += end
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes as soon as it can."""

    async def wait_drained(self, seconds: float) -> None:
        """Return when everything has been written, or after so many seconds."""
        import anyio.to_thread

        await anyio.to_thread.run_sync(self.drain, seconds, abandon_on_cancel=True)

    def _take(self) -> bytes:
        batch = super()._take()
        if not self._dropped:
            return batch
        note = f"\x1b[0m\r\n... {self._dropped} bytes were dropped\r\n"
        self._dropped = 0
        return note.encode(self.encoding, "replace") + batch


def open_writers() -> tuple[LineWriter, LineWriter]:
    """Return writers on stdout and stderr. Call it after `install`.

    If both lead to the same file or terminal, they are one writer, so that lines keep their order.
    """
    out = _writer(sys.stdout)
    try:
        same = os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except OSError:
        same = False
    return (out, out) if same else (out, _writer(sys.stderr))


def _writer(stream: TextIO) -> LineWriter:
    raw = LastingFile(stream.fileno(), "w", closefd=False)
    return LineWriter(raw, stream.encoding)


async def line_read(number: int) -> bool:
    """Wait for the end of a line on a descriptor; return False if none can come.

    Reads byte by byte, to leave what follows the line to the next reader.
    """
    import anyio

    try:
        while True:
            await anyio.wait_readable(number)
            byte = os.read(number, 1)
            if not byte or byte in b"\r\n":
                return bool(byte)
    except OSError:
        return False  # a regular file, which no event loop waits for, or a closed one


def make_console(stream: TextIO | None = None) -> Console:
    """Return a console on `stream` (stdout for None) that interprets no markup."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def painter(stream: TextIO) -> Callable[[Text], str]:
    """Return a function that renders rich text for `stream`.

    The result has colours on a terminal, respecting `NO_COLOR` and `TERM=dumb`, and is plain text
    elsewhere.
    """
    console = make_console(stream)
    if not console.is_terminal or console.color_system is None:
        return lambda text: text.plain

    def paint(text: Text) -> str:
        if not text.style and not text.spans:
            return text.plain
        with console.capture() as captured:
            console.print(text, soft_wrap=True, end="")
        return captured.get()

    return paint


def line_printer(stream: TextIO) -> PrintLine:
    """Return a function that prints a line on `stream`, in colour on a terminal."""
    paint = painter(stream)

    def print_line(line: Text) -> None:
        stream.write(paint(line) + "\n")
        stream.flush()

    return print_line
