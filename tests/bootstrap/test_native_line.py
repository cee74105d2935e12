"""The line that makes a shell the native agent, by itself: nothing of it stays, however it ends."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from norouter_core.bootstrap.native_agent import place_line
from norouter_core.bootstrap.native_program import Platform
from tests.bootstrap.shells import behind, host
from tests.servers import TIMEOUT

NONCE = "0123456789abcdef"
GO = f"\nNOROUTER:{NONCE}:go\n".encode()
PROGRAM = b'#!/bin/sh\n[ "$1" = t ] && exit 42\necho "became $@"; rm "$4"\n' + b"#" * 5000
BROKEN = b"#!/bin/sh\nexit 7\n"


class Shell:
    """A shell that has been sent the line; the test is the hub."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    def send(self, data: bytes) -> None:
        self._stdin.write(data)

    def expect(self, wanted: bytes) -> None:
        """Read exactly this."""
        got = b""
        while len(got) < len(wanted):
            byte = self._stdout.read(1)
            assert byte, f"only {got!r} came"
            got += byte
        assert got == wanted

    def block(self, data: bytes) -> None:
        """Send a block, and await its answer."""
        self.send(b"%d\n" % len(data) + data)
        self.expect(GO)

    def rest(self) -> bytes:
        """Return what else is printed until the end."""
        return self._process.communicate(timeout=TIMEOUT)[0]

    def hang_up(self) -> None:
        """Close both ends, as when the hub dies, and wait for the shell."""
        self._stdout.close()
        self._stdin.close()
        self._process.wait(TIMEOUT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the shell and its children, as the end of a session does."""
        os.killpg(self._process.pid, number)


@contextmanager
def shell(
    command: tuple[str, ...], program: bytes, data: bytes, *places: Path, unpacks: bool = False
) -> Iterator[Shell]:
    platform = Platform("linux", "amd64")
    directories = tuple(map(str, places))
    line = place_line(NONCE, platform, len(program), len(data), unpacks, directories)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
    ) as process:
        try:
            made = Shell(process)
            made.send(line)
            yield made
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    return made


ROOMS = {
    "removed at once": "true",
    "named": "mount -t tmpfs none /proc",
}
rooms = pytest.mark.parametrize("setup", ROOMS.values(), ids=ROOMS)
shells = pytest.mark.parametrize("name", ["dash", "bash", "busybox", "zsh", "mksh"])


@pytest.mark.parametrize("readers", [("head",), ("dd",), ("dd", "head without -c")])
@rooms
def test_becomes_the_program(
    tmp_path: Path, place: Path, readers: tuple[str, ...], setup: str
) -> None:
    command = behind(setup, host(tmp_path, "dash", readers[0]))
    if len(readers) > 1:
        (tmp_path / "bin/head").write_text("#!/bin/sh\nexec cat\n")
        (tmp_path / "bin/head").chmod(0o755)
    with shell(command, PROGRAM, PROGRAM, place) as far:
        far.expect(GO)
        for at in range(0, len(PROGRAM), 1000):
            far.block(PROGRAM[at : at + 1000])
        assert far.rest().startswith(b"became agent --automated --remove ")
    assert os.listdir(place) == []


def test_unpacks_the_program(tmp_path: Path, place: Path) -> None:
    packed = gzip.compress(PROGRAM)
    command = host(tmp_path, "dash", "head", "gunzip")
    with shell(command, PROGRAM, packed, place, unpacks=True) as far:
        far.expect(GO)
        far.block(packed[:30])
        far.block(packed[30:])
        assert far.rest().startswith(b"became agent --automated")


@shells
@rooms
def test_a_hub_that_dies_in_mid_transfer(
    tmp_path: Path, place: Path, name: str, setup: str
) -> None:
    command = behind(setup, host(tmp_path, name, "head"))
    with shell(command, PROGRAM, PROGRAM, place) as far:
        far.expect(GO)
        far.block(PROGRAM[:1000])
        far.send(b"1000\nhalf a block")
        far.hang_up()
    assert os.listdir(place) == []


ENDINGS = [
    *(("dash", number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)),
    *((name, signal.SIGHUP) for name in ("bash", "busybox", "zsh", "mksh")),
]


@pytest.mark.parametrize(("name", "number"), ENDINGS)
def test_a_session_that_is_ended(
    tmp_path: Path, place: Path, name: str, number: signal.Signals
) -> None:
    command = behind(ROOMS["named"], host(tmp_path, name, "head"))
    with shell(command, PROGRAM, PROGRAM, place) as far:
        far.expect(GO)
        far.block(PROGRAM[:1000])
        assert os.listdir(place) == [f".norouter-{NONCE}"]
        far.signal(number)
        far.hang_up()
    assert os.listdir(place) == []


@shells
def test_a_shell_that_is_killed(tmp_path: Path, place: Path, name: str) -> None:
    command = host(tmp_path, name, "head")
    with shell(command, PROGRAM, PROGRAM, place) as far:
        far.expect(GO)
        far.block(PROGRAM[:1000])
        assert os.listdir(place) == []
        far.signal(signal.SIGKILL)
        far.hang_up()
    assert os.listdir(place) == []


# The others close descriptors above 2 in children, which a program that is a script reads itself.
@pytest.mark.parametrize("name", ["dash", "bash", "busybox", "zsh"])
@rooms
def test_a_program_that_fails_its_test(tmp_path: Path, place: Path, name: str, setup: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    command = behind(setup, host(tmp_path, name, "head"))
    with shell(command, BROKEN, BROKEN, place, other) as far:
        far.expect(GO)
        far.block(BROKEN)
        report = far.rest().decode()
    found = re.search(f"NOROUTER:{NONCE}:none:(.*)\n", report)
    assert found is not None
    assert found[1] == "".join(
        f"|{each}: cannot execute (exit status 7)" for each in (place, other)
    )
    assert os.listdir(place) == os.listdir(other) == []


@rooms
def test_a_program_that_is_not_whole(tmp_path: Path, place: Path, setup: str) -> None:
    """Such as after a disk that has filled up: it is not run."""
    command = behind(setup, host(tmp_path, "busybox", "head", "gunzip"))
    with shell(command, PROGRAM, b"no gzip" * 10, place, unpacks=True) as far:
        far.expect(GO)
        far.send(b"70\n" + b"no gzip" * 10)
        report = far.rest().decode()
    assert f"{place}: only 0 of {len(PROGRAM)} bytes could be written" in report
    assert os.listdir(place) == []


@pytest.mark.parametrize("missing", ["rm", "chmod"])
def test_a_host_that_could_not_remove_the_file(tmp_path: Path, place: Path, missing: str) -> None:
    command = host(tmp_path, "dash", "head")
    (tmp_path / "bin" / missing).unlink()
    with shell(command, PROGRAM, PROGRAM, place) as far:
        assert f"none:|there is no {missing}\n" in far.rest().decode()
    assert os.listdir(place) == []
