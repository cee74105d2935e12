"""Hosts without Python: a real shell, and nothing but a few programs of busybox beside it."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

APPLETS = ("uname", "chmod", "cat", "rm", "wc", "printf")
SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--norc"),
    "busybox": ("busybox", "sh"),
    "mksh": ("mksh",),
    "ksh93": ("ksh93",),
    "yash": ("yash",),
    "zsh": ("zsh", "-f"),
    "posh": ("posh",),
}


def host(folder: Path, shell: str, *programs: str, home: bool = True) -> tuple[str, ...]:
    """Return the command of a shell that finds only `APPLETS` and these programs."""
    path = folder / "bin"
    path.mkdir()
    for name in (*APPLETS, *programs):
        # What busybox does not have is the system's.
        (path / name).symlink_to(shutil.which(name) or "" if name == "perl" else "/bin/busybox")
    program, *options = SHELLS[shell]
    found = shutil.which(program) or pytest.skip(f"{program} is not on this machine")
    variables = [f"PATH={path}", *([f"HOME={folder}"] if home else [])]
    (path / "sh").symlink_to(shutil.which("dash") or "/bin/sh")
    return ("env", "-i", *variables, found, *options)


def behind(setup: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command in a mount namespace of its own, behind what `setup` mounts there."""
    if not _may_mount():
        pytest.skip("this user may not make mount namespaces")
    return ("unshare", "-rm", "sh", "-ec", f'{setup}; exec "$@"', "sh", *command)


@cache
def _may_mount() -> bool:
    done = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)
    return done.returncode == 0
