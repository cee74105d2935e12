"""The app: shows what the client reports, and runs there what the user asks for."""

from __future__ import annotations

import math
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

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Completion
from norouter_core.engine.events import HostChanged
from norouter_core.errors import NorouterError
from norouter_core.manifest import render
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.printer import Printer
from norouter_tui.run.crash import reporter
from norouter_tui.run.history import LineHistory
from norouter_tui.run.process import TERMINATING, watch_signals
from norouter_tui.run.questions import answer_questions
from norouter_tui.screen import actions
from norouter_tui.screen.actions import ActionProvider
from norouter_tui.screen.asker import ScreenAsker
from norouter_tui.screen.command_runner import CommandRunner
from norouter_tui.screen.dialogs.connecting import Connecting
from norouter_tui.screen.dialogs.help import HelpScreen, key_lines
from norouter_tui.screen.editing import edit_manifest
from norouter_tui.screen.flows import Flows
from norouter_tui.screen.lifecycle import Lifecycle
from norouter_tui.screen.main_screen import MainScreen, main_screen
from norouter_tui.screen.messages import (
    EventsArrived,
    MeshEnded,
    MeshFound,
    MeshLost,
    NothingSelected,
    RunCall,
    RunLine,
    SnapshotArrived,
    TapStream,
)
from norouter_tui.screen.settings import REFRESH, load_settings
from norouter_tui.screen.terminal import TerminalDriver
from norouter_tui.screen.themes import DARK, THEMES
from norouter_tui.screen.views.log import LogEntry, LogView
from norouter_tui.screen.views.manifest import ManifestView
from norouter_tui.screen.widgets.header import TotalsBar

Opening = Literal["recovery", "welcome", "demo"]


