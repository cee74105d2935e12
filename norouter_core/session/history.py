"""The specs of a session, one after the other: undo and redo without limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from norouter_core.commands.call import Call
from norouter_core.model import MeshSpec
from norouter_core.sanitize import strip_line

_MAX_NAME = 120


def step_name(calls: Iterable[Call]) -> str:
    """Return what the history, the log and `undo` call some calls: one short line, no secrets."""
    name = strip_line(" ".join("; ".join(call.line(redact=True) for call in calls).split()))
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 3]}..."


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A move in the history. `name` is the command that was taken back or done again (`saved` for
    a jump to the saved point), `spec` what holds now."""

    name: str
    spec: MeshSpec


class History:
    """Every spec since the session began, each named by the command that made it.

    Nothing is ever dropped but what was undone when something else is done: specs share all parts
    that did not change, so an entry costs some 100 bytes and the hosts that it touched.

    Args:
        spec: what the session begins with; the saved point, to begin with.
    """

    def __init__(self, spec: MeshSpec) -> None:
        self._specs = [spec]
        self._names = [""]
        self._at = 0
        self._saved: int | None = 0

    @property
    def spec(self) -> MeshSpec:
        return self._specs[self._at]

    @property
    def undo_name(self) -> str:
        """The command that `undo` would take back; empty if there is none."""
        return self._names[self._at]

    @property
    def redo_name(self) -> str:
        """The command that `redo` would do again; empty if there is none."""
        return self._names[self._at + 1] if self._at + 1 < len(self._names) else ""

    @property
    def names(self) -> tuple[str, ...]:
        """The commands that led from the saved point to here, oldest first; all of the session's
        where the saved point does not lie behind."""
        begin = self._saved if self._saved is not None and self._saved <= self._at else 0
        return tuple(self._names[begin + 1 : self._at + 1])

    def push(self, name: str, spec: MeshSpec) -> None:
        """Goes on to `spec`, made by the command `name`. What was undone can no more be done
        again. A spec equal to the one that holds is no step."""
        if spec == self.spec:
            return
        del self._specs[self._at + 1 :], self._names[self._at + 1 :]
        if self._saved is not None and self._saved > self._at:
            self._saved = None
        self._specs.append(spec)
        self._names.append(name)
        self._at += 1

    def undo(self) -> HistoryEntry | None:
        """Takes the last command back; None where there is none."""
        if self._at == 0:
            return None
        name = self.undo_name
        self._at -= 1
        return HistoryEntry(name, self.spec)

    def redo(self) -> HistoryEntry | None:
        """Does again what was undone last; None where there is none."""
        if self._at + 1 == len(self._specs):
            return None
        self._at += 1
        return HistoryEntry(self.undo_name, self.spec)

    def mark_saved(self) -> None:
        """What holds now is what lies in the file."""
        self._saved = self._at

    def to_saved(self) -> HistoryEntry | None:
        """Jumps to the saved point, wherever it lies; None where it was undone and left behind, or
        is here already. `undo` and `redo` go on from there."""
        if self._saved is None or self._saved == self._at:
            return None
        self._at = self._saved
        return HistoryEntry("saved", self.spec)
