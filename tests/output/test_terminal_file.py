"""A terminal that stops reading."""

from __future__ import annotations

import os
import pty
import re
import time
import tty

from norouter_tui.output.writers import TerminalFile

LIMIT = 1 << 20


def test_a_terminal_that_stalls_blocks_nothing_and_shows_what_was_dropped() -> None:
    reader, number = pty.openpty()
    tty.setraw(number)
    screen = TerminalFile(number, limit=LIMIT)
    assert screen.isatty() and screen.fileno() == number
    begun = time.monotonic()
    block = "x" * (LIMIT // 8) + "\n"
    for _ in range(40):
        screen.write(block)
    screen.drain(0.05)
    assert time.monotonic() - begun < 5, "it waited for the terminal"

    screen.write("the end")
    shown = b""
    while b"the end" not in shown:
        shown += os.read(reader, 1 << 16)
    said = re.findall(rb"\.\.\. ([0-9]+) bytes were dropped\r\n", shown)
    assert int(said[0]) + shown.count(b"x") + shown.count(b"\nx") >= 40 * len(block) - 40
    assert len(shown) < 2 * LIMIT
    screen.drain(10)
    screen.write("and on")
    screen.drain(10)
    while b"and on" not in shown:
        shown += os.read(reader, 1 << 16)
    os.close(reader)
    screen.drain(10)
    screen.write("nobody is there any more")
    screen.drain(10)
    os.close(number)