class NorouterApp(App[None]):
    """One mesh on a full screen.

    Args:
        client: runs commands on the mesh and reports its state.
        lifecycle: starts and ends the mesh, or the attachment to it.
        notes: lines for the log, before those of any event.
        history: the history of the `:` line; None keeps one in memory.
        settings: the user's settings file; None for none.
        opening: what to show first: unsaved work of a crash, after which `welcome` greets a user
            without a manifest, or `demo`; None for nothing.
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
        Binding("ctrl+x", "end_commands", "End running commands", show=False, id="end-commands"),
        Binding("ctrl+p", "command_palette", "Palette", show=False, id="palette"),
    ]

    def __init__(
        self,
        client: Client,
        lifecycle: Lifecycle,
        notes: Sequence[Text] = (),
        history: LineHistory | None = None,
        settings: Path | None = None,
        opening: Opening | None = None,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.client = client
        self.lifecycle = lifecycle
        self.error: BaseException | None = None
        """What ended the app, if that was a bug."""
        self.runner = CommandRunner(self, client, self.leave)
        self.flows = Flows(self, client, lifecycle, self.runner)
        self._notes = notes
        self._history = history or LineHistory()
        self._settings_file = settings
        self._opening = opening
        self._refresh_interval = REFRESH
        self._last_key = -math.inf
        """When a key was pressed last: questions wait for a pause."""
        self._held_keys: list[events.Event] | None = []
        """What was typed before the main screen was complete; None once it is."""
        self._is_leaving = False
        self._is_lost = False
        self._printed: list[Text] = []
        self._printer = Printer(
            self._printed.append,
            self._printed.append,
            debug=reporter.debug,
            again="press r on it",
        )
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield the one palette entry of Textual that has no key here."""
        yield SystemCommand("Theme", "Change the colours", self.action_change_theme)

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen(self._complete, self._history)

    async def _complete(self, line: str, cursor: int) -> Sequence[Completion]:
        """Return what completes a line: commands, and actions of this screen."""
        found = await self.client.complete(line, cursor)
        return [*found, *actions.complete_action(self, line[:cursor])]

    @property
    def main(self) -> MainScreen:
        """Return the main screen, whatever is on top of it."""
        return main_screen(self)

    # -- the start -------------------------------------------------------------------------

    @on(MainScreen.Shown)
    async def _main_shown(self) -> None:
        """Start or attach the mesh, and watch it."""
        self.begin_capture_print(self)
        self.main.log_lines(self._notes)
        self.main.query_one(TotalsBar).attached_to = self.lifecycle.attached_to
        if self._settings_file is not None:
            self._apply_settings(self._settings_file)
        self.lifecycle.start(self.post_message)
        self._follow_snapshots()
        self._follow_events()
        self._answer_questions()
        self._watch_signals()
        self._open()
        held, self._held_keys = self._held_keys or [], None
        for event in held:
            await self.on_event(event)

    @work(group="dialogs")
    async def _open(self) -> None:
        if self._opening == "demo" or (
            self._opening is not None and await self.flows.begin(welcome=self._opening == "welcome")
        ):
            self._start_demo()

    @work(group="demo", exclusive=True)
    async def _start_demo(self) -> None:
        text = "Three simulated hosts, and some traffic between them.\nPress q to leave."
        self.notify(text, title="The demo mesh", timeout=15)
        await self.flows.demo()

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
        self._refresh_interval = settings.refresh
        for problem in problems:
            lines = [escape(line) for line in render(problem).splitlines()]
            self.main.log_lines(Text(line, "yellow") for line in lines)
            text = "\n".join(lines)
            self.notify(text, title="Settings", severity="warning", markup=False, timeout=8)

    # -- news ------------------------------------------------------------------------------

    @property
    def _is_closed(self) -> bool:
        """Return whether the main screen is gone; news that still waits then has nowhere to go.

        Textual takes its widgets down one by one, and delivers messages meanwhile.
        """
        if not self.screen_stack:
            return True
        shown = self.main.query(TotalsBar), self.main.query(LogView)
        return not all(shown)

    @work(group="follow")
    async def _follow_snapshots(self) -> None:
        try:
            async for snapshot in self.client.snapshots(self._refresh_interval):
                self.post_message(SnapshotArrived(snapshot))
        except NorouterError as error:
            self.notify(f"no more news of the mesh: {error}", severity="error", timeout=3600)

    @work(group="follow")
    async def _follow_events(self) -> None:
        message = EventsArrived()
        async for event in self.client.events():
            # Events that come together are shown together, which costs little more than one.
            if message.events:
                message.events.append(event)
            else:
                message = EventsArrived(event)
                self.post_message(message)

    @work(group="questions")
    async def _answer_questions(self) -> None:
        await answer_questions(self.client, ScreenAsker(self, lambda: self._last_key))

    async def on_event(self, event: events.Event) -> None:
        """Note when keys are pressed, and hold them until there are widgets to act on."""
        if isinstance(event, events.Key | events.Paste):
            self._last_key = time.monotonic()
            if self._held_keys is not None:
                self._held_keys.append(event)
                return
        await super().on_event(event)

    @on(SnapshotArrived)
    def _snapshot_arrived(self, message: SnapshotArrived) -> None:
        if self._is_closed:
            return
        self.main.show_snapshot(message.snapshot)
        if isinstance(self.screen, Connecting):
            self.screen.show_snapshot(message.snapshot)

    @on(EventsArrived)
    def _events_arrived(self, message: EventsArrived) -> None:
        if self._is_closed:
            return
        log: list[LogEntry] = []
        for event in message.take():
            self._printer.show(event)
            log += [LogEntry(event.at, line) for line in self._printed]
            self._printed.clear()
            if isinstance(event, HostChanged) and isinstance(self.screen, Connecting):
                self.screen.show_host(event.host)
        self.main.query_one(LogView).add(log)

    @on(events.Print)
    def _print_captured(self, event: events.Print) -> None:
        """Log what is printed under the screen, for example by the crash reporter."""
        if self._is_closed:
            return
        lines = event.text.splitlines()
        self.main.log_lines(Text(escape(line), "red" if event.stderr else "") for line in lines)

    @on(MeshLost)
    def _mesh_lost(self, message: MeshLost) -> None:
        if self._is_closed:
            return
        self._is_lost = True
        self.main.query_one(TotalsBar).alert = "not running; waiting for it to come back"
        self._report_connection(f"{self.lifecycle.attached_to}: {message.reason}", "warning")

    @on(MeshFound)
    def _mesh_found(self, message: MeshFound) -> None:
        if self._is_closed:
            return
        self._is_lost = False
        self.main.query_one(TotalsBar).alert = ""
        self._report_connection(f"{self.lifecycle.attached_to}: {message.text}", "information")

    def _report_connection(self, text: str, severity: Literal["information", "warning"]) -> None:
        style = "yellow" if severity == "warning" else "green"
        self.main.log_lines([Text(escape(text), style)])
        self.notify(escape(text), severity=severity, markup=False)

    @on(MeshEnded)
    def _mesh_ended(self, message: MeshEnded) -> None:
        self.error = self.error or message.error
        self.exit(return_code=ExitCode.INTERNAL if self.error else ExitCode.OK)

    # -- requests --------------------------------------------------------------------------

    @on(RunCall)
    def _run_requested(self, message: RunCall) -> None:
        self.run_call(message.call, ask=message.ask)

    @work(group="commands")
    async def run_call(self, call: Call, *, ask: str = "") -> None:
        """Run a command."""
        await self._run(call, ask=ask)

    @on(RunLine)
    @work(group="commands")
    async def _run_line(self, message: RunLine) -> None:
        """Run what the user typed: an action of this screen, or a command."""
        line = message.line
        if await actions.run_action_line(self, line):
            return
        try:
            parsed = parse(line)
        except ParseError as error:
            self.main.command_line.show_failure(line, error.failure, error.column)
            return
        if parsed is not None:
            await self._run(parsed.call, typed=parsed)

    async def _run(self, call: Call, *, ask: str = "", typed: ParsedLine | None = None) -> None:
        if call.verb.name == "quit":
            await self.flows.quit(call, is_lost=self._is_lost)
        else:
            await self.runner.run(call, ask=ask, typed=typed)

    @on(NothingSelected)
    def _nothing_selected(self, message: NothingSelected) -> None:
        self.notify(f"There is no {message.noun} here.", severity="warning")

    @on(TapStream)
    @work(group="tap", exclusive=True)
    async def _tap_requested(self, message: TapStream) -> None:
        await self.runner.tap(message.stream, message.route)

    @on(ManifestView.TextsNeeded)
    @work(group="manifest", exclusive=True)
    async def _texts_needed(self) -> None:
        diff = await self.runner.text_of("diff")
        text = await self.runner.text_of("export")
        self.main.query_one(ManifestView).show_texts(text, diff)

    # -- actions ---------------------------------------------------------------------------

    @work(group="dialogs")
    async def action_dialog(self, name: str) -> None:
        """Open a dialog: `add`, `edit`, `save`, `save_as`, `open`, `revert`."""
        if self.screen is self.main:
            await getattr(self.flows, name)()

    @work(group="commands")
    async def action_copy(self) -> None:
        """Copy a line about what is under the cursor."""
        await self.runner.copy()

    @work(group="edit", exclusive=True)
    async def action_edit(self) -> None:
        """Open the manifest in the user's editor."""
        await edit_manifest(self, self.runner)

    def action_end_commands(self) -> None:
        """End the commands that still run; changes they have made stay."""
        ended = self.workers.cancel_group(self, "commands")
        self.notify("Ended." if ended else "No command is running.")

    def action_keys(self) -> None:
        """Show the keys that work here."""
        self.push_screen(HelpScreen(key_lines(self, self.screen)))

    # -- the end ---------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """End the session, with questions; while it stops, end at once."""
        if self._is_leaving:
            self.end_at_once()
        else:
            self.run_call(build_call("quit"))

    def leave(self) -> None:
        """Begin to stop the mesh in order, or detach; the app ends when that is done."""
        if not self._is_leaving:
            self._is_leaving = True
            if not self.lifecycle.attached_to:
                self.notify("Stopping the mesh. Press q again to end at once.", timeout=60)
            self.lifecycle.leave()

    def interrupt(self) -> None:
        """End on a signal, without questions."""
        if self._is_leaving:
            self.end_at_once()
        else:
            self.leave()

    def end_at_once(self) -> None:
        """End without waiting for anything."""
        self.lifecycle.kill_now()
        self.exit(return_code=ExitCode.INTERRUPTED)

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print a traceback with all local values over the user's terminal.
        self.error = error
        self.exit(return_code=ExitCode.INTERNAL)
