"""The tabs: their names in the upper edge, one of them in sight."""

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
    """How the tabs are named, the longest way first."""

    NUMBERED = "with how many there are"
    NAMED = "by their names"
    SHORT = "by their keys, but for the one in sight"


TABS = ("streams", "ports", "routes", "log", "manifest")


class Tabs(Vertical):
    """Hands snapshots to the tab in sight, and the last one to each as it appears."""

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
        self._retitle()

    @property
    def current(self) -> View:
        """The tab in sight."""
        switcher = self.query_one(ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", View)

    def go_to(self, tab: str) -> None:
        """Brings a tab into sight and gives it the keys."""
        self.query_one(ContentSwitcher).current = tab
        if self._snapshot is not None:
            self.current.show_snapshot(self._snapshot)
        self._retitle()
        self.current.focus_target.focus()

    def step(self, by: int) -> None:
        """Goes to the next tab, or the one before."""
        at = TABS.index(self.query_one(ContentSwitcher).current or TABS[0])
        self.go_to(TABS[(at + by) % len(TABS)])

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Shows how things stand, where it can be seen."""
        self._snapshot = snapshot
        self.current.show_snapshot(snapshot)
        self._retitle()

    def on_resize(self) -> None:
        self._retitle()

    @on(View.Noted)
    def _noted(self, event: View.Noted) -> None:
        event.stop()
        self._retitle()

    def _retitle(self) -> None:
        """The names in the upper edge, with numbers where there is room for them."""
        switcher = self.query_one(ContentSwitcher)
        numbers = [self._number(tab) for tab in TABS]
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

    def _number(self, tab: str) -> int | None:
        view = self.query_one(f"#{tab}", View)
        return view.number(self._snapshot) if self._snapshot else None

    def _title(self, tab: str, number: int | None, form: TabLabel) -> Content:
        current = self.query_one(ContentSwitcher).current == tab
        name = self.query_one(f"#{tab}", View).title
        if form is TabLabel.NUMBERED and number is not None:
            name = f"{name} {number}"
        elif form is TabLabel.SHORT and not current:
            name = str(TABS.index(tab) + 1)
        style = "bold $text-accent underline" if current else "$foreground-muted"
        return Content.from_markup(f"[{style}][@click=screen.tab('{tab}')]{name}[/][/]")
