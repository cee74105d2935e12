"""The native agent, sent to a host that needs no Python: a bare shell that can write one file.

The first line asks the shell what machine this is. The second (`native_agent.sh.txt`) is parsed
whole before any of it runs, so that no shell reads further. For each directory it

- creates a file, and sees whether there is room for the program;
- opens the file, and removes it where `/proc` still leads to it: nothing stays, however this ends;
- receives the program, in blocks whose length is sent before each one, or copies it from the
  directory before, which allowed no execution;
- checks its size, runs it with a test word, and, if that works, becomes it.

If no directory will do, and there is a `perl`, the file is one in memory. The line uses short POSIX
options that busybox, toybox and the coreutils share; `dd` reads byte by byte, since a short read
counts as a block. Descriptor 3 leads to the hub, 4 writes the program, 5 reads it, 7 reads the copy
in the directory before, and 6 is the null device, which some hosts lack.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from importlib.resources import files

from norouter_core.bootstrap.base import Bootstrap, Exchange, Progress, Stdio, building
from norouter_core.bootstrap.elf import ELF_MAGIC, elf_architecture
from norouter_core.bootstrap.handshake import Hello, HelloSearch, MarkerSearch
from norouter_core.bootstrap.native_program import (
    PLATFORMS,
    NoNativeAgent,
    Platform,
    native_program,
    needs_build,
    packed_program,
)
from norouter_core.bootstrap.python_agent import marker
from norouter_core.exec_commands.problem import Stage
from norouter_core.timing import Timing

DIRECTORIES = (
    "/tmp",
    "/var/tmp",
    '"${XDG_RUNTIME_DIR:-/tmp}"',
    '"${HOME:-/tmp}"',
    "/run",
    "/dev/shm",  # a directory of the host, where the file gets a random name
    "/dev",
    ".",  # last, because it may belong to another user
)
"""Where the program may lie while it is started, as the shell's words, in order."""

_MEMFD_CREATE = {
    "amd64": 319,
    "386": 356,
    "arm64": 279,
    "arm": 385,
    "riscv64": 279,
    "ppc64le": 360,
    "s390x": 350,
}
"""The number of Linux's system call that makes a file in memory, by architecture."""


class NativeAgent(Bootstrap):
    """Sends the native agent to a shell."""

    def __init__(
        self,
        argv: tuple[str, ...],
        timing: Timing,
        directories: tuple[str, ...] = DIRECTORIES,
    ) -> None:
        self.argv = argv
        self._timing = timing
        self._directories = directories

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self.argv, stdio, progress)
        nonce = secrets.token_hex(8)
        exchange.enter(Stage.SHELL)
        question = ask_line(nonce)
        await stdio.send(question)
        search = MarkerSearch(marker(nonce), question)
        await exchange.search(search, self._timing.shell)
        exchange.enter(Stage.NATIVE)
        answer = Answer.parse(search.noise)
        try:
            platform = answer.platform
        except NoNativeAgent as error:
            raise exchange.failed(report=str(error)) from None
        if await asyncio.to_thread(needs_build, platform):
            progress(building(Stage.NATIVE, platform))
        try:
            data, size = await asyncio.to_thread(_program, platform, answer.unpacks)
        except NoNativeAgent as error:
            raise exchange.failed(no_program=str(error)) from None
        exchange.enter(Stage.NATIVE)
        nonce = secrets.token_hex(8)
        line = place_line(nonce, platform, size, len(data), answer.unpacks, self._directories)
        await stdio.send(line)
        first = await exchange.search(MarkerSearch(marker(nonce), line), self._timing.hello)
        first = await exchange.send_in_blocks(data, marker(nonce), self._timing.transfer)
        first = await exchange.search(HelloSearch(marker(nonce)), self._timing.hello, first)
        return await exchange.read_hello(first, self._timing.hello)


def ask_line(nonce: str) -> bytes:
    """Return the line that has the shell print what `Answer` holds, then the marker."""
    return (
        "if [ -r /proc/self/exe ] && h=$(command -v head); then head -c 20 </proc/self/exe; fi; "
        f"printf '\\n%s|%s|%s\\nNOROUTER:%s:go\\n' "
        f'"$(uname -s)" "$(uname -m)" "$(command -v gunzip)" {nonce}\n'
    ).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shell knows of its machine: what `uname` prints, and its own ELF header."""

    system: str
    machine: str
    header: bytes
    unpacks: bool
    """Whether there is a `gunzip`."""

    @classmethod
    def parse(cls, noise: bytes) -> Answer:
        """Return the answer at the end of what was printed."""
        before, _, last = noise.rstrip(b"\r\n").rpartition(b"\n")
        words = [word.strip() for word in last.decode("utf-8", "replace").split("|")]
        system, machine, gunzip = words if len(words) == 3 else ("", "", "")
        at = before.rfind(ELF_MAGIC)
        header = before[at:] if at >= 0 else b""
        return cls(system, machine, header, gunzip != "")

    @property
    def platform(self) -> Platform:
        """The platform whose programs the shell's user can run.

        The header decides: `uname` describes the kernel, which may run 32-bit programs only in a
        container or chroot, because there the libraries, and the emulation, are of that kind.

        Raises:
            NoNativeAgent: it is of no known architecture.
        """
        architecture = elf_architecture(self.header)
        if architecture is None or (architecture == "arm" and self.machine.startswith("armv")):
            return Platform.of(self.system, self.machine)
        platform = Platform(self.system.lower() or "linux", architecture)
        if platform not in PLATFORMS:
            raise NoNativeAgent(f"there is no native agent for {self.system} on {self.machine}")
        return platform


def _program(platform: Platform, packed: bool) -> tuple[bytes, int]:
    """Return what to send, and the size of the program on the host."""
    data = packed_program(platform) if packed else native_program(platform).read_bytes()
    # A gzip file ends in the size of what it holds.
    return data, int.from_bytes(data[-4:], "little") if packed else len(data)


def place_line(
    nonce: str,
    platform: Platform,
    size: int,
    packed: int,
    unpacks: bool,
    directories: tuple[str, ...],
) -> bytes:
    """Return the line that receives `packed` bytes and becomes the program, which has `size`."""
    text = files(__package__).joinpath("native_agent.sh.txt").read_text("utf-8")
    values = {
        "NONCE": nonce,
        "SIZE": size,
        "KIB": -(-size // 1024),
        "PACKED": packed,
        "UNPACK": "| gunzip" if unpacks else "",
        "MEMFD": _MEMFD_CREATE.get(platform.architecture, -1),
        "DIRECTORIES": " ".join(directories),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return (" ".join(line.strip() for line in text.splitlines()) + "\n").encode()
