"""Runs commands for the app: asks questions, shows output, and reports how each command ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.text import Text
from textual.app import App
from textual.worker import get_current_worker

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.parser import ParsedLine
from norouter_core.commands.results import Diff, Failure, Lines, Outcome, Output, Question
from norouter_core.session.client import Client
from norouter_tui.screen.copying import copy_lines
from norouter_tui.screen.dialogs.output import OutputScreen
from norouter_tui.screen.dialogs.questions import Choose, Confirm
from norouter_tui.screen.dialogs.tap import TapScreen
from norouter_tui.screen.main_screen import MainScreen, main_screen
from norouter_tui.screen.widgets.cells import escape_line, fit
from norouter_tui.screen.widgets.header import TotalsBar

_NOTE_DELAY = 0.4
"""Seconds until the header says that a command is running."""


class CommandRunner:
    """Runs commands; its coroutines belong in workers of the app.

    Args:
        app: shows questions, outputs and notes.
        client: runs the commands.
        leave: called when a command has ended the session.
    """

    def __init__(self, app: App[Any], client: Client, leave: Callable[[], None]) -> None:
        self._app = app
        self._client = client
        self.leave = leave
        self.saved_path = ""
        """Where the mesh was saved last."""
        self.has_ended_session = False
        """Whether a command has ended the session."""

    @property
    def _main(self) -> MainScreen:
        return main_screen(self._app)

    async def run(
        self, call: Call, *, ask: str = "", typed: ParsedLine | None = None
    ) -> Outcome | None:
        """Run a command and report how it ended; return None if the user answered no.

        Args:
            call: the command.
            ask: a question to ask first.
            typed: the line that the user typed, who gets it back if it fails.
        """
        if ask and not await self.confirm(Question(ask)):
            return None
        output = _OutputTarget(self._app, call)
        outcome = await self._run_noted(call, output, confirmed=bool(ask))
        if outcome.question is not None:
            if not await self.confirm(outcome.question):
                return None
            outcome = await self._run_noted(call, output, confirmed=True)
        output.finish(outcome)
        self.report(outcome, call, typed)
        return outcome

    async def run_confirmed(self, call: Call) -> Outcome:
        """Run a command that the user has confirmed, and report how it ended."""
        output = _OutputTarget(self._app, call)
        outcome = await self._run_noted(call, output, confirmed=True)
        output.finish(outcome)
        self.report(outcome, call)
        return outcome

    async def run_silently(self, call: Call) -> tuple[Outcome, list[Output]]:
        """Run a command without a word on the screen; return its outcome and output."""
        outputs: list[Output] = []
        return await self._client.run(call, outputs.append), outputs

    async def text_of(self, verb: str) -> str:
        """Return the text that a command without arguments prints."""
        _, outputs = await self.run_silently(build_call(verb))
        return "\n".join(each.text for each in outputs if isinstance(each, Lines | Diff))

    async def _run_noted(self, call: Call, output: _OutputTarget, *, confirmed: bool) -> Outcome:
        """Run a command, with a note in the header if it takes long."""
        header = self._main.query_one(TotalsBar)
        line = fit(escape_line(call.line(redact=True)), 30).rstrip()

        def note() -> None:
            header.note = f"running: {line}"

        timer = self._app.set_timer(_NOTE_DELAY, note)
        try:
            return await self._client.run(call, output.put, confirmed=confirmed)
        finally:
            timer.stop()
            header.note = ""

    async def confirm(self, question: Question) -> bool:
        """Ask the user a question."""
        is_yes: bool | None = await self._app.push_screen_wait(Confirm(question))
        return bool(is_yes)

    def report(
        self, outcome: Outcome, call: Call | None = None, typed: ParsedLine | None = None
    ) -> None:
        """Report how a command ended, in the log and over the screen."""
        if outcome.failure is not None:
            name = escape_line(call.line(redact=True)) if call is not None else ""
            message = escape_line(outcome.failure.message)
            self._main.log_lines([Text.assemble((name, "bold"), ": ", (message, "red"))])
            self._report_failure(outcome.failure, typed)
        elif outcome.message:
            self._main.log_lines([Text(escape_line(outcome.message))])
            self._app.notify(escape_line(outcome.message), markup=False)
        if call is not None and call.verb.name == "host add":
            self._main.hosts.go_to(str(outcome.data.get("host", "")))
        self.saved_path = str(outcome.data.get("path", self.saved_path))
        if outcome.ended:
            self.has_ended_session = True
            self.leave()

    def _report_failure(self, failure: Failure, typed: ParsedLine | None) -> None:
        if typed is not None and self._app.screen is self._main:
            column = typed.column_of(failure)
            self._main.command_line.show_failure(typed.text, failure, column)
            return
        text = f"{escape_line(failure.message)}\n{escape_line(failure.hint)}".strip()
        self._app.notify(text, severity="error", markup=False, timeout=8)

    async def tap(self, stream: int, route: str) -> None:
        """Show the bytes of a stream until the user closes the view."""
        screen = TapScreen(stream, route, get_current_worker().cancel)
        self._app.push_screen(screen)
        call = build_call("stream tap", stream=str(stream))
        screen.show_end(await self._client.run(call, screen.put))

    async def copy(self) -> None:
        """Copy a line about what is under the cursor; ask which if there are several."""
        row, snapshot = self._main.chosen, self._main.snapshot
        lines = copy_lines(row, snapshot) if row is not None and snapshot is not None else []
        lines = [line for line in dict.fromkeys(lines) if line]
        if not lines:
            self._app.notify("There is nothing to copy here.", severity="warning")
            return
        at = await self._app.push_screen_wait(Choose("Copy", lines)) if len(lines) > 1 else 0
        if at is not None:
            self._app.copy_to_clipboard(lines[at])
            self._app.notify(escape_line(lines[at]), title="Copied", markup=False)


class _OutputTarget:
    """Opens a dialog when a command prints something, and fills it."""

    def __init__(self, app: App[Any], call: Call) -> None:
        self._app = app
        self._title = call.line(redact=True)
        self._cancel = get_current_worker().cancel
        self._screen: OutputScreen | None = None
        self._waiting: list[Output] = []

    def put(self, output: Output) -> None:
        """Take an output of the command."""
        self._waiting.append(output)
        if len(self._waiting) == 1:
            self._app.call_later(self._show)

    def finish(self, outcome: Outcome) -> None:
        """Show the rest, and how the command ended."""
        self._show()
        if self._screen is not None:
            self._app.call_later(self._screen.show_end, outcome)

    def _show(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._screen is None:
            self._screen = OutputScreen(self._title, waiting, self._cancel)
            self._app.push_screen(self._screen)
        else:
            self._screen.add(waiting)
