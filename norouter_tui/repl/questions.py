"""Questions: what a command would cut or lose, asked before it does."""

from __future__ import annotations

from rich.text import Text

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.results import Outcome, Question
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.output.display import run_shown
from norouter_tui.output.rendering import diff_lines
from norouter_tui.repl.prompt import ask, ask_file
from norouter_tui.repl.terminal import Terminal

_YES_NO = {"y": "yes", "n": "no"}
_QUIT = {"s": "save", "k": "keep", "d": "discard", "c": "cancel"}
_NEW_FILE = "mesh.yaml"


class Questions:
    """Runs commands at a terminal: asks what they ask, and has done what was agreed to."""

    def __init__(self, client: Client, terminal: Terminal) -> None:
        self._client = client
        self._terminal = terminal

    async def run(self, call: Call) -> Outcome | None:
        """Run a command, which may ask. Return how it ended; None if the user did not want it."""
        outcome = await run_shown(self._client, call, self._terminal)
        question = outcome.question
        if question is None:
            return outcome
        if question.diff:
            self._terminal.say(*diff_lines(question.diff))
        if call.verb.name == "quit" and (await self._client.summary()).document.unsaved:
            return await self._quit(call, question)
        self._terminal.say(Text(escape(question.text), style="bold"))
        if await ask("[y/N]", _YES_NO, "n") == "n":
            return None
        return await self._confirmed(call)

    async def _quit(self, call: Call, question: Question) -> Outcome | None:
        self._terminal.say(Text(escape(question.text), style="bold"))
        answer = await ask("[s]ave, [k]eep for `recover`, [d]iscard or [c]ancel?", _QUIT, "c")
        if answer == "c":
            return None
        if answer == "d":
            return await self._confirmed(build_call("quit", discard=True))
        if answer == "s":
            saved = await self._save()
            if saved is None or not saved.ok:
                return saved
        return await self._confirmed(call)

    async def _save(self) -> Outcome | None:
        """Saves, to a file that is asked for where there is none yet."""
        call = build_call("save")
        if not (await self._client.summary()).document.path:
            path = await ask_file("save as:", _NEW_FILE)
            if not path:
                return None
            call = build_call("save", file=path)
        outcome = await run_shown(self._client, call, self._terminal)
        if outcome.ok and outcome.message:
            self._terminal.say(Text(escape(outcome.message)))
        return outcome

    async def _confirmed(self, call: Call) -> Outcome:
        return await run_shown(self._client, call, self._terminal, confirmed=True)
