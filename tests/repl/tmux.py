"""A real terminal: tmux, driven as a person drives it, read as a person reads it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

PATIENCE = 30.0
"""Seconds that something may take to be shown: only a failing test waits so long."""


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Tmux:
    """One terminal with one program in it, on a tmux server of its own."""

    def __init__(self, socket: Path, columns: int, rows: int) -> None:
        self._command = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        self._size = ["-x", str(columns), "-y", str(rows)]
        self._folder = str(socket.parent)

    def start(self, *words: str, env: Mapping[str, str]) -> None:
        """Runs a program in the terminal; it stays to be looked at when the program has ended."""
        settings = ["set", "-g", "remain-on-exit", "on", ";", "set", "-g", "history-limit", "9999"]
        variables = [f"{name}={value}" for name, value in env.items()]
        self._tmux(
            "start-server", ";", *settings, ";",
            "new-session", "-d", *self._size, "-c", self._folder, "--", "env", *variables, *words,
        )  # fmt: skip

    def again(self, *words: str) -> None:
        """Runs a program in place of the one that has ended; the screen begins anew."""
        self._tmux("clear-history")
        self._tmux("respawn-pane", "-k", "--", *words)

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
        deadline = time.monotonic() + PATIENCE
        while True:
            shown = self.text
            above, found, below = shown.rpartition(after) if after else ("", "", shown)
            if found == after and part in below:
                return below
            if time.monotonic() > deadline:
                raise AssertionError(f"{part!r} is not shown below {after!r} in:\n{shown}")
            time.sleep(0.05)

    def says(self, line: str, part: str) -> str:
        """Types a command and waits for what it shows; the screen from the command on."""
        self.type(line)
        return self.shows(part, f"norouter> {line}")

    @property
    def pid(self) -> int:
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def kill(self) -> None:
        """Kills the program outright, and waits until it and all that it started are dead.

        Not until tmux has seen it out, which takes its time where the machine is busy.
        """
        program = psutil.Process(self.pid)
        started = program.children(recursive=True)
        program.kill()
        deadline = time.monotonic() + PATIENCE
        while any(map(_lives, [program, *started])):
            assert time.monotonic() < deadline, f"still there: {[program, *started]}"
            time.sleep(0.05)

    def status(self) -> int:
        """Waits for the end of the program; its exit status."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            dead, status = self._tmux(
                "display-message", "-p", "#{pane_dead} #{pane_dead_status}"
            ).split(" ")
            if dead == "1":
                return int(status or -1)
            time.sleep(0.05)
        raise AssertionError(f"it has not ended:\n{self.text}")

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
    """A terminal in `folder`, to be given a program by `start`."""
    made = Tmux(folder / "tmux", columns, rows)
    try:
        yield made
    finally:
        made.close()
