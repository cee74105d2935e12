"""Output that outlives its reader and never holds up the mesh."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import threading
from collections.abc import Iterator

import pytest
from rich.text import Text

from norouter_tui.output.writers import LastingFile, LineWriter, painter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def test_writes_after_the_reader_has_gone_are_dropped(pipe: tuple[int, int]) -> None:
    raw = LastingFile(pipe[1], "w", closefd=False)
    assert raw.write(b"one") == 3
    os.close(pipe[0])
    assert raw.write(b"two") == 3
    assert raw.gone


def test_other_errors_are_raised() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb", buffering=0) as full:
        raw = LastingFile(full.fileno(), "w", closefd=False)
        with pytest.raises(OSError, match="No space left"):
            raw.write(b"x")


def test_a_descriptor_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETFL, fcntl.fcntl(writer, fcntl.F_GETFL) | os.O_NONBLOCK)
    data = os.urandom(1 << 20)
    got = bytearray()

    def read() -> None:
        while len(got) < len(data):
            got.extend(os.read(reader, 65536))

    thread = threading.Thread(target=read)
    thread.start()
    with io.BufferedWriter(LastingFile(writer, "w", closefd=False)) as file:
        file.write(data)
    thread.join(10)
    assert bytes(got) == data


def test_a_writer_whose_reader_stalls_drops_lines_and_never_blocks(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    lines = LineWriter(LastingFile(writer, "w", closefd=False), limit=100_000)
    taken = sum(lines.put("x" * 1000) for _ in range(5000))
    assert 0 < taken < 5000
    lines.close(0.05)
    assert not lines.put("late")
    # Only now does anybody read: every line that was taken comes, whole.
    got = b""
    while got.count(b"\n") < taken:
        got += os.read(reader, 1 << 16)
    assert got == (b"x" * 1000 + b"\n") * taken


def test_close_writes_what_waits(pipe: tuple[int, int]) -> None:
    lines = LineWriter(LastingFile(pipe[1], "w", closefd=False), "ascii")
    assert lines.put("ready \u2713")
    lines.close()
    assert os.read(pipe[0], 100) == b"ready \\u2713\n"


def test_colour_is_for_terminals_and_obeys_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = Text("ready", style="green")
    leader, follower = pty.openpty()
    with open(follower, "w") as terminal, open(leader, "rb", buffering=0):
        assert painter(terminal)(text) == "\x1b[32mready\x1b[0m"
        monkeypatch.setenv("NO_COLOR", "1")
        assert painter(terminal)(text) == "ready"
    assert painter(io.StringIO())(text) == "ready"
