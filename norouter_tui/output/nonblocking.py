"""A terminal that stands still, for a dead ssh connection, say, and never holds up the mesh."""

from __future__ import annotations

import contextlib
import os
import threading

import anyio.to_thread

from norouter_tui.output.writers import LastingFile

MOST = 1 << 20
"""Bytes that wait for the terminal; beyond it the oldest lines are left out, and that is said."""


class NonblockingFile:
    """A text file for prompt_toolkit to write to, whose writes are done by a thread of its own.

    Args:
        number: the descriptor of the terminal.
    """

    def __init__(self, number: int, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self._raw = LastingFile(number, "w", closefd=False)
        self._waiting = bytearray()
        self._left_out = 0
        self._changed = threading.Condition()
        self._drained = threading.Event()
        self._drained.set()
        # A daemon, because a write that never returns must not keep the program alive.
        threading.Thread(target=self._work, name="terminal-writer", daemon=True).start()

    def isatty(self) -> bool:
        return os.isatty(self._raw.fileno())

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, text: str) -> int:
        """Takes text; never waits."""
        data = text.encode(self.encoding, "replace")
        with self._changed:
            self._waiting += data
            if len(self._waiting) > MOST:
                self._leave_out()
            self._drained.clear()
            self._changed.notify()
        return len(text)

    def flush(self) -> None:
        """Nothing is to be done: the thread writes as soon as it can."""

    async def drain(self, patience: float) -> None:
        """Waits until all has been written, for at most `patience` seconds."""
        await anyio.to_thread.run_sync(self._drained.wait, patience, abandon_on_cancel=True)

    def _leave_out(self) -> None:
        end = self._waiting.find(b"\n", len(self._waiting) - MOST // 2) + 1
        end = end or len(self._waiting) - MOST // 2
        del self._waiting[:end]
        self._left_out += end

    def _work(self) -> None:
        while True:
            data = self._take()
            view = memoryview(data)
            with contextlib.suppress(OSError):
                while view:
                    view = view[self._raw.write(view) :]
            with self._changed:
                if not self._waiting:
                    self._drained.set()

    def _take(self) -> bytes:
        """What waits, once there is something."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            data = bytes(self._waiting)
            if self._left_out:
                note = f"\x1b[0m\r\n... {self._left_out} bytes were left out\r\n"
                data = note.encode(self.encoding, "replace") + data
            self._waiting.clear()
            self._left_out = 0
            return data
