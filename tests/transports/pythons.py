"""Every Python on the machine that an agent could meet: CPython 3.8 and up, and PyPy."""

from __future__ import annotations

import glob
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

OLDEST = (3, 8)
TOLD = "import platform, sys; print(platform.python_implementation(), *sys.version_info[:3])"


@dataclass(frozen=True, slots=True)
class Python:
    """One interpreter: `label` is e.g. `CPython 3.8.18`."""

    label: str
    version: tuple[int, ...]
    path: Path

    @property
    def is_pypy(self) -> bool:
        return self.label.startswith("PyPy")

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.version))

    def only_python(self, folder: Path) -> Path:
        """Make `folder` a PATH on which this is the only Python, beside busybox's programs.

        Returns:
            The folder.
        """
        folder.mkdir()
        (folder / "python3").symlink_to(self.path)
        for applet in ("sh", "cat", "env", "head", "dd", "uname", "id", "mkdir", "rm"):
            (folder / applet).symlink_to("/bin/busybox")
        return folder


@cache
def pythons() -> tuple[Python, ...]:
    """The Pythons found, the oldest first; one for each implementation and minor version."""
    found: dict[tuple[str, tuple[int, ...]], Python] = {}
    for path in _candidates():
        told = _ask(path)
        if told is not None and told.version >= OLDEST:
            found.setdefault((told.label.split()[0], told.version[:2]), told)
    return tuple(
        sorted(found.values(), key=lambda python: (python.label.split()[0], python.version))
    )


def _candidates() -> Iterator[Path]:
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    yield from _matching(f"{pyenv}/versions/*/bin/python3")
    for folder in os.environ.get("PATH", "/usr/bin").split(":"):
        # pyenv's shims choose a Python by folder and environment; the real ones are listed above.
        if "shims" not in folder:
            yield from _matching(f"{folder}/python3*[0-9]")
            yield from _matching(f"{folder}/pypy3")


def _matching(pattern: str) -> list[Path]:
    # Unlike pathlib's, this glob passes over folders that may not be read.
    return [Path(found) for found in sorted(glob.glob(pattern))]


def _ask(path: Path) -> Python | None:
    try:
        done = subprocess.run(
            [str(path), "-I", "-c", TOLD], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.decode(errors="replace").split()
    if done.returncode != 0 or len(words) != 4:
        return None
    version = tuple(map(int, words[1:]))
    return Python(f"{words[0]} {'.'.join(words[1:])}", version, path.resolve())
