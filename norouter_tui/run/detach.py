"""`norouter run --detach`: go to the background once the mesh is up."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import platformdirs

from norouter_core.errors import NorouterError
from norouter_tui.exit_codes import ExitCode

_MAX_LOGS = 20
_POLL_INTERVAL = 0.1
"""Seconds between two looks at the log."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class DetachError(NorouterError):
    """A run cannot go to the background here; the text says why."""


class StartReport:
    """Reports from the background process to the one in the foreground."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def pid(self) -> None:
        self._write(f"pid {os.getpid()}\n")

    def ready(self) -> None:
        """Report that the mesh is ready, and close the report."""
        self._write("ready\n")
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def ended(self, status: int) -> None:
        """Report the end of the run; does nothing after `ready`.

        The report stays open until the process ends, which is what the foreground waits for.
        """
        self._write(f"ended {status}\n")

    def _write(self, line: str) -> None:
        with suppress(OSError):  # the foreground process has gone
            if self._fd >= 0:
                os.write(self._fd, line.encode())


def run_detached(name: str, run: Callable[[StartReport], int], *, as_json: bool = False) -> int:
    """Call `run` in a background process, without a terminal, with its output in a log file.

    Call it before any thread has been started. Until the mesh is ready, the foreground process
    shows the log; then it prints the process id and the log file on stdout.

    Args:
        name: of the mesh, for the name of the log file.
        as_json: whether the log has JSON lines, which the foreground process prints on stdout. The
            process id and the log file are the last of them.

    Returns:
        Twice: in the background what `run` returned; in the foreground 0 once the mesh is ready, or
        the exit status of the run once it has failed.

    Raises:
        DetachError: the system has no `fork`, or the log cannot be written.
    """
    if not hasattr(os, "fork"):
        raise DetachError("this system has no fork; run norouter as a service instead")
    try:
        path, log = _open_log(name)
    except OSError as error:
        message = f"cannot write the log {error.filename}: {error.strerror}"
        raise DetachError(message) from None
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.close(writing)
        os.waitpid(child, 0)
        with log:
            return _Foreground(reading, path, as_json).wait()
    os.close(reading)
    _leave_terminal(log)
    report = StartReport(writing)
    report.pid()
    status: int = ExitCode.INTERNAL
    try:
        status = run(report)
    finally:
        report.ended(status)
    return status


def _leave_terminal(log: BinaryIO) -> None:
    os.setsid()
    # Not a session leader, so that no terminal it opens becomes its controlling terminal.
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for number in (1, 2):
        os.dup2(log.fileno(), number)
    os.close(null)
    log.close()
    # Some shells start background jobs with these ignored.
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)


def log_directory() -> Path:
    return platformdirs.user_state_path("norouter", False) / "log"


def _open_log(name: str) -> tuple[Path, BinaryIO]:
    directory = log_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_old_logs(directory)
    short = _UNSAFE.sub("_", name)[:60].strip("._") or "mesh"
    path = directory / f"{short}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return path, os.fdopen(fd, "ab")


def _remove_old_logs(directory: Path) -> None:
    logs = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in logs[: -_MAX_LOGS + 1]:
        path.unlink(missing_ok=True)


class _Foreground:
    """Shows the log of the background process until that is ready or has failed."""

    def __init__(self, reading: int, log: Path, as_json: bool) -> None:
        self._reading = reading
        self._path = log
        self._as_json = as_json
        self._partial = b""
        self._pid = 0
        self._is_interrupted = False

    def wait(self) -> int:
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with open(self._path, "rb") as log, open(self._reading, "rb", buffering=0) as report:
                lines = self._follow(log, report)
                self._show(log)
        finally:
            signal.signal(signal.SIGINT, before)
        if "ready" in lines:
            sys.stdout.write(self._ready_line())
            return ExitCode.OK
        if self._is_interrupted:
            return ExitCode.INTERRUPTED
        ended = next((line for line in lines if line.startswith("ended ")), "")
        sys.stderr.write(f"norouter: the run failed and has ended; the log is {self._path}\n")
        return int(ended.partition(" ")[2]) if ended else ExitCode.INTERNAL

    def _ready_line(self) -> str:
        if self._as_json:
            event = {"event": "detached", "at": time.time(), "pid": self._pid}
            return json.dumps({**event, "log": str(self._path)}) + "\n"
        return f"norouter is running in the background: pid {self._pid}, log {self._path}\n"

    def _follow(self, log: BinaryIO, report: BinaryIO) -> list[str]:
        """Show the log and return the lines of the report, once that has ended."""
        text = b""
        while True:
            if select.select([report], [], [], _POLL_INTERVAL)[0]:
                chunk = report.read(4096)
                text += chunk
                if not chunk:
                    return text.decode().splitlines()
                if not self._pid and b"\n" in text:
                    self._pid = int(text.split(b"\n")[0].split()[1])
                    if self._is_interrupted:
                        self._stop()
            self._show(log)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._is_interrupted = True
        self._stop()

    def _stop(self) -> None:
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def _show(self, log: BinaryIO) -> None:
        """Show the new lines of the log, which has stdout and stderr of the background process."""
        *lines, self._partial = (self._partial + log.read()).split(b"\n")
        for line in lines:
            stream = sys.stdout if self._as_json and line.startswith(b"{") else sys.stderr
            stream.write(line.decode("utf-8", "backslashreplace") + "\n")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
