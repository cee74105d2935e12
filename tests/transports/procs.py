"""Processes of a test: started with their output followed, found in /proc, waited for."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

KEPT_LINES = 100_000
"""Bound on the lines kept of one program; more than that ends the test that made them."""


class Background:
    """A program in the background, its stdout followed line by line in a thread.

    `on_line` runs in that thread, under the lock by which `wait_until` sleeps, so a condition
    may read whatever `on_line` writes. stderr goes to a file beside the other evidence.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stderr: Path,
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        merge_stderr: bool = False,
    ) -> None:
        self.argv = list(argv)
        self.lines: list[str] = []
        self._stderr = stderr
        self._on_line = on_line
        self._changed = threading.Condition()
        self._eof = False
        with stderr.open("wb") as err:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge_stderr else err,
                env=None if env is None else dict(env),
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._follow, args=(self.process.stdout,))
        self._reader.daemon = True
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    def _follow(self, stdout: IO[bytes]) -> None:
        with stdout:
            for raw in stdout:
                line = raw.decode(errors="replace").rstrip("\n")
                with self._changed:
                    if len(self.lines) < KEPT_LINES:
                        self.lines.append(line)
                    if self._on_line is not None:
                        self._on_line(line)
                    self._changed.notify_all()
        with self._changed:
            self._eof = True
            self._changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until `condition` holds; it is looked at after every line.

        Raises:
            AssertionError: it did not come in `timeout` seconds, or the program's output ended.
        """
        with self._changed:
            held = self._changed.wait_for(lambda: condition() or self._eof, timeout)
            if condition():
                return
            why = "the program's output ended" if held else f"not within {timeout:g} s"
            raise AssertionError(f"{what}: {why}\n{self._evidence()}")

    def wait_line(self, part: str, timeout: float) -> str:
        """The first line that holds `part`, waited for."""
        self.wait_until(lambda: any(part in line for line in self.lines), timeout, repr(part))
        return next(line for line in self.lines if part in line)

    def _evidence(self) -> str:
        shown = "\n".join(self.lines[-25:])
        return f"argv: {self.argv}\nlast lines:\n{shown}\nstderr:\n{self.stderr[-4000:]}"

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 15) -> int:
        """Send `number`, wait, and give the exit status; SIGKILL after `timeout` seconds."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"still running {timeout:g} s after {number.name}\n{self._evidence()}"
            ) from None
        finally:
            self._reader.join(5)

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)


def run(*argv: str, timeout: float = 60, stdin: bytes = b"") -> str:
    """Run a program to its end and give its stdout.

    Raises:
        AssertionError: another exit status than 0; the message holds its stderr.
    """
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False)
    assert done.returncode == 0, (
        f"{argv}: exit {done.returncode}\n{done.stderr.decode(errors='replace')}"
    )
    return done.stdout.decode()


def netns_of(pid: int) -> int | None:
    """The inode of a process's network namespace; None for a zombie or one that has gone."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def processes_in(namespaces: Iterable[int]) -> frozenset[int]:
    """The ids of all live processes in these network namespaces (inodes)."""
    wanted = frozenset(namespaces)
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return frozenset(pid for pid in pids if netns_of(pid) in wanted)


def cmdline(pid: int) -> str:
    """The command line, words joined by spaces; empty where the process has gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def agents_in(namespaces: Iterable[int]) -> frozenset[int]:
    """The agents of either kind in these network namespaces."""
    words = "norouter-agent", " agent --automated"
    found = processes_in(namespaces)
    return frozenset(pid for pid in found if any(word in cmdline(pid) for word in words))


def wait_gone(list_them: Callable[[], Iterable[int]], timeout: float) -> list[str]:
    """Wait until `list_them` gives no process; the command lines of what is left then.

    It sleeps on the processes themselves (pidfd), and lists again when one of them has ended,
    because one that ends may have started another.
    """
    deadline = time.monotonic() + timeout
    while left := list(list_them()):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return [f"{pid}: {cmdline(pid)}" for pid in left]
        _wait_one(left[0], remaining)
    return []


def _wait_one(pid: int, timeout: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.poll(timeout * 1000)
    finally:
        os.close(fd)


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL to each; those that have gone already do not matter."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
