"""A real terminal of a test's own, and a program that runs on it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.programs import ROOT
from tests.servers import TIMEOUT

# subprocess cannot give a child its controlling terminal; this program takes its stderr for it.
_ON_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class OnTerminal:
    """A program whose stderr, and whose controlling terminal, is a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], leader: int) -> None:
        self.process = process
        self.text = ""
        self._leader = leader
        self._read = 0

    def type(self, text: str) -> None:
        os.write(self._leader, text.encode())

    def stop_and_continue(self) -> None:
        """Stop the program, switch on the echo as a shell does, and continue the program."""
        self.process.send_signal(signal.SIGSTOP)
        modes = termios.tcgetattr(self._leader)
        modes[3] |= termios.ECHO
        termios.tcsetattr(self._leader, termios.TCSANOW, modes)
        self.process.send_signal(signal.SIGCONT)

    def hang_up(self) -> None:
        """Take the terminal away, as a logout does."""
        os.close(self._leader)
        self._leader = -1

    def shows(self, part: str) -> str:
        """Wait for `part` after what was waited for last; return what came up to its end."""
        end = time.monotonic() + TIMEOUT
        while part not in self.text[self._read :]:
            assert self.read(end - time.monotonic()), f"{part!r} is not in {self.text!r}"
        begun, at = self._read, self.text.index(part, self._read)
        self._read = at + len(part)
        return self.text[begun : self._read]

    def read(self, timeout: float) -> bool:
        """Read what is shown; return False at the end, and if nothing comes in time."""
        if not select.select([self._leader], [], [], max(0.0, timeout))[0]:
            return False
        try:
            data = os.read(self._leader, 4096)
        except OSError:  # nobody has the terminal open any more
            return False
        self.text += _STYLE.sub("", data.decode("utf-8", "replace")).replace("\r\n", "\n")
        return bool(data)

    def ends(self) -> int:
        """Wait for the end, and return the exit status."""
        while self.read(TIMEOUT):
            pass
        return self.process.wait(TIMEOUT)


@contextmanager
def on_terminal(
    home: Path,
    *words: str,
    stdin: int | None = None,
    program: Sequence[str] = ("-m", "norouter_tui"),
    **env: str,
) -> Iterator[OnTerminal]:
    """Run `norouter WORDS...`, or another program of Python, on a terminal.

    Stdin is the terminal as well, unless it is given.
    """
    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(home)}
    environment |= {"NO_COLOR": "1", **env}
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, *program, *words],
        stdin=follower if stdin is None else stdin,
        stdout=follower if stdin is None else subprocess.DEVNULL,
        stderr=follower,
        env=environment,
    )
    os.close(follower)
    terminal = OnTerminal(process, leader)
    try:
        yield terminal
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if terminal._leader >= 0:
            terminal.hang_up()
