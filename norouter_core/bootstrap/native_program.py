"""The program of the native agent for a platform.

A wheel carries the programs, compressed, in the directory `agents` beside this file; `make agents`
leaves them in `dist/agents` of a checkout. Where neither has the present state of the sources, Go
builds the program from `agent-go`, once for each platform. What is built or unpacked is kept in a
directory of the virtual environment, or below the user's cache.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from norouter_core.errors import NorouterError

if sys.platform != "win32":
    import fcntl

SOURCES = Path(__file__).parents[2] / "agent-go"
BUILT = SOURCES.parent / "dist" / "agents"
"""Where `make agents` leaves the programs of a checkout."""

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

    @property
    def machines(self) -> list[str]:
        """What `uname -m` prints there."""
        return [name for name, each in _MACHINES.items() if each == self.architecture]

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


def this_platform() -> Platform:
    """Return the platform of this machine.

    Raises:
        NoNativeAgent: there is no native agent for it.
    """
    return Platform.of(platform.system(), platform.machine())


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
    """Return the program for a platform, which is unpacked or built if this was not done before.

    Raises:
        NoNativeAgent: it is neither packaged nor built, and cannot be built.
    """
    packed = _packaged(platform)
    if packed.is_file():
        data = packed.read_bytes()
        state = hashlib.sha256(data).hexdigest()[:16]
        return _kept(platform, state, lambda program, _: _unpack(data, program))
    if not SOURCES.is_dir():
        raise NoNativeAgent("this installation of norouter carries no native agents")
    if are_built():
        return BUILT / str(platform) / platform.program_name
    return _kept(platform, sources_hash(), partial(build, platform))


_packing = threading.Lock()


def packed_program(platform: Platform) -> bytes:
    """Return the program for a platform, compressed by gzip once per process, in any thread.

    Raises:
        NoNativeAgent: as from `native_program`.
    """
    with _packing:
        return _packed(platform)


@cache
def _packed(platform: Platform) -> bytes:
    packaged = _packaged(platform)
    if packaged.is_file():
        return packaged.read_bytes()
    program = native_program(platform)
    packed = program.with_name(f"{program.name}.gz")
    try:
        if packed.stat().st_mtime_ns >= program.stat().st_mtime_ns:
            return packed.read_bytes()
    except FileNotFoundError:
        pass
    data = gzip.compress(program.read_bytes(), 9, mtime=0)
    try:
        _write(packed, data, 0o644)
    except OSError:
        pass  # It is made again the next time, which takes a second.
    return data


def _packaged(platform: Platform) -> Traversable:
    return files(__package__).joinpath("agents", packed_name(platform))


def needs_build(platform: Platform) -> bool:
    """Return whether `native_program` has Go build the program first, which takes a while."""
    if is_at_hand(platform) or not SOURCES.is_dir() or find_go() is None:
        return False
    state = sources_hash()
    programs = (_program_in(each, state, platform) for each in _lasting_directories())
    return not any(map(os.path.exists, programs))


def is_at_hand(platform: Platform) -> bool:
    """Return whether the program needs not be built."""
    return _packaged(platform).is_file() or (SOURCES.is_dir() and are_built())


def packed_name(platform: Platform) -> str:
    """Return the name of the compressed program in a wheel."""
    return f"{platform}.gz"


def are_built() -> bool:
    """Return whether `dist/agents` holds the programs of the present sources."""
    note = BUILT / "sources"
    return note.is_file() and note.read_text("ascii") == sources_hash()


def _kept(platform: Platform, state: str, make: Callable[[Path, Path], None]) -> Path:
    """Return the program in the first directory that has it, or can have it.

    `make` gets the path of the program, and the directory.
    """
    failure: OSError | None = None
    try:
        for directory in _directories():
            program = _program_in(directory, state, platform)
            try:
                if not program.exists():
                    program.parent.mkdir(parents=True, exist_ok=True)
                    with _locked(program.parent / "lock"):
                        if not program.exists():
                            make(program, directory)
            except OSError as error:
                failure = error
            else:
                return program
    except OSError as error:  # There is no directory for temporary files.
        failure = failure or error
    raise NoNativeAgent(f"the native agent cannot be written to any directory: {failure}")


def _program_in(directory: Path, state: str, platform: Platform) -> Path:
    return directory / state / str(platform) / platform.program_name


def _directories() -> Iterator[Path]:
    yield from _lasting_directories()
    temporary = tempfile.mkdtemp(prefix="norouter-agents-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    yield Path(temporary)


def _lasting_directories() -> Iterator[Path]:
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix) / "native-agents"
    # Relative if the user has neither HOME nor an entry in /etc/passwd.
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(cache_home):
        yield Path(cache_home) / "norouter" / "native-agents"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others from making the same program at the same time, which is only a waste."""
    with path.open("w") as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(packed: bytes, program: Path) -> None:
    _write(program, gzip.decompress(packed), 0o755)


def _write(path: Path, data: bytes, mode: int) -> None:
    with _replacing(path) as temporary:
        temporary.write_bytes(data)
        temporary.chmod(mode)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a file that takes the place of `path` once it is complete."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def build(platform: Platform, program: Path, directory: Path) -> None:
    """Build the program for a platform: the same bytes each time.

    What Go keeps for its next build goes to a directory within `directory`.

    Raises:
        NoNativeAgent: there is no Go toolchain that can be executed, or the build fails.
        OSError: the program cannot be written.
    """
    go = find_go()
    if go is None:
        raise NoNativeAgent(
            f"this machine has no native agent for {platform}, and no Go to build it"
        )
    command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="]
    settings = {
        "CGO_ENABLED": "0",
        "GOOS": platform.system,
        "GOARCH": platform.architecture,
        "GOARM": "7",
        "GOCACHE": str(directory / "go-build"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "GOWORK": "off",
    }
    with _replacing(program) as temporary:
        try:
            done = subprocess.run(
                [*command, "-o", str(temporary), "."],
                cwd=SOURCES,
                env={**os.environ, **settings},
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise NoNativeAgent(f"cannot run {go} to build the native agent: {error}") from None
        if done.returncode != 0:
            report = done.stderr.strip()
            raise NoNativeAgent(f"{go} does not build the agent for {platform}: {report}")


def find_go() -> str | None:
    """Return the Go toolchain: that of the virtual environment, or the first on the PATH."""
    own = Path(sys.prefix, "bin", "go")
    return str(own) if own.exists() else shutil.which("go")


@cache
def sources_hash() -> str:
    """Return what identifies the present state of the agent's sources."""
    total = hashlib.sha256()
    for path in sorted([SOURCES / "go.mod", *SOURCES.rglob("*.go")]):
        if not path.name.endswith("_test.go"):
            total.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
