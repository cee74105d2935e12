"""A mark that a file's owner still runs: a lock, which the system takes away when the owner dies.

Unlike a process id it cannot be taken over by a later process, it is seen across containers that
share a folder, and it stays with a process that moves to the background.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


class LockFile:
    """Holds the lock file `path` from `acquire` to `release`, or to the end of this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self) -> None:
        """
        Raises:
            OSError: somebody else holds it (`BlockingIOError` or `PermissionError`), or the file
                cannot be made.
        """
        if self._fd >= 0:
            return
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(fd)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Removes the lock file. Harmless when nothing is held."""
        if self._fd < 0:
            return
        # Before the lock goes: who comes later must not be robbed of his file.
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os.close(self._fd)
        self._fd = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock file `path`; an owner that cannot be asked is taken to."""
    probe = LockFile(path)
    try:
        probe.acquire()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    probe.release()
    return False
