"""The REPL in a terminal: reads commands, runs them, and shows what happens meanwhile."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Iterable
from functools import partial
from typing import TextIO, cast

import anyio
from prompt_toolkit.application import create_app_session, get_app_or_none
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.output import create_output
from prompt_toolkit.patch_stdout import patch_stdout
from rich.text import Text

from norouter_core.commands.call import Call
from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Failure, Outcome
from norouter_core.commands.tokenizer import join
from norouter_core.control import ControlLost
from norouter_core.engine.events import Event, HostChanged
from norouter_core.engine.status import HostState, HostStatus
from norouter_core.sanitize import escape
from norouter_core.session.client import Client, Summary
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output import writers
from norouter_tui.output.rendering import failure_lines
from norouter_tui.repl.asker import ReplAsker
from norouter_tui.repl.event_lines import EventLines
from norouter_tui.repl.prompt import make_prompt, toolbar
from norouter_tui.repl.questions import Questions, offer_recovery
from norouter_tui.repl.steps import BadStep, ScriptStep, lines_of, steps
from norouter_tui.repl.terminal import Notices, Terminal, has_waiting_keys, run_shell
from norouter_tui.run.history import history_path, open_history
from norouter_tui.run.process import TERMINATING
from norouter_tui.run.questions import REACTION_TIME, answer_questions

GREETING = "`help` lists the commands, Tab completes, Ctrl-D quits."
HOW_TO_QUIT = "to quit: Ctrl-D, or `quit`"
_DRAIN = 1.0
"""Seconds for the last output to be shown at the end."""
REFRESH = 0.5
"""Seconds between two updates of the totals."""


class Repl:
    """One session at a terminal.

    Args:
        client: The session.
        terminal: Where everything is written, on the output of prompt_toolkit.
        history: What was typed before.
        vi: Whether to begin with the keys of vi.
        recovers: Whether to offer the unsaved work of sessions that ended.
        notes: Lines to show first.
    """

    def __init__(
        self,
        client: Client,
        terminal: Terminal,
        history: History,
        *,
        vi: bool = False,
        recovers: bool = False,
        notes: Iterable[Text] = (),
    ) -> None:
        self._client = client
        self._terminal = terminal
        self._recovers = recovers
        self._notes = notes
        self._prompt = make_prompt(client, history, self._toolbar, vi=vi)
        self._questions = Questions(client, terminal)
        self._notices = Notices(terminal.above)
        self._asker = ReplAsker(terminal, self._notices.put, self._prompt.app)
        self._events = EventLines(client, self._notices.put)
        self._summary: Summary | None = None
        self._running: anyio.CancelScope | None = None
        self._typed = ""
        """The text of the next prompt that no keys wait for, as they would be joined to it."""
        self._suggested: dict[str, str] = {}
        """For each host that has failed, the command that is likely to work instead."""
        self._offered_at = 0.0
        """When the user could first read the last offer of such a command."""
        self._over: int | None = None
        """The exit status, once the session ends."""

    async def run(self) -> int:
        """Read commands until the session ends. Return the exit status."""
        with patch_stdout(raw=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._notices.run)
                tasks.start_soon(self._follow)
                tasks.start_soon(self._watch_totals)
                tasks.start_soon(answer_questions, self._client, self._asker)
                self._terminal.say(*self._notes, Text(GREETING))
                if self._recovers:
                    await offer_recovery(self._client, self._terminal)
                while self._over is None:
                    await self._turn()
                tasks.cancel_scope.cancel()
        return self._over or 0

    @property
    def is_running(self) -> bool:
        """Whether a command is running."""
        return self._running is not None

    def interrupt(self) -> None:
        """Do what Ctrl-C means while prompt_toolkit does not read the terminal."""
        app = get_app_or_none()
        if self._running is not None:
            self._running.cancel()
        elif app is not None and app.is_running and not app.is_done:
            app.exit(exception=KeyboardInterrupt)

    # -- reading ---------------------------------------------------------------------------

    async def _turn(self) -> None:
        typed = ""
        if self._typed and not has_waiting_keys(self._prompt.app.input):
            typed, self._typed = self._typed, ""
        try:
            async with self._terminal.reading:
                text = await self._prompt.prompt_async(
                    default=typed, set_exception_handler=False, handle_sigint=False
                )
        except KeyboardInterrupt:
            if not self._prompt.default_buffer.text:
                self._terminal.say(Text(HOW_TO_QUIT, style="dim"))
        except EOFError:
            if self._over is None:
                await self._step(ScriptStep("quit", 1, 1, 0))
        else:
            if not text.strip():
                if not self._typed and not self._is_typed_ahead():
                    self._typed = self._suggestion()
                return
            if text != typed:
                self._suggested.clear()
            await self._run_text(text)
            self._offered_at = time.monotonic()

    def _is_typed_ahead(self) -> bool:
        """Return whether the Enter on an empty line cannot be the answer to an offer.

        More keys may follow it at once, or it may come too soon. What was typed without knowledge
        of the offer must not be joined to the command.
        """
        is_early = time.monotonic() - self._offered_at < REACTION_TIME
        return is_early or has_waiting_keys(self._prompt.app.input)

    def _suggestion(self) -> str:
        """Return the command that changes a failed host as its hint says; each is offered once."""
        for name in list(self._suggested):
            command = shlex.split(self._suggested.pop(name))
            return join(("host", "set", name, "--", *command))
        return ""

    async def _run_text(self, text: str) -> None:
        """Run what was typed or pasted. After a failure, the rest is put at the next prompt."""
        many = len(lines_of(text.strip())) > 1
        begun = 0
        try:
            for step in steps(text):
                begun = step.start
                if many:
                    self._terminal.say(Text(f"> {'!' * step.shell}{step.line}", style="dim"))
                if not await self._step(step):
                    break
                if self._over is not None:
                    return
            else:
                return
        except BadStep as bad:
            place = lines_of(text)[bad.row - 1].rstrip("\n")
            self._terminal.say(*failure_lines(bad.failure, place, bad.column))
        if many:
            self._typed = text[begun:] + (f"\n{self._typed}" if self._typed else "")
            self._terminal.say(Text("the rest is at the prompt", style="dim"))

    # -- running ---------------------------------------------------------------------------

    async def _step(self, step: ScriptStep) -> bool:
        """Run one command to its end. Return whether it succeeded."""
        with anyio.CancelScope() as self._running:
            try:
                if step.shell:
                    return await self._shell(step.line)
                return await self._command(step.line)
            finally:
                self._running = None
        self._terminal.say(Text("\ninterrupted", style="yellow"))
        return False

    async def _command(self, line: str) -> bool:
        try:
            parsed = parse(line)
        except ParseError as error:
            self._terminal.say(*failure_lines(error.failure, line, error.column))
            return False
        if parsed is None:
            return True
        if _runs_on(parsed.call):
            self._terminal.say(Text("Ctrl-C ends it", style="dim"))
        try:
            outcome = await self._questions.run(parsed.call)
        except ControlLost:
            return False  # the end of the events says so
        if outcome is None:
            self._terminal.say(Text("nothing was changed", style="dim"))
            return False
        await self._show(parsed, outcome)
        if outcome.ended:
            self._over = outcome.status
        return outcome.ok and outcome.status == 0

    async def _show(self, parsed: ParsedLine, outcome: Outcome) -> None:
        if outcome.failure is not None:
            column = parsed.column_of(outcome.failure)
            failure = await self._events.shorten(outcome.failure)
            await self._notices.flush()
            self._terminal.say(*failure_lines(failure, parsed.text, column))
        elif outcome.message:
            self._terminal.say(Text(escape(outcome.message)))
        elif outcome.status:
            self._terminal.say(Text(f"exit status {outcome.status}", style="yellow"))

    async def _shell(self, command: str) -> bool:
        if not command:
            hint = "for example !curl -s http://127.0.42.101:8080/"
            failure = Failure("a shell command must follow the `!`", hint=hint)
            self._terminal.say(*failure_lines(failure))
            return False
        async with self._terminal.lent():
            status = await run_shell(command)
        if status:
            self._terminal.say(Text(f"exit status {status}", style="yellow"))
        return status == 0

    # -- meanwhile -------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Show events until the session ends."""
        await self._events.run(self._see)
        if self._over is None:
            self._gone()

    def _see(self, event: Event) -> None:
        if isinstance(event, HostChanged):
            self._suggest(event.host)

    def _suggest(self, host: HostStatus) -> None:
        """Offer the command that is likely to work; it waits for Enter on an empty line."""
        suggested = host.problem.instead if host.problem is not None else ""
        if host.state is HostState.FAILED and suggested:
            self._suggested[host.name] = suggested
            self._offered_at = time.monotonic()
            text = "  press Enter on an empty line to have that command at the prompt"
            self._notices.put(Text(text, style="dim"))
        else:
            self._suggested.pop(host.name, None)

    def _gone(self) -> None:
        """End the REPL after the session has ended by itself."""
        self._over = ExitCode.MESH_FAILED
        self._notices.put(Text("the session has ended", style="bold red"))
        if self._running is not None:
            self._running.cancel()
        self._asker.withdraw()
        app = self._prompt.app
        for each in (get_app_or_none(), app):
            if each is not None and each.is_running and not each.is_done:
                each.exit(exception=EOFError)

    async def _watch_totals(self) -> None:
        with contextlib.suppress(ControlLost):
            while True:
                before, self._summary = self._summary, await self._client.summary()
                if before != self._summary:
                    self._prompt.app.invalidate()
                await anyio.sleep(REFRESH)

    def _toolbar(self) -> StyleAndTextTuples:
        return toolbar(self._summary, self._terminal.width, self._mode())

    def _mode(self) -> str:
        app = self._prompt.app
        if app.editing_mode is not EditingMode.VI:
            return ""
        mode = app.vi_state.input_mode
        return "normal" if mode is InputMode.NAVIGATION else mode.value.removeprefix("vi-")


