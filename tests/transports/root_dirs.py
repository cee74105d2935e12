"""Folders for whole file systems, of which making and removing costs most of the time on a disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""Bytes; all hosts of the tests together take a third of it."""


@contextmanager
def root_dirs(label: str) -> Iterator[Path]:
    """An empty folder, in memory where there is room, removed at the end.

    Whoever knows a name below it can go there: the root of an LXD container is nobody here.
    """
    inside = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None
    with tempfile.TemporaryDirectory(prefix=f"norouter-{label}-", dir=inside) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
