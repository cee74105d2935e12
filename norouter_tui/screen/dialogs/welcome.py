"""The first thing that somebody without a manifest sees."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from norouter_tui.screen.texts import content
from norouter_tui.screen.widgets.keybar import KeyBar

_KEYS = (
    ("a", "add a host", "docker exec -i web, ssh db, kubectl exec -i pod --"),
    ("t", "try the demo mesh", "three simulated hosts and some traffic between them"),
    ("o", "open a manifest", "a mesh that was saved, here or by NoRouter"),
)


class Welcome(ModalScreen[str]):
    """Its result is what to begin with: `add`, `demo`, `open` or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a,enter", "begin('add')", "Add a host", key_display="a", id="welcome-add"),
        Binding("t", "begin('demo')", "Demo", id="welcome-demo"),
        Binding("o", "begin('open')", "Open", id="welcome-open"),
        Binding("escape,q", "begin('')", "Look around", key_display="esc", id="welcome-close"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog welcome") as dialog:
            dialog.border_title = "norouter"
            yield Static()
            yield KeyBar()

    def on_resize(self, event: events.Resize) -> None:
        self.query_one(Static).update(content(_lines(short=self.size.height < 17)))

    def action_begin(self, word: str) -> None:
        """Closes it."""
        self.dismiss(word)


def _lines(*, short: bool) -> list[Text]:
    lines: list[Text] = []
    if not short:
        lines.append(Text("Hosts, containers and pods in one mesh, over the commands that", "bold"))
        lines.append(Text("lead to them. No VPN, no root, nothing to install there.", "bold"))
    for key, name, about in _KEYS:
        if not short:
            lines.append(Text(""))
        lines.append(Text.assemble((f"  {key}  ", "accent"), (name, "bold")))
        if not short:
            lines.append(Text(f"     {about}", "muted"))
    return lines
