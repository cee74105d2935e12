"""`norouter ctl`: one command, run in a mesh that runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import click
from rich.text import Text

from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Outcome, Output, Question
from norouter_core.commands.tokenizer import join
from norouter_core.control import ControlLost, RemoteClient
from norouter_core.control.codec import to_json
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.display import Display, StreamSink
from norouter_tui.output.json_lines import encode
from norouter_tui.output.rendering import diff_lines, failure_lines
from norouter_tui.output.writers import PrintLine, line_printer
from norouter_tui.run.meshes import choose, lost_line
from norouter_tui.run.process import run_async, watch_signals
from norouter_tui.run.remote_session import RemoteSession


@dataclass(frozen=True, slots=True)
class CtlOptions:
    """What `norouter ctl` was asked for. `engine` names one, where several run; `yes` agrees to
    what the command would ask about.
    """

    engine: str | None = None
    as_json: bool = False
    yes: bool = False


def run_ctl(words: Sequence[str], options: CtlOptions) -> int:
    """Runs the command that `words` are; the exit status is the command's own, 1 if it was not
    done.

    Raises:
        click.ClickException: no mesh runs, or several could be meant.
    """
    line = join(words)
    try:
        parsed = parse(line)
    except ParseError as error:
        for text in failure_lines(error.failure, line, error.column):
            line_printer(sys.stderr)(text)
        return ExitCode.MESH_FAILED
    if parsed is None:
        return ExitCode.OK
    return run_async(Ctl(parsed, options).main, uvloop=False)


class Ctl:
    """One command and its end."""

    def __init__(self, parsed: ParsedLine, options: CtlOptions) -> None:
        self._parsed = parsed
        self._options = options
        self._as_json = options.as_json or "json" in parsed.call
        self._say: PrintLine = line_printer(sys.stderr)
        self._shown = 0

    async def main(self) -> int:
        """Runs it; the exit status. An interrupt ends the command, on the other side too."""
        engine = await choose(self._options.engine)
        status: int = ExitCode.INTERRUPTED
        async with anyio.create_task_group() as tasks:
            cancel = tasks.cancel_scope.cancel
            await tasks.start(watch_signals, cancel, cancel)
            try:
                async with RemoteClient(engine.path) as remote:
                    status = self._told(await self._run(RemoteSession(remote)))
            except ControlLost as lost:
                self._say(lost_line(engine, lost))
                status = ExitCode.MESH_FAILED
            tasks.cancel_scope.cancel()
        return status

    async def _run(self, client: Client) -> Outcome:
        display = Display(StreamSink(), as_json=self._as_json)

        def show(output: Output) -> None:
            self._shown += 1
            display(output)

        try:
            outcome = await client.run(self._parsed.call, show, confirmed=self._options.yes)
            if outcome.question is not None and await self._agreed(outcome.question):
                outcome = await client.run(self._parsed.call, show, confirmed=True)
        finally:
            display.close()
        return outcome

    async def _agreed(self, question: Question) -> bool:
        for line in (*diff_lines(question.diff), Text(escape(question.text), style="bold")):
            self._say(line)
        if self._as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        sys.stderr.write("[y/N] ")
        sys.stderr.flush()
        answer = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        return answer.strip().casefold() in ("y", "yes")

    def _told(self, outcome: Outcome) -> int:
        """Tells how it ended; the exit status."""
        if self._options.as_json and not self._shown:
            with contextlib.suppress(BrokenPipeError):
                click.echo(encode(to_json(outcome)))
        if outcome.failure is not None:
            column = self._parsed.column_of(outcome.failure)
            for line in failure_lines(outcome.failure, self._parsed.text, column):
                self._say(line)
        elif outcome.question is not None:
            self._say(Text("nothing was done: norouter ctl --yes ... agrees", style="yellow"))
        elif outcome.message and not self._as_json:
            self._say(Text(escape(outcome.message)))
        return outcome.status if outcome.ok else outcome.status or ExitCode.MESH_FAILED
