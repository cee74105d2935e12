"""The app: shows what the other side tells, and runs there what is asked for here."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import anyio
from rich.text import Text
from textual import events, on, work
from textual.app import App, SystemCommand, get_system_commands_provider
from textual.binding import Binding, BindingType
from textual.screen import Screen

from norouter_core.commands.results import Completion
from norouter_core.engine.events import HostChanged
from norouter_core.manifest import render
from norouter_core.sanitize import escape
from norouter_core.session.client import Snapshot
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.printer import Printer
from norouter_tui.run.crash import reporter
from norouter_tui.run.process import TERMINATING, watch_signals
from norouter_tui.screen import actions
from norouter_tui.screen.actions import ActionProvider
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.connecting import Connecting
from norouter_tui.screen.dialogs.help import HelpScreen, key_lines
from norouter_tui.screen.dialogs.opening import Dialogs
from norouter_tui.screen.history import History
from norouter_tui.screen.main_screen import MainScreen, main_screen
from norouter_tui.screen.messages import (
    EngineEnded,
    EventsArrived,
    NothingSelected,
    RunCommand,
    SnapshotArrived,
    TapStream,
)
from norouter_tui.screen.runner import Runner
from norouter_tui.screen.settings import load_settings
from norouter_tui.screen.terminal import TerminalDriver
from norouter_tui.screen.themes import DARK, THEMES
from norouter_tui.screen.views.log import LogEntry, LogView
from norouter_tui.screen.views.manifest import ManifestView

Opening = Literal["recovery", "welcome", "demo"]


class NorouterApp(App[None]):
    """One mesh on a full screen.

    Args:
        backend: the mesh, and what runs commands on it.
        notes: lines for the log, before any event's.
        history: of the `:` line; one in memory when None.
        settings: the file of the user's settings; None for none.
        opening: what stands over the screen at first: what a crash has left where there is
            something, and `welcome` or `demo`; None for nothing at all.
    """

    TITLE = "norouter"
    CSS_PATH = ["style.tcss", "dialogs.tcss"]
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {get_system_commands_provider, lambda: ActionProvider}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", id="quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True, id="interrupt"),
        Binding("y", "copy", "Copy", show=False, id="copy"),
        Binding("E", "edit", "Manifest in the editor", show=False, id="editor"),
        Binding("ctrl+x", "end_commands", "End what runs", show=False, id="end-commands"),
        Binding("ctrl+p", "command_palette", "Palette", show=False, id="palette"),
    ]

    def __init__(
        self,
        backend: Backend,
        notes: Sequence[Text] = (),
        history: History | None = None,
        settings: Path | None = None,
        opening: Opening | None = None,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.backend = backend
        self.fault: BaseException | None = None
        """What ended the app, if that was a fault of this program."""
        self.saved = ""
        """Where the mesh was saved last."""
        self.last_snapshot: Snapshot | None = None
        self._notes = notes
        self._history = history or History()
        self._leaving = False
        self._opening = opening
        self._first = asyncio.Event()
        self.runner = Runner(self)
        self.dialogs = Dialogs(self)
        self._printer = Printer(self._say, self._say, debug=reporter.debug, again="press r on it")
        self._said: list[Text] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK
        self._settings_file = settings

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Of Textual's own entries of the palette the one that has no key."""
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen(self._complete, self._history)

    async def _complete(self, line: str, cursor: int) -> Sequence[Completion]:
        """What may stand there: words of the vocabulary, and the deeds of this screen."""
        found = await self.backend.complete(line, cursor)
        return [*found, *actions.complete_action(self, line[:cursor])]

    @property
    def main(self) -> MainScreen:
        """The main screen, whatever stands over it."""
        return main_screen(self)

    @on(MainScreen.Shown)
    def _main_shown(self) -> None:
        """Starts the other side."""
        self.begin_capture_print(self)
        self.log_lines(self._notes)
        if self._settings_file is not None:
            self._apply_settings(self._settings_file)
        self.backend.start(self)
        self._watch_signals()
        self._open()

    @work(group="dialogs")
    async def _open(self) -> None:
        if self._opening == "demo":
            self.start_demo()
        elif self._opening is not None:
            await self.dialogs.begin(self._opening == "welcome")

    async def first_snapshot(self) -> Snapshot:
        """How things stand; waits for the other side to tell it the first time."""
        await self._first.wait()
        assert self.last_snapshot is not None
        return self.last_snapshot

    @work(group="dialogs")
    async def action_dialog(self, name: str) -> None:
        """Opens a dialog: `add`, `edit`, `save`, `save_as`, `open`, `revert`."""
        if self.screen is self.main:
            await getattr(self.dialogs, name)()

    @work(group="demo", exclusive=True)
    async def start_demo(self) -> None:
        """Brings the demo mesh up."""
        text = "Three simulated hosts, and some traffic between them.\nPress q to leave."
        self.notify(text, title="The demo mesh", timeout=15)
        await self.dialogs.demo()

    @work(group="signals")
    async def _watch_signals(self) -> None:
        numbers = (signal.SIGINT, *TERMINATING)
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch_signals, self.interrupt, self.end_at_once, numbers)

    def _apply_settings(self, file: Path) -> None:
        names = [action.name for action in actions.all_actions(self)] + list(actions.KEYS_ONLY)
        settings, problems = load_settings(file, self.available_themes, names)
        self.theme = settings.theme
        self.main.keymap = settings.keymap
        self.set_keymap(settings.keymap)
        self.backend.refresh_every(settings.refresh)
        for problem in problems:
            lines = render(problem).splitlines()
            self.log_lines([Text(escape(line), "yellow") for line in lines])
            text = "\n".join(map(escape, lines))
            self.notify(text, title="Settings", severity="warning", markup=False, timeout=8)

    def farewell(self) -> list[str]:
        """What the user is to know once the screen is gone."""
        return [f"saved: {escape(self.saved)}"] if self.saved else []

    # -- what is told ----------------------------------------------------------------------

    @on(SnapshotArrived)
    def _snapshot_arrived(self, event: SnapshotArrived) -> None:
        self.last_snapshot = event.snapshot
        self._first.set()
        self.main.show_snapshot(event.snapshot)
        if isinstance(self.screen, Connecting):
            self.screen.show_snapshot(event.snapshot)

    @on(EventsArrived)
    def _events_arrived(self, event: EventsArrived) -> None:
        if event.missed:
            self._printer.missed(event.missed)
        log: list[LogEntry] = []
        for each in event.events:
            self._printer.show(each)
            said, self._said = self._said, []
            log += [LogEntry(each.at, line) for line in said]
            if isinstance(each, HostChanged) and isinstance(self.screen, Connecting):
                self.screen.show_host(each.host)
        self.main.query_one(LogView).add(log)

    @on(events.Print)
    def _printed(self, event: events.Print) -> None:
        """What is printed under the screen, by the reporter of faults say, goes to the log."""
        lines = event.text.splitlines()
        self.log_lines([Text(escape(line), "red" if event.stderr else "") for line in lines])

    def _say(self, line: Text) -> None:
        self._said.append(line)

    @on(EngineEnded)
    def _ended(self, event: EngineEnded) -> None:
        self.fault = self.fault or event.fault
        self.exit(return_code=ExitCode.INTERNAL if self.fault else ExitCode.OK)

    # -- what is asked for -----------------------------------------------------------------

    @on(RunCommand)
    def _run_wanted(self, event: RunCommand) -> None:
        self.run_line(event.line, typed=event.typed, ask=event.ask)

    @on(NothingSelected)
    def _nothing(self, event: NothingSelected) -> None:
        self.notify(f"There is no {event.noun} here.", severity="warning")

    @work(group="commands")
    async def run_line(self, line: str, *, typed: bool = False, ask: str = "") -> None:
        """Runs a command line, of the vocabulary or a deed of this screen's own."""
        if not await actions.run_action_line(self, line):
            await self.runner.run(line, typed=typed, ask=ask)

    @on(TapStream)
    @work(group="tap", exclusive=True)
    async def _tap_wanted(self, event: TapStream) -> None:
        await self.runner.tap(event.stream, event.way)

    @on(ManifestView.TextsNeeded)
    @work(group="manifest", exclusive=True)
    async def _manifest_wanted(self) -> None:
        diff = await self.runner.text_of("diff")
        text = await self.runner.text_of("export")
        self.main.query_one(ManifestView).show_texts(text, diff)

    @work(group="commands")
    async def action_copy(self) -> None:
        """Copies a line about what is under the cursor."""
        await self.runner.copy()

    @work(group="edit", exclusive=True)
    async def action_edit(self) -> None:
        """Opens the manifest in the user's editor."""
        await self.runner.edit()

    def action_end_commands(self) -> None:
        """Ends the commands that still run; what has been changed stays so."""
        ended = self.workers.cancel_group(self, "commands")
        self.notify("Ended." if ended else "Nothing runs.")

    def log_lines(self, lines: Sequence[Text]) -> None:
        """Adds lines to the log, as of now."""
        now = time.time()
        self.main.query_one(LogView).add(LogEntry(now, line) for line in lines)

    # -- the end ---------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Ends the session: asks where work would be lost; while it stops, ends it at once."""
        if self._leaving:
            self.end_at_once()
        else:
            self.run_line("quit")

    def leave(self) -> None:
        """Begins the orderly stop; the app ends when that is done."""
        if not self._leaving:
            self._leaving = True
            self.notify("Stopping the mesh. Press q again to end at once.", timeout=60)
            self.backend.leave()

    def interrupt(self) -> None:
        """A signal asks for the end: nothing is asked back."""
        if self._leaving:
            self.end_at_once()
        else:
            self.leave()

    def end_at_once(self) -> None:
        """Nothing is waited for any more."""
        self.backend.kill_now()
        self.exit(return_code=ExitCode.INTERRUPTED)

    def action_keys(self) -> None:
        """Shows the keys that work here."""
        self.push_screen(HelpScreen(key_lines(self, self.screen)))

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print a traceback with all local values over the user's terminal.
        self.fault = error
        self.exit(return_code=ExitCode.INTERNAL)
