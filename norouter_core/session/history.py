"""The specs of a session in their order, for undo and redo without limit."""

from __future__ import annotations

from collections.abc import Iterable

from norouter_core.commands.call import Call
from norouter_core.model import MeshSpec
from norouter_core.sanitize import strip_line

_MAX_NAME = 120


def step_name(calls: Iterable[Call]) -> str:
    """Return what the history, the log and `undo` call some calls: one short line, no secrets."""
    name = strip_line(" ".join("; ".join(call.line(redact=True) for call in calls).split()))
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 3]}..."


class History:
    """Every spec since the session began, each with the command that made it.

    Only undone specs are dropped, by the next change. Specs share all parts that did not change, so
    an entry costs about 100 bytes and the hosts that it changed.

    Args:
        spec: What the session begins with; it counts as saved.
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
        """The commands since the saved point, oldest first; all, if that was undone."""
        begin = self._saved if self._saved is not None and self._saved <= self._at else 0
        return tuple(self._names[begin + 1 : self._at + 1])

    def push(self, name: str, spec: MeshSpec) -> None:
        """Add `spec`, made by the command `name`. What was undone can no longer be redone.

        A spec equal to the current one is not added.
        """
        if spec == self.spec:
            return
        del self._specs[self._at + 1 :], self._names[self._at + 1 :]
        if self._saved is not None and self._saved > self._at:
            self._saved = None
        self._specs.append(spec)
        self._names.append(name)
        self._at += 1

    def undo(self) -> str | None:
        """Undo the last command and return its name. Return None if there is none."""
        if self._at == 0:
            return None
        name = self.undo_name
        self._at -= 1
        return name

    def redo(self) -> str | None:
        """Redo the last undone command and return its name. Return None if there is none."""
        if self._at + 1 == len(self._specs):
            return None
        self._at += 1
        return self.undo_name

    def mark_saved(self) -> None:
        """Note that the current spec is saved."""
        self._saved = self._at
