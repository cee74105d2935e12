"""A terminal that nobody reads."""

from __future__ import annotations

import os
import pty
import re
import time
import tty

import pytest

from norouter_tui.output.nonblocking import MOST, NonblockingFile

pytestmark = pytest.mark.anyio


async def test_a_terminal_that_stands_still_holds_nobody_up_and_says_what_is_missing() -> None:
    reader, number = pty.openpty()
    tty.setraw(number)
    screen = NonblockingFile(number)
    assert screen.isatty() and screen.fileno() == number
    begun = time.monotonic()
    block = "x" * (MOST // 8) + "\n"
    for _ in range(40):
        screen.write(block)
    await screen.drain(0.05)
    assert time.monotonic() - begun < 5, "it waited for the terminal"

    screen.write("the end")
    shown = b""
    while b"the end" not in shown:
        shown += os.read(reader, 1 << 16)
    said = re.findall(rb"\.\.\. ([0-9]+) bytes were left out\r\n", shown)
    assert int(said[0]) + shown.count(b"x") + shown.count(b"\nx") >= 40 * len(block) - 40
    assert len(shown) < 2 * MOST
    await screen.drain(10)
    screen.write("and on")
    await screen.drain(10)
    while b"and on" not in shown:
        shown += os.read(reader, 1 << 16)
    os.close(reader)
    await screen.drain(10)
    screen.write("nobody is there any more")
    await screen.drain(10)
    os.close(number)
