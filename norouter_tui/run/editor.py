"""`norouter -e`: edit a temporary manifest and run it after each change."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.text import Text

from norouter_core.errors import NorouterError
from norouter_core.links.child_limits import with_original_limit
from norouter_core.manifest import Loaded
from norouter_core.manifest.schema import modeline
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import PrintLine, line_printer
from norouter_tui.run.documents import example, load_manifest
from norouter_tui.run.headless import RunOptions, run_loaded

_EDITORS = ("sensible-editor", "editor", "vi", "nano", "emacs")
"""Tried if neither VISUAL nor EDITOR is set."""


class EditorFailed(NorouterError):
    """The editor could not be started, or failed; the text says which."""


def edit_and_run(options: RunOptions) -> int:
    """Open the example manifest in an editor and run the result; return the exit status.

    RETURN stops the mesh and opens the editor again. The file is kept if it was changed.
    """
    say = line_printer(sys.stderr)
    number, name = tempfile.mkstemp(prefix="norouter-", suffix=".yaml")
    original = (modeline() + example()).encode()
    with open(number, "wb") as file:
        file.write(original)
    loop = _EditLoop(Path(name), say, options)
    # From here on an interrupt must not end the program before it has printed where the file is:
    # it is noted, and acted on while the program waits.
    before = signal.signal(signal.SIGINT, loop.note_interrupt)
    try:
        return loop.run()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    finally:
        _print_outcome(Path(name), original, say)
        signal.signal(signal.SIGINT, before)


def _print_outcome(path: Path, original: bytes, say: PrintLine) -> None:
    try:
        unchanged = path.read_bytes() == original
    except OSError as error:
        say(Text(f"cannot read the manifest {path}: {error.strerror}"))
        return
    if unchanged:
        path.unlink()
        say(Text("the example was not changed; nothing is kept"))
        return
    say(Text(f"the manifest is kept in {path}", style="bold"))


class _EditLoop:
    """Runs the editor and the mesh in turn on one file."""

    def __init__(self, path: Path, say: PrintLine, options: RunOptions) -> None:
        self._path = path
        self._say = say
        self._options = options
        self._interrupted = False

    def note_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT."""
        self._interrupted = True

    def run(self) -> int:
        before = self._path.read_bytes()
        while True:
            try:
                edit(self._path)
                text = self._path.read_bytes()
            except (EditorFailed, OSError) as error:
                self._say(Text(f"norouter: {escape(str(error))}", style="bold red"))
                return ExitCode.USAGE
            # Only the untouched example is not run; a mesh whose manifest was merely looked at
            # comes back.
            if text == before:
                return ExitCode.OK
            before = b""
            status, again = self._run_once(load_manifest(str(self._path), self._say, runs=True))
            if not again:
                return status

    def _run_once(self, loaded: Loaded | None) -> tuple[int, bool]:
        """Return the exit status, and whether to open the editor again."""
        if loaded is None or not loaded.spec.hosts:
            line = f"not run; the manifest is in {self._path}: RETURN edits it again, Ctrl-C quits"
            self._say(Text(line, style="bold"))
            return ExitCode.USAGE, self._wait_for_return()
        line = f"running {self._path}: RETURN stops the mesh and edits it again, Ctrl-C quits"
        self._say(Text(line, style="bold"))
        return run_loaded(loaded, self._options, reopen=True)

    def _wait_for_return(self) -> bool:
        """Wait for RETURN; return False at the end of stdin."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            if self._interrupted:
                raise KeyboardInterrupt
            # Unbuffered: what follows this line is for the next reader.
            while byte := os.read(0, 1):
                if byte in b"\r\n":
                    return True
            return False
        finally:
            signal.signal(signal.SIGINT, before)


def edit(path: Path) -> None:
    """Open `path` in the editor of VISUAL or EDITOR, and wait for it to exit.

    Raises:
        EditorFailed: there is no editor, or it failed.
    """
    command = _editor()
    with _interrupts_left_to_editor():
        try:
            status = subprocess.call(with_original_limit([*command, str(path)]))
        except OSError as error:
            message = f"cannot start the editor {command[0]}: {error.strerror}"
            raise EditorFailed(f"{message}; set VISUAL or EDITOR") from None
    if status:
        raise EditorFailed(f"the editor {command[0]} exited with status {status}; nothing was run")


def _editor() -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(variable, ""))
        except ValueError as error:
            raise EditorFailed(f"{variable} is not a valid command: {error}") from None
        if words:
            return words
    for name in _EDITORS:
        if found := shutil.which(name):
            return [found]
    raise EditorFailed("no editor found; set VISUAL or EDITOR")


@contextmanager
def _interrupts_left_to_editor() -> Iterator[None]:
    # A handler rather than SIG_IGN, which the editor would inherit.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