def _runs_on(call: Call) -> bool:
    """Return whether a command runs until the user ends it."""
    return "follow" in call or (call.verb.name == "stream tap" and "for" not in call)


class InteractiveRepl:
    """The REPL as the front end of a session. For the arguments see `Repl`."""

    keeps_work = True
    asks = True
    signals = (signal.SIGINT, *TERMINATING)

    def __init__(
        self, *, vi: bool = False, recovers: bool = False, notes: Iterable[Text] = ()
    ) -> None:
        self._make_repl = partial(Repl, vi=vi, recovers=recovers, notes=notes)
        self._repl: Repl | None = None

    def on_signal(self, number: signal.Signals) -> int | None:
        """SIGINT ends a command while the REPL runs; other signals end the session."""
        if number is signal.SIGINT and self._repl is not None:
            self._repl.interrupt()
            return None
        return ExitCode.OK

    async def run(self, client: Client) -> int:
        """Run the REPL until the session ends. Return the exit status."""
        screen = writers.TerminalFile(sys.stdout.fileno(), sys.stdout.encoding)
        output = create_output(stdout=cast(TextIO, screen))
        with create_app_session(output=output):
            terminal = Terminal(output, writers.painter(sys.stdout), screen.wait_drained)
            history = open_history(history_path())
            self._repl = self._make_repl(client, terminal, history)
            try:
                return await self._repl.run()
            finally:
                self._repl = None
                with anyio.CancelScope(shield=True):
                    await screen.wait_drained(_DRAIN)
