"""The files that an agent writes whole, which it removes at its end."""

from __future__ import annotations

import contextlib
import os

from norouter_core.agent import files

_OWN_DIRECTORY = ".norouter"
"""What is in a directory of this name is norouter's, whichever agent created it."""


class OwnFiles:
    """The files of one agent, by directory.

    Agents may share a directory: two hosts with one home, or the agent of a lost link and the next
    one. Each agent holds a shared lock on it, so that only the last one removes the files.
    """

    def __init__(self) -> None:
        self._paths: dict[str, set[str]] = {}
        self._locks: dict[str, int | None] = {}
        self._created: set[str] = set()

    def write(self, path: str, text: str) -> tuple[str, bool]:
        """Write a file and return what `files.write` does.

        Raises:
            OSError, ValueError: as `files.write`.
        """
        path = files.expand(path)
        directory = os.path.dirname(path)
        if directory not in self._locks:
            self._hold(directory)
        written = files.write(path, text, "replace")
        self._paths.setdefault(directory, set()).add(path)
        return written

    def _hold(self, directory: str) -> None:
        lock = None
        # Another agent may end and remove the directory after it was found.
        for _ in range(2):
            self._create(directory)
            lock = files.lock(directory, shared=True)
            if lock is not None:
                break
        self._locks[directory] = lock

    def _create(self, directory: str) -> None:
        if directory and not os.path.isdir(directory):
            self._create(os.path.dirname(directory))
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory)
                self._created.add(directory)

    def remove(self) -> None:
        """Remove the files, and the directories that this leaves empty.

        A file stays if norouter may not overwrite it, and a directory if it is neither created
        here nor in one of norouter's. Where locks do not work, this agent is taken for the last.
        """
        for directory, lock in self._locks.items():
            if lock is None or files.make_exclusive(lock):
                for path in self._paths.get(directory, ()):
                    with contextlib.suppress(OSError, ValueError):
                        if not os.path.islink(path) and not files.is_foreign(path):
                            os.unlink(path)
                self._remove_directories(directory)
            if lock is not None:
                os.close(lock)
        self._locks.clear()
        self._paths.clear()

    def _remove_directories(self, directory: str) -> None:
        while directory in self._created or _OWN_DIRECTORY in directory.split(os.sep):
            try:
                os.rmdir(directory)
            except OSError:
                return
            directory = os.path.dirname(directory)
