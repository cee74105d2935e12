"""`norouter -e`: a temporary manifest in an editor, run after each change."""

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
from norouter_core.manifest import Loaded
from norouter_core.manifest.schema import modeline
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import PrintLine, line_printer
from norouter_tui.run.documents import example, load_manifest
from norouter_tui.run.headless import RunOptions, run_loaded

_EDITORS = ("sensible-editor", "editor", "vi", "nano", "emacs")
"""Where neither VISUAL nor EDITOR names one."""


class EditorFailed(NorouterError):
    """No editor could be started, or it ended with an error; the text says which."""


def edit_and_run(options: RunOptions) -> int:
    """Opens the example manifest in an editor and runs what was made of it.

    RETURN stops the mesh and opens the editor again. The file stays, unless nothing was changed.
    """
    say = line_printer(sys.stderr)
    number, name = tempfile.mkstemp(prefix="norouter-", suffix=".yaml")
    original = (modeline() + example()).encode()
    with open(number, "wb") as file:
        file.write(original)
    session = _Session(Path(name), say, options)
    # From here on an interrupt must not end the program before it has told where the file is, nor
    # come in the middle of what it tells: it is noted, and acted on where the program waits.
    before = signal.signal(signal.SIGINT, session.note_interrupt)
    try:
        return session.run()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    finally:
        _tell_end(Path(name), original, say)
        signal.signal(signal.SIGINT, before)


def _tell_end(path: Path, original: bytes, say: PrintLine) -> None:
    try:
        unchanged = path.read_bytes() == original
    except OSError as error:
        return say(Text(f"the manifest {path} cannot be read any more: {error.strerror}"))
    if unchanged:
        path.unlink()
        return say(Text("the example was not changed: nothing is kept"))
    say(Text(f"the manifest is kept: {path}", style="bold"))


class _Session:
    """Editor and mesh in turn, over one file."""

    def __init__(self, path: Path, say: PrintLine, options: RunOptions) -> None:
        self._path = path
        self._say = say
        self._options = options
        self._interrupted = False

    def note_interrupt(self, number: int, frame: FrameType | None) -> None:
        """A signal handler."""
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
            # Only the untouched example is not run: whoever looks at a mesh's manifest again
            # wants the mesh back.
            if text == before:
                return ExitCode.OK
            before = b""
            code, again = self._use(load_manifest(str(self._path), self._say))
            if not again:
                return code

    def _use(self, loaded: Loaded | None) -> tuple[int, bool]:
        """How this turn ended, and whether the editor is wanted again."""
        if loaded is None or not loaded.spec.hosts:
            line = f"nothing is run; {self._path} keeps it: RETURN opens it again, Ctrl-C ends"
            self._say(Text(line, style="bold"))
            return ExitCode.USAGE, self._returned()
        line = f"running {self._path}: RETURN stops the mesh and opens it again, Ctrl-C ends it"
        self._say(Text(line, style="bold"))
        return run_loaded(loaded, self._options, reopen=True)

    def _returned(self) -> bool:
        """Waits for RETURN; False at the end of stdin."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            if self._interrupted:
                raise KeyboardInterrupt
            # Unbuffered: what is typed after this line is the next reader's.
            while byte := os.read(0, 1):
                if byte in b"\r\n":
                    return True
            return False
        finally:
            signal.signal(signal.SIGINT, before)


def edit(path: Path) -> None:
    """Opens `path` in the editor of VISUAL or EDITOR, and waits for its end.

    Raises:
        EditorFailed: there is no editor, or it ended with an error.
    """
    command = _command()
    with _interrupts_are_the_editors():
        try:
            status = subprocess.call([*command, str(path)])
        except OSError as error:
            message = f"the editor {command[0]} cannot be started: {error.strerror}"
            raise EditorFailed(f"{message}; set VISUAL or EDITOR") from None
    if status:
        raise EditorFailed(f"the editor {command[0]} ended with status {status}: nothing is run")


def _command() -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(variable, ""))
        except ValueError as error:
            raise EditorFailed(f"{variable} cannot be split into words: {error}") from None
        if words:
            return words
    for name in _EDITORS:
        if found := shutil.which(name):
            return [found]
    raise EditorFailed("there is no editor; set VISUAL or EDITOR to the command of one")


@contextmanager
def _interrupts_are_the_editors() -> Iterator[None]:
    # A handler, and not SIG_IGN, which the editor would inherit.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
