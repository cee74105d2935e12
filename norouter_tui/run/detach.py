"""`norouter run --detach`: the mesh in the background, once it is known whether it came up."""

from __future__ import annotations

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

_KEPT_LOGS = 20
_TICK = 0.1
"""Seconds between two looks at the log while it is waited."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class DetachError(NorouterError):
    """There can be no run in the background here; the text says why."""


class StartReport:
    """What the run in the background tells the one that was started in the foreground."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def pid(self) -> None:
        self._say(f"pid {os.getpid()}\n")

    def ready(self) -> None:
        """The mesh is ready: nobody is told of anything any more."""
        self._say("ready\n")
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def ended(self, status: int) -> None:
        """The run has ended. Harmless once it was ready.

        The end of the process is what closes this: who waits must not go on before."""
        self._say(f"ended {status}\n")

    def _say(self, line: str) -> None:
        with suppress(OSError):  # whoever waited has gone
            if self._fd >= 0:
                os.write(self._fd, line.encode())


def detached(name: str, run: Callable[[StartReport], int]) -> int:
    """Calls `run` in a process of its own, in the background: without a terminal, stdout and stderr
    in a log file. To be called before any thread has been started.

    Returns twice: in the background what `run` returned; in the foreground once the mesh is ready,
    with 0, or once the run has failed, with its status; the log is shown until then, and after
    that the process id and the log file are told on stdout.

    Args:
        name: of the mesh, for the log file's name.

    Raises:
        DetachError: the system has no `fork`, or the log cannot be written.
    """
    if not hasattr(os, "fork"):
        raise DetachError("this system has no fork; start it as a service instead")
    try:
        path, log = _open_log(name)
    except OSError as error:
        message = f"the log {error.filename} cannot be written: {error.strerror}"
        raise DetachError(message) from None
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.close(writing)
        os.waitpid(child, 0)
        with log:
            return _Foreground(reading, path).wait()
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
    # Twice, so that no terminal that is ever opened becomes this process's own.
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for number in (1, 2):
        os.dup2(log.fileno(), number)
    os.close(null)
    log.close()
    # As a job in the background of some shells it was started with these ignored.
    for name in (signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)


def log_folder() -> Path:
    return platformdirs.user_state_path("norouter", False) / "log"


def _open_log(name: str) -> tuple[Path, BinaryIO]:
    folder = log_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _drop_old(folder)
    short = _UNSAFE.sub("_", name)[:60].strip("._") or "mesh"
    path = folder / f"{short}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return path, os.fdopen(fd, "ab")


def _drop_old(folder: Path) -> None:
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in logs[: -_KEPT_LOGS + 1]:
        path.unlink(missing_ok=True)


class _Foreground:
    """Waits for the run in the background, and shows its log meanwhile."""

    def __init__(self, reading: int, log: Path) -> None:
        self._reading = reading
        self._path = log
        self._pid = 0
        self._is_interrupted = False

    def wait(self) -> int:
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            with open(self._path, "rb") as shown, open(self._reading, "rb", buffering=0) as told:
                said = self._follow(shown, told)
                _show(shown)
        finally:
            signal.signal(signal.SIGINT, before)
        if "ready" in said:
            sys.stdout.write(
                f"norouter runs in the background: pid {self._pid}, log {self._path}\n"
            )
            return ExitCode.OK
        if self._is_interrupted:
            return ExitCode.INTERRUPTED
        ended = next((line for line in said if line.startswith("ended ")), "")
        sys.stderr.write(f"norouter: nothing runs in the background; the log is {self._path}\n")
        return int(ended.partition(" ")[2]) if ended else ExitCode.INTERNAL

    def _follow(self, shown: BinaryIO, told: BinaryIO) -> list[str]:
        """Every line that the run told, up to its end."""
        text = b""
        while True:
            if select.select([told], [], [], _TICK)[0]:
                chunk = told.read(4096)
                text += chunk
                if not chunk:
                    return text.decode().splitlines()
                if not self._pid and b"\n" in text:
                    self._pid = int(text.split(b"\n")[0].split()[1])
                    if self._is_interrupted:
                        self._stop()
            _show(shown)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._is_interrupted = True
        self._stop()

    def _stop(self) -> None:
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)


def _show(log: BinaryIO) -> None:
    sys.stderr.write(log.read().decode("utf-8", "backslashreplace"))
    sys.stderr.flush()
