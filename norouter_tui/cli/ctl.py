"""`norouter ctl`: one command in a running mesh."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

import anyio
import click
from rich.text import Text

from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Outcome, Output, Question
from norouter_core.commands.tokenizer import join
from norouter_core.control.codec import to_json
from norouter_core.sanitize import escape
from norouter_core.session.client import Client, Summary
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.display import Display, StreamSink
from norouter_tui.output.json_lines import encode
from norouter_tui.output.rendering import diff_lines, failure_lines
from norouter_tui.output.units import count
from norouter_tui.output.writers import PrintLine, line_printer
from norouter_tui.run.meshes import choose
from norouter_tui.run.process import run_async
from norouter_tui.run.remote_session import RemoteSession, run_on_mesh


def run_ctl(
    words: Sequence[str], mesh: str | None = None, *, as_json: bool = False, yes: bool = False
) -> int:
    """Run the command that the words are. Return its own exit status, 1 if it failed, or 2.

    Raises:
        click.ClickException: No mesh is running, or the name is ambiguous.
    """
    line = join(words)
    try:
        parsed = parse(line)
    except ParseError as error:
        for text in failure_lines(error.failure, line, error.column):
            line_printer(sys.stderr)(text)
        return ExitCode.USAGE
    if parsed is None:
        return ExitCode.OK
    return run_async(Ctl(parsed, mesh, as_json=as_json, yes=yes).main, uvloop=False)


class Ctl:
    """One command in a running mesh.

    Args:
        mesh: Which, if several run.
        as_json: Whether to print the outcome as JSON, too, if nothing else is printed.
        yes: The answer to every question.
    """

    def __init__(
        self,
        parsed: ParsedLine,
        mesh: str | None = None,
        *,
        as_json: bool = False,
        yes: bool = False,
    ) -> None:
        self._parsed = parsed
        self._mesh = mesh
        self._prints_outcome = as_json
        self._yes = yes
        self._as_json = as_json or "json" in parsed.call
        self._say: PrintLine = line_printer(sys.stderr)
        self._shown = 0

    async def main(self) -> int:
        """Run it and return the exit status. An interrupt ends the command in the mesh too."""
        return await run_on_mesh(await choose(self._mesh, "with --mesh PID"), self._run)

    async def _run(self, remote: Client) -> int:
        return self._show_end(await self._ask_and_run(RemoteSession(remote)))

    async def _ask_and_run(self, client: Client) -> Outcome:
        display = Display(StreamSink(), as_json=self._as_json)

        def show(output: Output) -> None:
            self._shown += 1
            display(output)

        try:
            if self._parsed.call.verb.name == "quit" and not self._yes:
                question = _end_question(await client.summary())
                if question is not None and not await self._is_agreed(question):
                    return Outcome(question=question)
            outcome = await client.run(self._parsed.call, show, confirmed=self._yes)
            if outcome.question is not None and await self._is_agreed(outcome.question):
                outcome = await client.run(self._parsed.call, show, confirmed=True)
        finally:
            display.close()
        return outcome

    async def _is_agreed(self, question: Question) -> bool:
        for line in (*diff_lines(question.diff), Text(escape(question.text), style="bold")):
            self._say(line)
        if self._as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        sys.stderr.write("[y/N] ")
        sys.stderr.flush()
        answer = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        return answer.strip().casefold() in ("y", "yes")

    def _show_end(self, outcome: Outcome) -> int:
        """Show how the command ended, and return the exit status."""
        if self._prints_outcome and not self._shown:
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


def _end_question(summary: Summary) -> Question | None:
    """Return the question before a mesh ends, None if the mesh itself will ask.

    In an attached REPL `quit` leaves the mesh running, so users may not expect its end.
    """
    if summary.document.unsaved:
        return None
    cut = f" and cuts {count(summary.streams, 'stream')}" if summary.streams else ""
    return Question(text=f"this ends the mesh of {count(summary.hosts, 'host')}{cut}: go on?")
