"""What the tabs have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from norouter_core.session.client import Snapshot


class View(Vertical):
    """One tab. It is told of snapshots while it is in sight, and of the last one as it appears."""

    title: ClassVar[str] = ""
    note = ""
    """What stands at the lower edge: how many are shown, by what they are sorted."""

    class Noted(Message):
        """The note, or the number beside the title, is another."""

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Shows how things stand."""
        raise NotImplementedError

    def number(self, snapshot: Snapshot) -> int | None:
        """What stands beside the title; None for nothing."""
        return None

    @property
    def selected(self) -> Any:
        """The row under the cursor, where the detail pane can describe it; else None."""
        return None

    def delete_line(self) -> str:
        """The command that deletes what is under the cursor; empty where there is none."""
        return ""

    @property
    def focus_target(self) -> Widget:
        """Who takes the keys while this tab has them."""
        return self.query("*").first()

    def set_note(self, note: str) -> None:
        """Changes the note."""
        if note != self.note:
            self.note = note
            self.post_message(self.Noted())
