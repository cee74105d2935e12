"""What was typed in earlier sessions: a file of the user's own, kept short."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

MOST = 5_000
"""Lines that are kept from one session to the next."""


def history_path() -> Path:
    """Where the history is kept."""
    return platformdirs.user_state_path("norouter") / "repl-history"


def open_history(path: Path) -> History:
    """The history in a file that only its owner can read; one in memory alone, where the file
    cannot be had."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        number = os.open(path, flags, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(number, 0o600)
        finally:
            os.close(number)
        history = KeptHistory(path)
        history.shorten()
    except OSError:
        return InMemoryHistory()
    return history


class KeptHistory(FileHistory):
    """Leaves out what begins with a blank, as shells do, and what was typed just before."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._last = ""

    def append_string(self, string: str) -> None:
        if string.strip() and string != self._last and not string[0].isspace():
            self._last = string
            super().append_string(string)

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string)
        except OSError:
            pass  # a full disk costs the history of this line, not the session

    def load_history_strings(self) -> Iterable[str]:
        try:
            yield from super().load_history_strings()
        except OSError:
            return

    def shorten(self) -> None:
        """Lets the oldest lines go, once there are twice as many as are kept.

        Raises:
            OSError: the file cannot be written anew.
        """
        newest_first = list(super().load_history_strings())
        if len(newest_first) <= 2 * MOST:
            return
        fresh = self._path.with_suffix(f".{os.getpid()}")
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        kept = FileHistory(str(fresh))
        for string in reversed(newest_first[:MOST]):
            kept.store_string(string)
        os.replace(fresh, self._path)
