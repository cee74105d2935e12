"""Commands from a pipe, a file or `-c`."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import anyio
from rich.text import Text

from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Failure, Outcome
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.display import Sink, StreamSink, run_shown
from norouter_tui.output.rendering import failure_lines
from norouter_tui.output.writers import PrintLine, line_printer
from norouter_tui.repl.event_lines import EventLines
from norouter_tui.repl.steps import BadStep, ScriptStep, StepReader, lines_of
from norouter_tui.repl.terminal import run_shell
from norouter_tui.run.process import STOPPING
from norouter_tui.run.questions import TerminalAsker, answer_questions, open_terminal

_CHUNK = 1 << 16
_MAX_LINE = 1 << 20
"""The longest line, in bytes."""


class Script:
    """Runs commands in their order, up to the first that fails, without questions.

    Args:
        client: The session.
        name: The name of the script, for failures: `NAME:LINE:COLUMN: message`.
        out: Where outputs go.
        tell: Takes lines about what was done or failed.
        events: Prints what happens meanwhile.
    """

    def __init__(
        self, client: Client, name: str, out: Sink, tell: PrintLine, events: EventLines
    ) -> None:
        self._client = client
        self._events = events
        self._name = name
        self._out = out
        self._tell = tell
        self._reader = StepReader()

    async def run(self, lines: AsyncIterator[str]) -> int:
        """Run the commands in lines, each as soon as it is complete.

        Return the exit status: that of the command which failed, or 1 if it has none.
        """
        try:
            async for line in lines:
                status = await self._steps(self._reader.feed(line))
                if status is not None:
                    return status
            return await self._steps(self._reader.finish()) or ExitCode.OK
        except BadStep as bad:
            self._fail(bad.failure, bad.row, bad.column)
            return ExitCode.MESH_FAILED

    async def _steps(self, steps: Iterable[ScriptStep]) -> int | None:
        """Run commands. Return the exit status if the script ends with one of them."""
        for step in steps:
            if step.shell:
                status = await run_shell(step.line, typed=False)
                if status:
                    failure = Failure(f"the command ended with exit status {status}")
                    self._fail(failure, step.row, step.column)
                    return status if status > 0 else 128 - status
                continue
            try:
                parsed = parse(step.line)
            except ParseError as error:
                self._fail(error.failure, *step.place(error.column), error.column, step.line)
                return ExitCode.MESH_FAILED
            if parsed is None:
                continue
            outcome = await run_shown(self._client, parsed.call, self._out, confirmed=True)
            await self._end_of(step, parsed, outcome)
            if outcome.ended or not outcome.ok or outcome.status:
                return outcome.status or (ExitCode.OK if outcome.ok else ExitCode.MESH_FAILED)
        return None

    async def _end_of(self, step: ScriptStep, parsed: ParsedLine, outcome: Outcome) -> None:
        failure = outcome.failure
        if failure is None and outcome.question is not None:
            failure = Failure(outcome.question.text)
        if failure is None and outcome.status:
            failure = Failure(outcome.message or f"exit status {outcome.status}")
        if failure is not None:
            column = parsed.column_of(failure)
            failure = await self._events.shorten(failure)
            self._fail(failure, *step.place(column), column, step.line)
        elif outcome.message:
            self._tell(Text(escape(outcome.message)))

    def _fail(
        self, failure: Failure, row: int, column: int, in_line: int = 0, line: str = ""
    ) -> None:
        where = f"{self._name}:{row}:{column}"
        for text in failure_lines(failure, line, in_line, where):
            self._tell(text)


class ScriptRun:
    """A script as the front end of a session.

    Outputs go to stdout; messages, failures and events go to stderr.
    """

    keeps_work = False
    signals = STOPPING

    def __init__(
        self,
        name: str,
        lines: AsyncIterator[str],
        notes: Iterable[Text] = (),
        *,
        uses_terminal: bool = False,
    ) -> None:
        """Prepare a run.

        Args:
            name: As of `Script`.
            lines: Of the script.
            notes: Lines to show first.
            uses_terminal: Whether the lines come from the terminal, where nobody can be asked then.
        """
        self._name = name
        self._lines = lines
        self._notes = notes
        self._uses_terminal = uses_terminal
        self.stop_asking: Callable[[], None] = lambda: None
        """Called when the terminal has gone at which the script asks."""

    @property
    def asks(self) -> bool:
        """Whether there is a terminal to ask at."""
        with self._terminal() as terminal:
            return terminal is not None

    def _terminal(self) -> AbstractContextManager[TerminalAsker | None]:
        return nullcontext() if self._uses_terminal else open_terminal()

    def on_signal(self, number: signal.Signals) -> int:
        """Return the exit status of a script that a signal has cut short."""
        return ExitCode.INTERRUPTED

    async def run(self, client: Client) -> int:
        """Run the script. Return the exit status."""
        tell = line_printer(sys.stderr)
        for note in self._notes:
            tell(note)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._answer_questions, client)
            events = EventLines(client, tell)
            tasks.start_soon(events.run)
            script = Script(client, self._name, StreamSink(), tell, events)
            status = await script.run(self._lines)
            tasks.cancel_scope.cancel()
        return status

    async def _answer_questions(self, client: Client) -> None:
        with self._terminal() as terminal:
            if terminal is not None:
                await answer_questions(client, terminal)
                self.stop_asking()


async def lines_from(number: int) -> AsyncIterator[str]:
    """Yield the lines of a descriptor with their ends, each as soon as it arrives.

    Bytes that are not UTF-8 become `\\x..`. A line of more than 1 MiB comes in parts.
    """
    mode = os.fstat(number).st_mode
    # Files and /dev/null are always readable, and the system refuses to watch them.
    waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number)
    waiting = b""
    while True:
        if waits:
            await anyio.wait_readable(number)
        data = os.read(number, _CHUNK)
        *whole, waiting = (waiting + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "backslashreplace") + "\n"
        if not data or len(waiting) > _MAX_LINE:
            if waiting:
                yield waiting.decode("utf-8", "backslashreplace")
            waiting = b""
        if not data:
            return


async def lines_in(text: str) -> AsyncIterator[str]:
    """Yield the lines of a text with their ends."""
    for line in lines_of(text):
        yield line
