"""The main screen: hosts at the left, tabs at the right, and the keys that act on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from norouter_core.commands.call import build_call
from norouter_core.session.client import Snapshot
from norouter_tui.run.history import LineHistory
from norouter_tui.screen.messages import NothingSelected, RunCall
from norouter_tui.screen.views.detail import DetailPane
from norouter_tui.screen.views.hosts import HostList
from norouter_tui.screen.views.log import LogEntry, LogView
from norouter_tui.screen.views.tabs import TABS, Tabs
from norouter_tui.screen.widgets.header import TotalsBar
from norouter_tui.screen.widgets.keybar import KeyBar
from norouter_tui.screen.widgets.lines import LineView
from norouter_tui.screen.widgets.prompt import CommandLine, Complete


class MainScreen(Screen[None]):
    """Shows snapshots. Its keys post the commands to run."""

    HORIZONTAL_BREAKPOINTS = [
        (0, "-narrow"),
        (70, "-normal"),
        (110, "-wide"),
        (170, "-widest"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]
    BINDINGS = [
        Binding("colon", "command", "Command", key_display=":", priority=True, id="command"),
        Binding("a", "app.dialog('add')", "Add", id="add"),
        Binding("e", "app.dialog('edit')", "Edit", id="edit"),
        Binding("d", "delete", "Delete", id="delete"),
        Binding("r", "run_on_host('host restart')", "Reconnect", id="reconnect"),
        Binding("u", "run('undo')", "Undo", id="undo"),
        Binding("U,ctrl+r", "run('redo')", "Redo", show=False, id="redo"),
        Binding("s", "app.dialog('save')", "Save", id="save"),
        Binding("w", "app.dialog('save_as')", "Save as", show=False, id="save-as"),
        Binding("o", "app.dialog('open')", "Open", show=False, id="open"),
        Binding("ctrl+z", "app.dialog('revert')", "Revert", show=False, id="revert"),
        Binding("tab", "app.focus_next", "Next pane", show=False, id="next-pane"),
        Binding("shift+tab", "app.focus_previous", "Previous pane", show=False, id="pane-before"),
        Binding("left,h", "hosts", "Hosts", show=False, id="go-hosts"),
        Binding("right,l", "work", "Tab", show=False, id="go-tab"),
        Binding("right_square_bracket", "step(1)", "Next tab", show=False, id="next-tab"),
        Binding("left_square_bracket", "step(-1)", "Previous tab", show=False, id="tab-before"),
        *(
            Binding(str(number), f"tab('{tab}')", tab.capitalize(), show=False, id=f"tab-{tab}")
            for number, tab in enumerate(TABS, 1)
        ),
        Binding("escape", "close_detail", "Close detail", show=False, id="close-detail"),
        Binding("question_mark", "app.keys", "Keys", key_display="?", id="help"),
    ]

    class Shown(Message):
        """The screen is complete."""

    def __init__(self, complete: Complete, history: LineHistory) -> None:
        super().__init__()
        self._complete = complete
        self._history = history
        self.snapshot: Snapshot | None = None
        self._arrival = asyncio.Event()
        """Set when the next snapshot arrives."""
        self.keymap: Mapping[str, str] = {}
        """The user's own keys, by the id of the binding."""
        self.add_class("-on-hosts")

    def compose(self) -> ComposeResult:
        yield TotalsBar()
        with Horizontal(id="body"):
            hosts = HostList(id="hosts")
            hosts.border_title = "Hosts"
            yield hosts
            with Vertical(id="right"):
                yield Tabs()
                yield DetailPane(id="detail")
        yield CommandLine(self._complete, self._history, self.restore_focus, id="command-line")
        yield KeyBar()

    @property
    def hosts(self) -> HostList:
        return self.query_one(HostList)

    @property
    def work(self) -> Tabs:
        return self.query_one(Tabs)

    @property
    def command_line(self) -> CommandLine:
        return self.query_one(CommandLine)

    def on_mount(self) -> None:
        self.hosts.focus()
        self.post_message(self.Shown())

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self.snapshot = snapshot
        arrival, self._arrival = self._arrival, asyncio.Event()
        arrival.set()
        self.query_one(TotalsBar).show_snapshot(snapshot)
        self.hosts.show_snapshot(snapshot)
        self.work.show_snapshot(snapshot)
        self._describe()

    async def first_snapshot(self) -> Snapshot:
        """Return the current snapshot; wait for the first one."""
        return self.snapshot or await self.next_snapshot()

    async def next_snapshot(self) -> Snapshot:
        """Wait for another snapshot, and return it."""
        await self._arrival.wait()
        assert self.snapshot is not None
        return self.snapshot

    def log_lines(self, lines: Iterable[Text]) -> None:
        """Add lines to the log, with the current time."""
        now = time.time()
        self.query_one(LogView).add(LogEntry(now, line) for line in lines)

    # -- the detail pane -------------------------------------------------------------------

    @property
    def detail(self) -> DetailPane:
        return self.query_one(DetailPane)

    @on(LineView.Chosen)
    def _chosen(self, event: LineView.Chosen) -> None:
        event.stop()
        if event.view is self.detail or self.chosen is None:
            return
        self.detail.toggle_class("-open")
        self.call_after_refresh(self._describe)

    @on(LineView.Moved)
    def _moved(self, event: LineView.Moved) -> None:
        event.stop()
        if event.view is not self.detail:
            self._describe()

    def _describe(self) -> None:
        if self.detail.open and self.snapshot is not None:
            self.detail.describe(self.chosen, self.snapshot)

    @property
    def chosen(self) -> Any:
        """Return the row under the cursor of the pane that has the focus, or had it last."""
        return self.hosts.selected if self.has_class("-on-hosts") else self.work.current.selected

    @property
    def place(self) -> str:
        """Return what has the focus, or had it last: `hosts`, or the name of a tab."""
        return "hosts" if self.has_class("-on-hosts") else self.work.current.id or ""

    def action_close_detail(self) -> None:
        """Hide the detail pane."""
        self.detail.remove_class("-open")
        self.restore_focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether an action applies: `:` does not while text is being typed."""
        return action != "command" or not isinstance(self.focused, Input)

    # -- actions ---------------------------------------------------------------------------

    def action_command(self, text: str = "") -> None:
        """Open the command line."""
        self.command_line.open(text)

    def action_run(self, verb: str) -> None:
        """Run a command without arguments."""
        self.post_message(RunCall(build_call(verb)))

    def action_run_on_host(self, verb: str) -> None:
        """Run a command on the host under the cursor."""
        row = self.hosts.selected
        if row is None:
            self.post_message(NothingSelected("host"))
        else:
            self.post_message(RunCall(build_call(verb, host=row.status.name)))

    def action_delete(self) -> None:
        """Delete what is under the cursor, this machine after a question; `undo` restores it."""
        request = self._delete_host() if self.hosts.has_focus else self._delete_entry()
        self.post_message(request or NothingSelected("entry to delete"))

    def _delete_host(self) -> RunCall | None:
        row = self.hosts.selected
        if row is None:
            return None
        name = row.status.name
        ask = ""
        if not row.status.command:
            ask = f"Remove {name}? This machine then has no access to the ports of the mesh."
        return RunCall(build_call("host rm", host=name), ask=ask)

    def _delete_entry(self) -> RunCall | None:
        call = self.work.current.delete_call()
        return None if call is None else RunCall(call)

    def action_hosts(self) -> None:
        """Focus the hosts."""
        self.hosts.focus()

    def action_work(self) -> None:
        """Focus the visible tab."""
        self.work.current.focus_target.focus()

    def action_tab(self, name: str) -> None:
        """Go to a tab."""
        self.work.go_to(name)

    def action_step(self, by: int) -> None:
        """Go to the next or the previous tab."""
        self.work.step(by)

    def on_descendant_focus(self) -> None:
        """Note which pane has the focus: a narrow screen shows only that one."""
        if self.focused is not self.detail:
            self.set_class(self.hosts.has_focus, "-on-hosts")
            self._describe()

    def restore_focus(self) -> None:
        """Focus the pane that had the focus last."""
        if self.has_class("-on-hosts"):
            self.set_focus(self.hosts)
        else:
            self.set_focus(self.work.current.focus_target)


def main_screen(app: App[Any]) -> MainScreen:
    """Return the main screen of `app`, whatever is on top of it."""
    screen = app.screen_stack[0]
    assert isinstance(screen, MainScreen)
    return screen
