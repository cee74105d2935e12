"""The wall clock of the hub and of what it starts, which a run may move.

A network namespace has no clock of its own, and setting the machine's hurts others. So the
programs get a library before libc (`clock.c`). Static programs, such as the native agent, keep
the real clock.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """A clock that can jump, if there is a C compiler; see `environment`."""

    def __init__(self, folder: Path) -> None:
        self._library, file = folder / "clock.so", folder / "clock"
        file.write_bytes(bytes(mmap.PAGESIZE))
        self._file = file
        self.environment: dict[str, str] = {}
        """What a program needs to have this clock; nothing if it cannot be had."""
        if self._compile():
            self.environment = {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(file)}

    def _compile(self) -> bool:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            return False
        argv = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(_SOURCE), "-ldl"]
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0

    def jump(self, seconds: float) -> None:
        """Set the clock that far from the real one; 0 sets it right."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))
