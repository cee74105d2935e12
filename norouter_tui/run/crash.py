"""The last resort: an internal error becomes one line on stderr and a file to report."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from norouter_core.sanitize import escape
from norouter_tui import __version__


class CrashReporter:
    """Writes tracebacks to a file, or to stderr with `debug`, and prints a line about each."""

    def __init__(self) -> None:
        self.debug = False
        self._reported: set[str] = set()

    def report(self, error: BaseException, where: str = "") -> None:
        """Report `error`, unless the same error has been reported before."""
        text = "".join(traceback.format_exception(error))
        first = _innermost(error)
        what = escape(f"{type(first).__name__}: {first}".strip(": "))
        if what in self._reported or len(self._reported) > 100:
            return
        self._reported.add(what)
        self._print(what, where, text)

    def _print(self, what: str, where: str, text: str) -> None:
        place = f" in {escape(where)}" if where else ""
        if self.debug:
            _write_stderr(f"{text}norouter: internal error{place}: {what}")
            return
        path = _write_log(text)
        kept = f"The traceback is in {path}" if path else "Run again with --debug for the traceback"
        _write_stderr(
            f"norouter: internal error{place}: {what}; please report it to the project. {kept}"
        )

    def install(self) -> None:
        """Handle every error that Python would otherwise print with a traceback."""
        threading.excepthook = self._on_thread
        sys.unraisablehook = self._on_unraisable
        sys.excepthook = self._on_exception
        handler = logging.StreamHandler()
        handler.setFormatter(_OneLine("norouter: %(levelname)s: %(message)s"))
        logging.basicConfig(level=logging.WARNING, handlers=[handler])

    def watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handle the errors that an event loop would log with a traceback."""
        loop.set_exception_handler(self._on_loop)

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, tb: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            self.report(error)

    def _on_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and args.exc_type is not SystemExit:
            self.report(args.exc_value, args.thread.name if args.thread else "a thread")

    def _on_unraisable(self, args: Any) -> None:
        if args.exc_value is not None:
            self.report(args.exc_value)

    def _on_loop(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            self._report_shortage(error)
        elif isinstance(error, BaseException):
            self.report(error, str(context.get("message", "")))
        elif self.debug:
            _write_stderr(f"norouter: {escape(str(context.get('message', '')))}")

    def _report_shortage(self, error: OSError) -> None:
        """Report the lack of a resource, which is no error of this program."""
        text = escape(str(error.strerror))
        if text not in self._reported:
            self._reported.add(text)
            _write_stderr(f"norouter: {text}: control clients wait (raise the limit: ulimit -n)")


class _OneLine(logging.Formatter):
    """Formats a record without its traceback, which goes to the crash reporter."""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and record.exc_info[1] is not None:
            reporter.report(record.exc_info[1])
        record.exc_info, record.exc_text, record.stack_info = None, None, None
        return escape(super().format(record))


reporter = CrashReporter()
"""The reporter of this process."""


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _write_stderr(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # stderr has gone


def _write_log(text: str) -> Path | None:
    name = time.strftime(f"crash-%Y%m%d-%H%M%S-{os.getpid()}.log")
    head = f"norouter {__version__}, Python {sys.version}, {sys.platform}\n\n"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    nofollow = getattr(os, "O_NOFOLLOW", 0)  # others can write to the temporary directory
    for directory in (Path(state) / "norouter", Path(tempfile.gettempdir())):
        path = directory / name
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | nofollow, 0o600)
            with open(fd, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(head + text + "\n")
        except OSError:
            continue
        return path
    return None
