"""What a command needs of the screen: questions before, output while it runs, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.worker import get_current_worker

from norouter_core.commands.results import (
    Diff,
    Emit,
    Failure,
    Lines,
    Outcome,
    Output,
    Question,
)
from norouter_core.model import MeshSpec
from norouter_tui.screen import editing
from norouter_tui.screen.backend import parsed
from norouter_tui.screen.copying import copy_lines
from norouter_tui.screen.dialogs.output import OutputScreen
from norouter_tui.screen.dialogs.questions import Choose, Confirm
from norouter_tui.screen.dialogs.tap import TapScreen
from norouter_tui.screen.quoting import word
from norouter_tui.screen.widgets.cells import escape_line, fit
from norouter_tui.screen.widgets.header import TotalsBar

if TYPE_CHECKING:
    from norouter_tui.screen.app import NorouterApp


_NOTE_DELAY = 0.4
"""Seconds that a command may take without a word about it."""


class Runner:
    """Runs commands for the app; each of its coroutines belongs into a worker of the app's."""

    def __init__(self, app: NorouterApp) -> None:
        self._app = app

    async def run(self, line: str, *, typed: bool = False, ask: str = "") -> Outcome | None:
        """Runs a command line: asks what is to be asked, shows what it gives, tells how it ended.
        None where the user did not want it."""
        if ask and not await self.confirm(Question(ask)):
            return None
        shown = _OutputTarget(self._app, line)
        outcome = await self._noted(line, shown.put, bool(ask))
        if outcome.question is not None:
            line = await self._answered(line, outcome.question)
            if not line:
                return None
            outcome = await self._noted(line, shown.put, True)
        shown.finish(outcome)
        self.report(line, outcome, typed=typed)
        return outcome

    async def _noted(self, line: str, emit: Emit, confirmed: bool) -> Outcome:
        """Runs it, and says so at the top while it takes its time."""
        bar = self._app.main.query_one(TotalsBar)

        def note() -> None:
            bar.note = f"running: {fit(escape_line(line), 30).rstrip()}"

        timer = self._app.set_timer(_NOTE_DELAY, note)
        try:
            return await self._app.backend.run(line, emit, confirmed=confirmed)
        finally:
            timer.stop()
            bar.note = ""

    async def _answered(self, line: str, question: Question) -> str:
        """The line that is to be run now that the user was asked; empty for none."""
        if any(call.verb.name == "quit" for call in parsed([line])[0]):
            return await self._app.dialogs.leaving(question)
        return line if await self.confirm(question) else ""

    async def confirm(self, question: Question) -> bool:
        """What the user answers."""
        answer = await self._app.push_screen_wait(Confirm(question))
        return bool(answer)

    def report(self, line: str, outcome: Outcome, *, typed: bool = False) -> None:
        """Tells how a command ended."""
        if outcome.failure is not None:
            text = Text.assemble(
                (escape_line(line), "bold"), ": ", (escape_line(outcome.failure.message), "red")
            )
            self._app.log_lines([text])
            self._report_failure(line, outcome.failure, typed)
        elif outcome.message:
            self._app.log_lines([Text(escape_line(outcome.message))])
            self._app.notify(escape_line(outcome.message), markup=False)
        self._app.saved = str(outcome.data.get("path", self._app.saved))
        if outcome.ended:
            self._app.leave()

    def _report_failure(self, line: str, failure: Failure, typed: bool) -> None:
        if typed and self._app.screen is self._app.main:
            self._app.main.command_line.show_failure(line, failure)
            return
        text = f"{escape_line(failure.message)}\n{escape_line(failure.hint)}".strip()
        self._app.notify(text, severity="error", markup=False, timeout=8)

    async def tap(self, stream: int, way: str) -> None:
        """Shows the bytes of a stream until that is closed."""
        screen = TapScreen(stream, way, get_current_worker().cancel)
        self._app.push_screen(screen)
        screen.ended(await self._app.backend.run(f"stream tap {stream}", screen.put))

    async def text_of(self, line: str) -> str:
        """What a command gives as text."""
        texts: list[str] = []

        def take(output: Output) -> None:
            if isinstance(output, Lines | Diff):
                texts.append(output.text)

        await self._app.backend.run(line, take)
        return "\n".join(texts)

    async def copy(self) -> None:
        """Puts a line about what is under the cursor into the clipboard; asks which."""
        row, snapshot = self._app.main.chosen, self._app.main.snapshot
        lines = copy_lines(row, snapshot) if row is not None and snapshot is not None else []
        lines = [line for line in dict.fromkeys(lines) if line]
        if not lines:
            self._app.notify("There is nothing to copy here.", severity="warning")
            return
        at = await self._app.push_screen_wait(Choose("Copy", lines)) if len(lines) > 1 else 0
        if at is not None:
            self._app.copy_to_clipboard(lines[at])
            self._app.notify(escape_line(lines[at]), title="Copied", markup=False)

    async def edit(self) -> None:
        """The manifest in the user's editor; what he made of it, once he has seen what differs."""
        snapshot = self._app.main.snapshot
        if snapshot is None:
            return
        before = await self.text_of("export")
        with editing.draft(before + "\n") as path:
            while True:
                # Nothing may be raised out of here: Textual would never take the terminal back.
                with self._app.suspend():
                    after, failure = editing.edited(path)
                if failure:
                    self._app.notify(
                        escape_line(failure), severity="error", markup=False, timeout=8
                    )
                    return
                if not await self._mend(after, snapshot.spec):
                    break
            if editing.problems(after, snapshot.spec) == "":
                if await self.confirm(editing.question(before, after)):
                    await self.run(f"load --keep {word(str(path))}")

    async def _mend(self, text: str, spec: MeshSpec) -> bool:
        """Whether the editor is wanted again, for what is wrong with the text."""
        wrong = editing.problems(text, spec)
        if wrong is None:
            self._app.notify("Nothing was changed.")
        if not wrong:
            return False
        return await self.confirm(Question(f"{wrong}\n\nEdit it again?"))


class _OutputTarget:
    """Where the output of one command goes: over the screen, from the first of it on."""

    def __init__(self, app: NorouterApp, line: str) -> None:
        self._app = app
        self._line = line
        self._end = get_current_worker().cancel
        self._screen: OutputScreen | None = None
        self._waiting: list[Output] = []

    def put(self, output: Output) -> None:
        """Takes an output."""
        self._waiting.append(output)
        if len(self._waiting) == 1:
            self._app.call_later(self.show)

    def finish(self, outcome: Outcome) -> None:
        """Shows the rest, and how it ended."""
        self.show()
        if self._screen is not None:
            self._app.call_later(self._screen.ended, outcome)

    def show(self) -> None:
        """Shows what has come."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._screen is None:
            self._screen = OutputScreen(self._line, waiting, self._end)
            self._app.push_screen(self._screen)
        elif self._screen.is_attached:
            self._screen.add(waiting)
