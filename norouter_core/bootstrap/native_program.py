"""The program of the native agent for a platform, built from this checkout's `agent-go` with Go.

Each state of the sources is built once for each platform, into a directory below `.venv`, or below
the user's cache where there is no virtual environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from norouter_core.errors import NorouterError

SOURCES = Path(__file__).parents[2] / "agent-go"

_MACHINES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
    "armv8l": "arm",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "x86": "386",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


class NoNativeAgent(NorouterError):
    """There is no program for a platform, and none can be built."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A system and an architecture by Go's names, such as `linux` and `arm64`."""

    system: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.system}-{self.architecture}"

    @property
    def program_name(self) -> str:
        return "norouter.exe" if self.system == "windows" else "norouter"

    @classmethod
    def of(cls, system: str, machine: str) -> Platform:
        """Return the platform of what `uname -s` and `uname -m` print.

        Raises:
            NoNativeAgent: no native agent is built for it.
        """
        platform = cls(system.lower(), _MACHINES.get(machine.lower(), ""))
        if platform not in PLATFORMS:
            raise NoNativeAgent(f"there is no native agent for {system} on {machine}")
        return platform


PLATFORMS = tuple(
    Platform(system, architecture)
    for system, architectures in {
        "linux": ("amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "s390x"),
        "darwin": ("amd64", "arm64"),
        "freebsd": ("amd64", "arm64"),
        "openbsd": ("amd64",),
        "netbsd": ("amd64",),
        "windows": ("amd64", "arm64"),
    }.items()
    for architecture in architectures
)
"""The platforms that `make agents` builds for."""


@cache
def native_program(platform: Platform) -> Path:
    """Return the program for a platform, which is built if this was not done before.

    Raises:
        NoNativeAgent: there is no Go toolchain, or the build fails.
    """
    directory = _cache_directory() / _sources_hash() / str(platform)
    program = directory / platform.program_name
    if not program.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "lock").open("w") as lock:
            # Several processes may want the same program at the same time.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                build(platform, program)
    return program


def build(platform: Platform, program: Path) -> None:
    """Build the program for a platform: the same bytes each time.

    Raises:
        NoNativeAgent: there is no Go toolchain, or the build fails.
    """
    temporary = program.with_name(f"{program.name}.{os.getpid()}")
    go = find_go()
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="]
    settings = {
        "CGO_ENABLED": "0",
        "GOOS": platform.system,
        "GOARCH": platform.architecture,
        "GOARM": "7",
        "GOCACHE": str(_cache_directory() / "go-build"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
    }
    done = subprocess.run(
        [*command, "-o", str(temporary), "."],
        cwd=SOURCES,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoNativeAgent(f"{go} does not build the agent for {platform}: {done.stderr.strip()}")
    temporary.replace(program)


def find_go() -> str:
    """Return the Go toolchain: that of the virtual environment, or the first on the PATH.

    Raises:
        NoNativeAgent: there is none.
    """
    own = Path(sys.prefix, "bin", "go")
    go = str(own) if own.exists() else shutil.which("go")
    if go is None or not SOURCES.is_dir():
        raise NoNativeAgent("the native agent is not built, and there is no Go to build it with")
    return go


@cache
def _sources_hash() -> str:
    total = hashlib.sha256()
    for path in sorted([SOURCES / "go.mod", *SOURCES.rglob("*.go")]):
        if not path.name.endswith("_test.go"):
            total.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _cache_directory() -> Path:
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "native-agents"
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache_home) / "norouter" / "native-agents"
