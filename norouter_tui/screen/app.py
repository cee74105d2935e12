"""The app: shows what the other side tells, and runs there what is asked for here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from norouter_core.commands.outcome import Diff, Failure, Lines, Outcome, Output, Question
from norouter_tui.crash import reporter
from norouter_tui.exitcodes import ExitCode
from norouter_tui.plaintext import clean
from norouter_tui.printer import Printer
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.confirm import Confirm
from norouter_tui.screen.help import HelpScreen, key_lines
from norouter_tui.screen.history import History
from norouter_tui.screen.log import LogView
from norouter_tui.screen.main import MainScreen
from norouter_tui.screen.manifest import ManifestView
from norouter_tui.screen.messages import (
    Ended,
    EventsArrived,
    Nothing,
    Run,
    SnapshotArrived,
    TapWanted,
)
from norouter_tui.screen.output import OutputScreen
from norouter_tui.screen.themes import DARK, THEMES


class NorouterApp(App[None]):
    """One mesh on a full screen.

    Args:
        backend: the mesh, and what runs commands on it.
        notes: lines for the log, before any event's.
        history: of the `:` line; one in memory when None.
    """

    TITLE = "norouter"
    CSS_PATH = "style.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", id="quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True, id="interrupt"),
        Binding("ctrl+p", "command_palette", "Palette", show=False, id="palette"),
    ]

    def __init__(
        self, backend: Backend, notes: Sequence[Text] = (), history: History | None = None
    ) -> None:
        super().__init__()
        self.backend = backend
        self.fault: BaseException | None = None
        """What ended the app, if that was a fault of this program."""
        self._notes = notes
        self._history = history or History()
        self._leaving = False
        self._printer = Printer(self._say, self._say, debug=reporter.debug, again="press r on it")
        self._said: list[Text] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK

    def get_default_screen(self) -> Screen[Any]:
        return MainScreen(self.backend.complete, self._history)

    @property
    def main(self) -> MainScreen:
        """The main screen, whatever stands over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @on(MainScreen.Shown)
    def _main_shown(self) -> None:
        """Starts the other side."""
        self.main.query_one(LogView).add(self._notes)
        self.backend.start(self)

    # -- what is told ----------------------------------------------------------------------

    @on(SnapshotArrived)
    def _snapshot_arrived(self, event: SnapshotArrived) -> None:
        self.main.show_snapshot(event.snapshot)

    @on(EventsArrived)
    def _events_arrived(self, event: EventsArrived) -> None:
        log = self.main.query_one(LogView)
        if event.missed:
            self._printer.missed(event.missed)
        for each in event.events:
            self._printer.show(each)
            log.add(self._take_said(), each.at)

    def _say(self, line: Text) -> None:
        self._said.append(line)

    def _take_said(self) -> list[Text]:
        said, self._said = self._said, []
        return said

    @on(Ended)
    def _ended(self, event: Ended) -> None:
        self.fault = self.fault or event.fault
        self.exit(return_code=ExitCode.INTERNAL if self.fault else ExitCode.OK)

    # -- what is asked for -----------------------------------------------------------------

    @on(Run)
    def _run_wanted(self, event: Run) -> None:
        self.run_line(event.line, typed=event.typed, ask=event.ask)

    @on(Nothing)
    def _nothing(self, event: Nothing) -> None:
        self.notify(f"There is no {event.noun} here.", severity="warning")

    @on(TapWanted)
    def _tap_wanted(self, event: TapWanted) -> None:
        self.run_line(f"stream tap {event.stream}")

    @work(group="commands")
    async def run_line(self, line: str, *, typed: bool = False, ask: str = "") -> None:
        """Runs a command line; asks what it asks, shows what it gives."""
        shown = _Shown(self, line)
        if ask and not await self.push_screen_wait(Confirm(Question(ask))):
            return
        outcome = await self.backend.run(line, shown.put, confirmed=bool(ask))
        if outcome.question is not None:
            if not await self.push_screen_wait(Confirm(outcome.question)):
                return
            outcome = await self.backend.run(line, shown.put, confirmed=True)
        shown.finish()
        self._tell(line, outcome, typed)

    def _tell(self, line: str, outcome: Outcome, typed: bool) -> None:
        log = self.main.query_one(LogView)
        if outcome.failure is not None:
            log.add(
                [
                    Text.assemble(
                        (f"{clean(line)}: ", "bold"), (clean(outcome.failure.message), "red")
                    )
                ]
            )
            self._tell_failure(line, outcome.failure, typed)
        elif outcome.message:
            log.add([Text(clean(outcome.message))])
            self.notify(clean(outcome.message), markup=False)
        if outcome.ended:
            self._leave()

    def _tell_failure(self, line: str, failure: Failure, typed: bool) -> None:
        if typed and self.screen is self.main:
            self.main.command_line.refused(line, failure)
            return
        text = clean(failure.message)
        if failure.hint:
            text += f"\n{clean(failure.hint)}"
        self.notify(text, severity="error", markup=False, timeout=8)

    @on(ManifestView.Wanted)
    @work(group="manifest", exclusive=True)
    async def _manifest_wanted(self) -> None:
        diff = await self._text_of("diff")
        text = await self._text_of("export")
        self.main.query_one(ManifestView).show_texts(text, diff)

    async def _text_of(self, line: str) -> str:
        """What a command gives as text."""
        texts: list[str] = []

        def take(output: Output) -> None:
            if isinstance(output, Lines | Diff):
                texts.append(output.text)

        await self.backend.run(line, take)
        return "\n".join(texts)

    # -- the end ---------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Ends the session: asks where work would be lost; while it stops, ends it at once."""
        if self._leaving:
            self.end_at_once()
        else:
            self.run_line("quit")

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self.notify("Stopping the mesh. Press q again to end at once.", timeout=60)
            self.backend.leave()

    def interrupt(self) -> None:
        """A signal asks for the end: nothing is asked back."""
        if self._leaving:
            self.end_at_once()
        else:
            self._leave()

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


class _Shown:
    """Where the output of one command goes: over the screen, from the first of it on."""

    def __init__(self, app: NorouterApp, line: str) -> None:
        self._app = app
        self._line = line
        self._screen: OutputScreen | None = None
        self._waiting: list[Output] = []

    def put(self, output: Output) -> None:
        """Takes an output."""
        self._waiting.append(output)
        if len(self._waiting) == 1:
            self._app.call_later(self.finish)

    def finish(self) -> None:
        """Shows what has come."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._screen is None:
            self._screen = OutputScreen(self._line, waiting, lambda: None)
            self._app.push_screen(self._screen)
        elif self._screen.is_attached:
            self._screen.add(waiting)
