"""The lines that were typed, kept in a file that the REPL shares."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.history import History as Store

MOST = 1000


def history_path() -> Path:
    """Where the lines are kept: those of the REPL are the same vocabulary's."""
    return platformdirs.user_state_path("norouter") / "repl-history"


class History:
    """Lines, oldest first, and a place among them.

    Args:
        path: None keeps them in memory alone, as does a file that cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._store: Store = InMemoryHistory()
        stored: list[str] = []
        if path is not None:
            try:
                self._store = _opened(path)
                stored = list(self._store.load_history_strings())
            except OSError:
                self._store = InMemoryHistory()
        self._lines = stored[:MOST][::-1]
        self._at = len(self._lines)
        self._typed = ""

    def add(self, line: str) -> None:
        """Appends a line, unless it is the last one again."""
        if not self._lines or self._lines[-1] != line:
            self._lines.append(line)
            try:
                self._store.store_string(line)
            except OSError:
                self._store = InMemoryHistory()
        self.rewind()

    def rewind(self) -> None:
        """Goes back to the end."""
        self._at = len(self._lines)

    def step(self, by: int, typed: str) -> str | None:
        """The line `by` steps on that begins with what was typed; None if there is none."""
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


def _opened(path: Path) -> FileHistory:
    """
    Raises:
        OSError: there is no such file, and it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    nofollow = getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | nofollow, 0o600))
    return FileHistory(str(path))
