"""Keeps unsaved work beyond the end of its session.

After every change the whole spec is written to a file of the session. The file is removed when the
work is saved or discarded, so a file whose session no longer runs is what a crash left.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import platformdirs

from norouter_core.agent.files import replace
from norouter_core.errors import NorouterError
from norouter_core.manifest import ManifestError, dump, load_text
from norouter_core.model import MeshSpec
from norouter_core.sanitize import quote
from norouter_core.session.lock_file import LockFile, is_locked

_FORMAT = 1
_MAX_BYTES = 8 * 1024 * 1024
"""The largest file that is read; a manifest has at most 1 MiB."""
_UNREADABLE = (OSError, ValueError, ManifestError, OverflowError, RecursionError)


class AutosaveFailed(NorouterError):
    """Unsaved work cannot be kept or found; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Unsaved work of a session that ended.

    `path` is its manifest, empty if it had none. `when` is in seconds since the epoch. `names` are
    the commands since the last save, oldest first, without secrets.
    """

    spec: MeshSpec
    path: str
    when: float
    names: tuple[str, ...]
    file: Path

    def discard(self) -> None:
        """Delete it, once another session keeps the work or nobody wants it."""
        for path in (self.file, _lock_of(self.file)):
            with contextlib.suppress(OSError):
                path.unlink()


@dataclass(frozen=True, slots=True)
class _Work:
    """What a file contains. `manifest` is one, so that people can use it directly."""

    format: int
    when: float
    path: str
    names: tuple[str, ...]
    manifest: str


class Autosave:
    """Keeps the unsaved work of one session. There is no file until there is work to keep.

    Args:
        directory: Where the files are; with None, in the user's state directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or platformdirs.user_state_path("norouter", False) / "autosave"
        self.complaints: tuple[str, ...] = ()
        """A line about each file that `recoverable` could not read."""
        self._begin()

    def _begin(self) -> None:
        # A new name each time: another process may hold the lock of the last one for a moment.
        self._file = self.directory / f"{os.getpid()}-{os.urandom(6).hex()}.json"
        self._running = LockFile(_lock_of(self._file))

    def keep(self, spec: MeshSpec, path: str, names: Sequence[str] = ()) -> None:
        """Keep `spec`, so that neither a crash of the process nor of the machine can lose it.

        It takes a few milliseconds, so an event loop should call it in a thread.

        Args:
            path: The path of the session's manifest; empty for none.
            names: The commands since the last save, oldest first.

        Raises:
            AutosaveFailed: It cannot be written.
        """
        file = os.path.abspath(path) if path else ""
        work = _Work(_FORMAT, time.time(), file, tuple(names), dump(spec))
        data = json.dumps(msgspec.to_builtins(work), indent=1).encode() + b"\n"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._running.acquire()
            replace(str(self._file), data, like=str(self._file), mode=0o600)
        except OSError as error:
            message = f"cannot keep unsaved work in {quote(str(self.directory), 200)}"
            raise AutosaveFailed(f"{message}: {error.strerror or error}; save soon") from None

    def clear(self) -> None:
        """Remove the file, after the work was saved or discarded."""
        with contextlib.suppress(OSError):
            self._file.unlink()
        self._running.release()
        self._begin()

    def recoverable(self) -> list[Recovery]:
        """Return the unsaved work of sessions that ended, the latest first.

        A file that cannot be read is renamed to `NAME.corrupt`, and reported once in `complaints`.
        """
        found, complaints = [], []
        for file in self._left_behind():
            try:
                found.append(_read(file))
            except _UNREADABLE as error:
                complaints.append(_set_aside(file, error))
        self.complaints = tuple(complaints)
        return sorted(found, key=lambda recovery: recovery.when, reverse=True)

    def _left_behind(self) -> Iterator[Path]:
        try:
            files = sorted(self.directory.glob("*.json"))
        except OSError:
            return
        for file in files:
            if file != self._file and not is_locked(_lock_of(file)):
                yield file


def _lock_of(file: Path) -> Path:
    return file.with_suffix(".lock")


def _read(file: Path) -> Recovery:
    """Read unsaved work.

    Raises:
        `_UNREADABLE`: There is nothing to recover in it.
    """
    with open(file, "rb") as opened:
        data = opened.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError("it is too large")
    try:
        found = msgspec.convert(json.loads(data), _Work)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"it is from another version, damaged, or not an autosave: {error}"
        ) from None
    if found.format != _FORMAT:
        raise ValueError("it is from another version")
    spec = load_text(found.manifest, file.name).spec
    return Recovery(spec, found.path, found.when, found.names, file)


def _set_aside(file: Path, error: Exception) -> str:
    aside = file.with_suffix(".corrupt")
    why = quote(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
    try:
        file.replace(aside)
    except OSError:
        aside = file
    return f"the unsaved work in {quote(str(aside), 200)} cannot be read, and stays there: {why}"
