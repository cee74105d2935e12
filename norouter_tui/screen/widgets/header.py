"""The line at the top: the name of the mesh, and its totals."""

from __future__ import annotations

import os

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from norouter_core.engine.status import HostState
from norouter_core.session.client import Snapshot
from norouter_tui.output.units import count
from norouter_tui.screen.widgets.cells import escape_line, fit, rate_text

_GAP = "   "


class TotalsBar(Widget):
    """Name and unsaved mark at the left, totals at the right; the least important go first."""

    alert = reactive("")
    """Why the mesh is out of reach; empty if it is not."""
    attached_to = ""
    """The name of the mesh if it runs in another process."""
    note = reactive("")
    """A note of the screen's own, such as the command that is running."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshot: Snapshot | None = None
        self._drawn = Content("")

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot; draw the line only if it changes."""
        self.snapshot = snapshot
        if self._line() != self._drawn:
            self.refresh()

    def render(self) -> Content:
        self._drawn = self._line()
        return self._drawn

    def _line(self) -> Content:
        width = self.size.width
        left, right = self._mesh_part(), self._totals()
        while right and left.cell_length + _length(right) + len(_GAP) > width:
            right.pop(0)
        tail = Content("") if not right else Content(_GAP).join(right)
        room = max(1, width - tail.cell_length - (1 if right else 0))
        if left.cell_length > room:
            left = left.truncate(room, ellipsis=True)
        pad = " " * max(0, width - left.cell_length - tail.cell_length)
        return Content.assemble(left, pad, tail)

    def _mesh_part(self) -> Content:
        snapshot = self.snapshot
        if snapshot is None:
            return Content.assemble(
                (" norouter", "bold $accent"), ("  starting", "$foreground-muted")
            )
        document = snapshot.document
        name = escape_line(os.path.basename(document.path)) if document.path else "not saved yet"
        parts: list[tuple[str, str] | str] = [
            (" norouter", "bold $accent"),
            "  ",
            (fit(name, 40).rstrip(), "bold" if document.path else "$foreground-muted"),
        ]
        if document.unsaved:
            parts.append(("  ● unsaved", "$warning"))
        if self.attached_to:
            parts.append(
                (f"  attached to {fit(escape_line(self.attached_to), 20).rstrip()}", "$accent")
            )
        if self.alert:
            parts.append((f"  ✕ {self.alert}", "$error"))
        if self.note:
            parts.append((f"  {self.note}", "$accent"))
        return Content.assemble(*parts)

    def _totals(self) -> list[Content]:
        """Return the totals, from the least important to the most."""
        snapshot = self.snapshot
        if snapshot is None:
            return []
        hosts = snapshot.status.hosts
        ready = sum(host.state is HostState.READY for host in hosts)
        rate = snapshot.total
        all_ready = "$success" if ready == len(hosts) else "$warning"
        return [
            Content(count(len(snapshot.status.streams), "stream")),
            Content.assemble(("→ ", "$foreground-muted"), f"{rate_text(rate.sent):>7}"),
            Content.assemble(("← ", "$foreground-muted"), f"{rate_text(rate.received):>7}"),
            Content.assemble((f"{ready}/{len(hosts)} ready ", all_ready if hosts else "")),
        ]


def _length(parts: list[Content]) -> int:
    return sum(part.cell_length for part in parts) + len(_GAP) * (len(parts) - 1)
