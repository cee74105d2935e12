"""The base class of the tabs."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from norouter_core.commands.call import Call
from norouter_core.session.client import Snapshot


class View(Vertical):
    """A tab. It gets snapshots while it is visible, and the last one when it appears."""

    title: ClassVar[str] = ""
    note = ""
    """The text at the lower edge: how many rows are shown, how they are sorted."""

    class NoteChanged(Message):
        """The note or the count changed."""

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        raise NotImplementedError

    def count(self, snapshot: Snapshot) -> int | None:
        """Return the number to show beside the title; None for none."""
        return None

    @property
    def selected(self) -> Any:
        """Return the row under the cursor if the detail pane can describe it."""
        return None

    def delete_call(self) -> Call | None:
        """Return the command that deletes what is under the cursor."""
        return None

    @property
    def focus_target(self) -> Widget:
        """Return the widget to focus when the tab gets the focus."""
        return self.query("*").first()

    def set_note(self, note: str) -> None:
        """Change the note."""
        if note != self.note:
            self.note = note
            self.post_message(self.NoteChanged())
