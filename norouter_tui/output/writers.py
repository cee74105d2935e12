"""Standard output that outlives its reader, and writers that never hold up the mesh."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, cast

from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import Console
    from rich.text import Text

PrintLine = Callable[["Text"], None]
"""Prints a line, which has no newline of its own."""

_READER_GONE = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO})


class CannotWrite(NorouterError, OSError):
    """What is to be said cannot be written, for a full disk, say: no fault of the program."""


def cannot_write(error: BaseException) -> CannotWrite | None:
    """The `CannotWrite` in `error`, out of the groups that task groups wrap it into."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(cannot_write, error.exceptions)), None)
    return error if isinstance(error, CannotWrite) else None


class LastingFile(io.FileIO):
    """A descriptor for writing whose reader may go away: from then on writes are dropped.

    Other errors (a full disk) are raised, as `CannotWrite`. Descriptors that somebody else has made
    non-blocking, as `ssh` does with a terminal it shares, are waited for.
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
    """Makes `sys.stdout` and `sys.stderr` survive a closed pipe and any character.

    A program started with one of them closed (`>&-`) gets the null device in its place.
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
    """stderr as a screen draws on it: UTF-8, written when it is flushed, and lasting."""
    raw = LastingFile(2, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")


def give_up() -> None:
    """Drops what stdout still holds and whatever is written to it from now on."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, LastingFile):
        raw.gone = True


class LineWriter:
    """Writes lines to a descriptor from a thread of its own.

    A reader that stops reading (a paused pager, a terminal in `^S`) holds up that thread alone:
    `put` never blocks, and drops lines beyond `limit` waiting ones.
    """

    def __init__(self, raw: io.RawIOBase, encoding: str = "utf-8", limit: int = 8192) -> None:
        self._raw = raw
        self._encoding = encoding
        self._limit = limit
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._writing = False
        self._closing = False
        # A daemon, because a write that never returns must not keep the program alive.
        self._thread = threading.Thread(target=self._work, name="line-writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> bool:
        """Queues `line` (without its newline), or drops it and returns False."""
        with self._changed:
            if len(self._lines) >= self._limit or self._closing:
                return False
            self._lines.append(line)
            self._changed.notify_all()
            return True

    def drain(self, patience: float = 1.0) -> None:
        """Returns when all that was put has been written, or after `patience` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._lines and not self._writing, patience)

    def close(self, patience: float = 2.0) -> None:
        """Writes what waits, for at most `patience` seconds, and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(patience)

    def _work(self) -> None:
        while batch := self._take():
            text = "\n".join(batch) + "\n"
            # A full disk under a log must not end the mesh: what cannot be written is lost.
            with contextlib.suppress(OSError):
                _write_all(self._raw, text.encode(self._encoding, "backslashreplace"))
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _take(self) -> list[str]:
        """All waiting lines, once there are any; empty when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            batch = list(self._lines)
            self._lines.clear()
            self._writing = bool(batch)
            return batch


def _write_all(raw: io.RawIOBase, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[raw.write(view) or 0 :]


def open_writers() -> tuple[LineWriter, LineWriter]:
    """Writers on stdout and stderr; one and the same where both lead to one file or terminal,
    so that lines keep their order there. Call after `install`."""
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
    """Waits for the end of a line on a descriptor; False where none can come any more.

    Reads byte by byte: what comes after that line is left for the next reader.
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
    """A console on `stream` (stdout when None) that takes no text for markup."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def painter(stream: TextIO) -> Callable[[Text], str]:
    """A function that turns rich text into what suits `stream`: colours on a terminal that
    wants them (`NO_COLOR`, `TERM=dumb` respected), plain text anywhere else."""
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
