"""Unsaved work that outlives the session that made it.

After every change the whole spec is written to a file of the session's own; the file goes when the
work is saved or given up. A file whose session no longer runs is therefore what a crash has left.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from norouter_core.agent.files import replace
from norouter_core.errors import NorouterError
from norouter_core.manifest import ManifestError, dump, load_text
from norouter_core.model import MeshSpec
from norouter_core.sanitize import quote
from norouter_core.session.lock_file import LockFile, is_locked

_FORMAT = 1
_LARGEST = 8 * 1024 * 1024
"""Bytes of a file that is looked into; a manifest is at most 1 MiB."""
_UNREADABLE = (OSError, ValueError, ManifestError, OverflowError, RecursionError)


class AutosaveFailed(NorouterError):
    """Work could not be kept or looked for; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Unsaved work of a session that died. `path` is its manifest (empty if it had none), `when`
    in seconds since the epoch, `names` the commands since the last save, oldest first."""

    spec: MeshSpec
    path: str
    when: float
    names: tuple[str, ...]
    file: Path

    def discard(self) -> None:
        """Forgets it, for good. To be called once the work is kept by the session that took it
        over, or when nobody wants it."""
        for path in (self.file, _lock_of(self.file)):
            with contextlib.suppress(OSError):
                path.unlink()


class Autosave:
    """The unsaved work of one session. No file is there until there is something to keep.

    Args:
        folder: where the files lie; in the user's state folder when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or platformdirs.user_state_path("norouter", False) / "autosave"
        self.complaints: tuple[str, ...] = ()
        """What `recoverable` found and could not read: a line for a person each."""
        self._begin()

    def _begin(self) -> None:
        # A new name each time, so that nobody who still looks at the last one holds its lock.
        self._file = self.folder / f"{os.getpid()}-{os.urandom(6).hex()}.json"
        self._running = LockFile(_lock_of(self._file))

    def keep(self, spec: MeshSpec, path: str, names: Sequence[str] = ()) -> None:
        """Keeps `spec`; when this returns, no end of the process can lose it any more, nor the end
        of the machine. Takes a few milliseconds, so an event loop calls it in a thread.

        Args:
            path: of the manifest that the session belongs to; empty for none.
            names: the commands since the last save, oldest first.

        Raises:
            AutosaveFailed: it could not be written.
        """
        said = {
            "format": _FORMAT,
            "pid": os.getpid(),
            "when": time.time(),
            "path": os.path.abspath(path) if path else "",
            "names": list(names),
            # A manifest, so that a person can get at it by hand.
            "manifest": dump(spec),
        }
        data = json.dumps(said, indent=1).encode() + b"\n"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._running.acquire()
            replace(str(self._file), data, like=str(self._file), mode=0o600)
        except OSError as error:
            message = f"unsaved work cannot be kept in {quote(str(self.folder), 200)}"
            raise AutosaveFailed(f"{message}: {error.strerror or error}; save soon") from None

    def clear(self) -> None:
        """There is nothing unsaved any more: it was saved, or given up."""
        with contextlib.suppress(OSError):
            self._file.unlink()
        self._running.release()
        self._begin()

    def recoverable(self) -> list[Recovery]:
        """The unsaved work of sessions that died, the latest first.

        What cannot be read is set aside as `NAME.corrupt`, and told once, in `complaints`.
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
            files = sorted(self.folder.glob("*.json"))
        except OSError:
            return
        for file in files:
            if file != self._file and not is_locked(_lock_of(file)):
                yield file


def _lock_of(file: Path) -> Path:
    return file.with_suffix(".lock")


def _read(file: Path) -> Recovery:
    """
    Raises:
        `_UNREADABLE`: it holds nothing that could be recovered.
    """
    with open(file, "rb") as opened:
        data = opened.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError("it is too large")
    said = json.loads(data)
    if not isinstance(said, dict) or said.get("format") != _FORMAT:
        raise ValueError("it is of another version, or no autosave at all")
    spec = load_text(_a(str, said, "manifest"), file.name).spec
    names = _a(list, said, "names")
    when = said.get("when")
    if not isinstance(when, int | float) or not all(isinstance(name, str) for name in names):
        raise ValueError("it is damaged")
    return Recovery(spec, _a(str, said, "path"), float(when), tuple(names), file)


def _a(kind: type[Any], said: dict[str, Any], key: str) -> Any:
    value = said.get(key)
    if not isinstance(value, kind):
        raise ValueError(f"it is damaged: {key} is missing")
    return value


def _set_aside(file: Path, error: Exception) -> str:
    aside = file.with_suffix(".corrupt")
    why = quote(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
    try:
        os.replace(file, aside)
    except OSError:
        aside = file
    return f"the unsaved work in {quote(str(aside), 200)} cannot be read: {why}; it stays there"
