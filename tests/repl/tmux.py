"""A real terminal: tmux, driven as a person drives it, read as a person reads it."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

TIMEOUT = 30.0
"""Seconds that something may take to be shown: only a failing test waits so long."""


class Tmux:
    """One terminal, on a tmux server of its own."""

    def __init__(self, socket: Path, columns: int, rows: int) -> None:
        self._command = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        self._size = ["-x", str(columns), "-y", str(rows)]
        self._folder = str(socket.parent)

    def start(self, env: Mapping[str, str]) -> None:
        """Opens the terminal, with a shell in it."""
        variables = [f"{name}={value}" for name, value in env.items()]
        self._tmux(
            "start-server", ";", "set", "-g", "history-limit", "9999", ";",
            "new-session", "-d", *self._size, "-c", self._folder,
            "--", "env", *variables, "PS1=$ ", "sh",
        )  # fmt: skip
        self.shows("$")

    def run(self, *words: str) -> None:
        """Has the shell run a program, and say how it ended."""
        self.type(f"{shlex.join(words)}; echo ended with $?")

    def keys(self, *keys: str) -> None:
        """Presses keys, by the names that tmux has for them."""
        self._tmux("send-keys", *keys)

    def type(self, line: str) -> None:
        """Types a line and RETURN."""
        self._tmux("send-keys", "-l", "--", line)
        self.keys("Enter")

    def paste(self, text: str) -> None:
        """As out of the clipboard."""
        self._tmux("set-buffer", "--", text)
        self._tmux("paste-buffer", "-p")

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def text(self) -> str:
        """Everything that is shown and has scrolled away, wrapped lines joined."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-").rstrip()

    def shows(self, part: str, after: str = "") -> str:
        """Waits until `part` is shown, below the last `after`; what is shown from there on."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            shown = self.text
            _above, found, below = shown.rpartition(after) if after else ("", "", shown)
            if found == after and part in below:
                return below
            if time.monotonic() > deadline:
                raise AssertionError(f"{part!r} is not shown below {after!r} in:\n{shown}")
            time.sleep(0.05)

    def says(self, line: str, part: str) -> str:
        """Types a command and waits for what it shows; the screen from the command on."""
        self.type(line)
        return self.shows(part, f"norouter> {line}")

    def kill(self) -> None:
        """Kills the program outright, and waits until it and all that it started are gone."""
        shell = psutil.Process(int(self._tmux("display-message", "-p", "#{pane_pid}")))
        running = shell.children(recursive=True)
        shell.children()[0].kill()
        _, alive = psutil.wait_procs(running, timeout=TIMEOUT)
        assert not alive
        self.shows("ended with 137")
        # What is killed leaves the terminal as it had it: RETURN is no newline, nothing is echoed.
        # The next command must be echoed: its end is looked for below its own words.
        self._tmux("send-keys", "-l", "stty sane; echo sane '' again")
        self.keys("C-j")
        self.shows("sane  again")

    def status(self) -> int:
        """Waits for the end of the program; its exit status."""
        told = self.shows("ended with ", "echo ended with $?")
        return int(told.partition("ended with ")[2].split()[0])

    def _tmux(self, *words: str) -> str:
        env = {name: value for name, value in os.environ.items() if name != "TMUX"}
        done = subprocess.run(
            [*self._command, *words], env=env, text=True, capture_output=True, timeout=20
        )
        assert done.returncode == 0, f"tmux {words}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def close(self) -> None:
        """Ends the server and what runs in it."""
        env = {name: value for name, value in os.environ.items() if name != "TMUX"}
        subprocess.run([*self._command, "kill-server"], env=env, capture_output=True, timeout=20)


@contextmanager
def terminal(folder: Path, columns: int = 110, rows: int = 40) -> Iterator[Tmux]:
    """A terminal in `folder`, to be opened by `start`."""
    made = Tmux(folder / "tmux", columns, rows)
    try:
        yield made
    finally:
        made.close()
