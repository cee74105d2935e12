"""The lines that were typed at prompts: one file for the REPL and the screen, kept short."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from norouter_core.commands.registry import FIRST_WORDS

MAX_LINES = 5_000
"""How many lines are kept from one run to the next."""


def history_path() -> Path:
    """Return where the history is kept."""
    return platformdirs.user_state_path("norouter") / "repl-history"


def open_history(path: Path, max_lines: int = MAX_LINES) -> History:
    """Return the history in a file that only its owner can read; one in memory if that fails."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        number = os.open(path, flags, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(number, 0o600)
        finally:
            os.close(number)
        history = PrivateFileHistory(path)
        history.shorten(max_lines)
    except OSError:
        return InMemoryHistory()
    return history


class PrivateFileHistory(FileHistory):
    """Leaves out lines that begin with a blank, as shells do, and repetitions of the last line.

    The file gets commands only: another line may be a password that was typed before its question.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._last = ""

    def append_string(self, string: str) -> None:
        if string.strip() and string != self._last and not string[0].isspace():
            self._last = string
            super().append_string(string)

    def store_string(self, string: str) -> None:
        first = string.split(maxsplit=1)[0]
        if first not in FIRST_WORDS and not first.startswith("!"):
            return
        try:
            super().store_string(string)
        except OSError:
            pass  # a full disk costs the history of this line, not the session

    def load_history_strings(self) -> Iterable[str]:
        try:
            yield from super().load_history_strings()
        except OSError:
            return

    def shorten(self, max_lines: int) -> None:
        """Drop the oldest lines, once there are twice as many as are kept.

        Raises:
            OSError: The file cannot be replaced.
        """
        newest_first = list(super().load_history_strings())
        if len(newest_first) <= 2 * max_lines:
            return
        fresh = self._path.with_suffix(f".{os.getpid()}")
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        kept = FileHistory(str(fresh))
        for string in reversed(newest_first[:max_lines]):
            kept.store_string(string)
        fresh.replace(self._path)


class LineHistory:
    """A history with a position, for a prompt that is not prompt_toolkit's.

    Args:
        path: The file; with None, lines are kept in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._store = InMemoryHistory() if path is None else open_history(path)
        self._lines = list(self._store.load_history_strings())[::-1]
        self._at = len(self._lines)
        self._typed = ""

    def add(self, line: str) -> None:
        """Append a line, unless it is the last one again."""
        if not self._lines or self._lines[-1] != line:
            self._lines.append(line)
            self._store.append_string(line)
        self.rewind()

    def rewind(self) -> None:
        """Go to the end."""
        self._at = len(self._lines)

    def step(self, by: int, typed: str) -> str | None:
        """Return the line `by` steps on that begins with what was typed; None if there is none."""
        if self._at == len(self._lines):
            self._typed = typed
        at = self._at + by
        while 0 <= at < len(self._lines):
            if self._lines[at].startswith(self._typed):
                self._at = at
                return self._lines[at]
            at += by
        if at >= len(self._lines) and self._at < len(self._lines):
            self._at = len(self._lines)
            return self._typed
        return None
