"""The tabs: their titles in the upper border, and the visible one below."""

from __future__ import annotations

from enum import Enum

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher

from norouter_core.session.client import Snapshot
from norouter_tui.screen.views.base import View
from norouter_tui.screen.views.log import LogView
from norouter_tui.screen.views.manifest import ManifestView
from norouter_tui.screen.views.ports import PortsView
from norouter_tui.screen.views.routes import RoutesView
from norouter_tui.screen.views.streams import StreamsView


class TabLabel(Enum):
    """How the tabs are labelled, the longest form first."""

    NUMBERED = "names and counts"
    NAMED = "names"
    SHORT = "keys, and the name of the visible tab"


TABS = ("streams", "ports", "routes", "log", "manifest")


class Tabs(Vertical):
    """Gives snapshots to the visible tab, and the last one to each tab that appears."""

    def __init__(self) -> None:
        super().__init__(id="work")
        self._snapshot: Snapshot | None = None
        self._edges: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        with ContentSwitcher(initial=TABS[0], id="views"):
            yield StreamsView(id="streams")
            yield PortsView(id="ports")
            yield RoutesView(id="routes")
            yield LogView(id="log")
            yield ManifestView(id="manifest")

    def on_mount(self) -> None:
        self._update_titles()

    @property
    def current(self) -> View:
        """Return the visible tab."""
        switcher = self.query_one(ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", View)

    def go_to(self, tab: str) -> None:
        """Show a tab and focus it."""
        self.query_one(ContentSwitcher).current = tab
        if self._snapshot is not None:
            self.current.show_snapshot(self._snapshot)
        self._update_titles()
        self.current.focus_target.focus()

    def step(self, by: int) -> None:
        """Go to the next or the previous tab."""
        at = TABS.index(self.query_one(ContentSwitcher).current or TABS[0])
        self.go_to(TABS[(at + by) % len(TABS)])

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot in the visible tab."""
        self._snapshot = snapshot
        self.current.show_snapshot(snapshot)
        self._update_titles()

    def on_resize(self) -> None:
        self._update_titles()

    @on(View.NoteChanged)
    def _note_changed(self, event: View.NoteChanged) -> None:
        event.stop()
        self._update_titles()

    def _update_titles(self) -> None:
        """Update the titles in the border, with counts if they fit."""
        switcher = self.query_one(ContentSwitcher)
        numbers = [self._count(tab) for tab in TABS]
        edges = (switcher.current, self.size.width, numbers, self.current.note)
        if edges == self._edges:
            return
        self._edges = edges
        for form in TabLabel:
            titles = [
                self._title(tab, number, form) for tab, number in zip(TABS, numbers, strict=True)
            ]
            if sum(title.cell_length for title in titles) + 2 * len(titles) + 4 <= self.size.width:
                break
        switcher.border_title = Content("  ").join(titles)
        switcher.border_subtitle = Content(self.current.note)

    def _count(self, tab: str) -> int | None:
        view = self.query_one(f"#{tab}", View)
        return view.count(self._snapshot) if self._snapshot else None

    def _title(self, tab: str, number: int | None, form: TabLabel) -> Content:
        current = self.query_one(ContentSwitcher).current == tab
        name = self.query_one(f"#{tab}", View).title
        if form is TabLabel.NUMBERED and number is not None:
            name = f"{name} {number}"
        elif form is TabLabel.SHORT and not current:
            name = str(TABS.index(tab) + 1)
        style = "bold $text-accent underline" if current else "$foreground-muted"
        return Content.from_markup(f"[{style}][@click=screen.tab('{tab}')]{name}[/][/]")
