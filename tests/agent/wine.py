"""The Windows agent, run by wine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from norouter_core.bootstrap.native_program import Platform, native_program
from tests.transports.require import need

_WINE = Path("/usr/lib/wine/wine64")
"""Debian's package wine64 has no command on the PATH."""


@dataclass(frozen=True, slots=True)
class Wine:
    """A wine with a directory of its own for what belongs to Windows."""

    environment: tuple[str, ...]

    def command(self, program: Path) -> tuple[str, ...]:
        return ("env", *self.environment, str(_WINE), str(program))


@contextmanager
def wine(directory: Path) -> Iterator[Wine]:
    """Set up a wine in a new directory, which is removed at the end: it has hundreds of MB."""
    need(_WINE.exists(), "wine is missing (apt-get install wine64)")
    settings = {
        "WINEPREFIX": str(directory),
        "WINEDEBUG": "-all",
        # No Mono and no Gecko, which wine would offer to download.
        "WINEDLLOVERRIDES": "mscoree=;mshtml=",
    }
    env = {**os.environ, **settings}
    try:
        subprocess.run([_WINE, "wineboot", "-i"], env=env, capture_output=True, timeout=300)
        yield Wine(tuple(f"{key}={value}" for key, value in settings.items()))
    finally:
        subprocess.run([_WINE.with_name("wineserver"), "-k"], env=env, check=False, timeout=60)
        shutil.rmtree(directory, ignore_errors=True)


def windows_agent() -> Path:
    return native_program(Platform("windows", "amd64"))
