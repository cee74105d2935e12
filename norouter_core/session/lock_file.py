"""A lock that shows whether the owner of a file still runs; the system drops it when it ends.

Unlike a process id, a later process cannot take it over, containers that share a directory see it,
and it stays with a process that moves to the background.
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
        """Take the lock.

        Raises:
            OSError: Another process holds it (`BlockingIOError` or `PermissionError`), or the file
            cannot be created.
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
        """Remove the lock file, if it is held."""
        if self._fd < 0:
            return
        # Before the lock is dropped, so that the file of the next owner is not removed.
        with contextlib.suppress(OSError):
            self._path.unlink()
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
    """Return whether a process holds the lock file `path`. True if that cannot be known."""
    probe = LockFile(path)
    try:
        probe.acquire()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    probe.release()
    return False
