"""Questions: before a command cuts streams or loses work, and about work to recover."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.results import Outcome, Output, Question, Table
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.output.display import run_shown
from norouter_tui.output.rendering import diff_lines, failure_lines
from norouter_tui.output.units import count, seconds
from norouter_tui.repl.prompt import ask, ask_file
from norouter_tui.repl.terminal import Terminal

_YES_NO = {"y": "yes", "n": "no"}
_QUIT = {"s": "save", "k": "keep", "d": "discard", "c": "cancel"}
_NEW_FILE = "mesh.yaml"


class Questions:
    """Runs commands at a terminal, and asks the questions that they ask."""

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
        if await ask(self._terminal.reading, "[y/N]", _YES_NO, "n") == "n":
            return None
        return await self._confirmed(call)

    async def _quit(self, call: Call, question: Question) -> Outcome | None:
        self._terminal.say(Text(escape(question.text), style="bold"))
        answer = await ask(
            self._terminal.reading,
            "[s]ave, [k]eep for `recover`, [d]iscard or [c]ancel?",
            _QUIT,
            "c",
        )
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
        """Save; ask for a file if there is none yet."""
        call = build_call("save")
        if not (await self._client.summary()).document.path:
            path = await ask_file(self._terminal.reading, "save as:", _NEW_FILE)
            if not path:
                return None
            call = build_call("save", file=path)
        outcome = await run_shown(self._client, call, self._terminal)
        if outcome.ok and outcome.message:
            self._terminal.say(Text(escape(outcome.message)))
        return outcome

    async def _confirmed(self, call: Call) -> Outcome:
        return await run_shown(self._client, call, self._terminal, confirmed=True)


_ANSWERS = {"r": "recover", "l": "later", "d": "drop"}
_SHOWN = 5
"""How many commands of the ended session are shown."""

Row = Mapping[str, Any]


async def offer_recovery(client: Client, terminal: Terminal) -> None:
    """Offer to recover work on the session's file, and say whether there is more."""
    rows: Sequence[Row] = await _left(client)
    own = _absolute((await client.summary()).document.path)
    mine = next((row for row in rows if row["path"] == own), None)
    if mine is not None:
        rows = await _ask(client, terminal, mine, rows)
    if rows:
        text = f"unsaved work of {count(len(rows), 'session')}: `recover` lists it"
        terminal.say(Text(text, style="dim"))


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


async def _left(client: Client) -> list[Row]:
    found: list[Row] = []

    def take(output: Output) -> None:
        if isinstance(output, Table):
            found.extend(output.rows)

    await client.run(build_call("recover"), take)
    return found


async def _ask(client: Client, terminal: Terminal, row: Row, rows: Sequence[Row]) -> Sequence[Row]:
    """Ask about one piece of work. Return what is left after the answer."""
    where = f" to {escape(row['path'])}" if row["path"] else ""
    when = f"{seconds(row['age'])} ago"
    text = f"a session that ended left unsaved changes{where}, the last one {when}:"
    terminal.say(Text(text, style="bold"))
    names = row["names"]
    if len(names) > _SHOWN:
        terminal.say(Text(f"  ... {count(len(names) - _SHOWN, 'command')} before these"))
    terminal.say(*(Text(f"  {escape(name)}") for name in names[-_SHOWN:]))
    answer = await ask(terminal.reading, "[r]ecover, keep for [l]ater or [d]rop?", _ANSWERS, "l")
    if answer == "d":
        # Keys typed before the question appeared must not discard the work.
        answer = (
            "d" if await ask(terminal.reading, "delete it? [y/N]", _YES_NO, "n") == "y" else "l"
        )
    if answer == "l":
        return rows
    call = build_call("recover", number=row["number"], drop=answer == "d")
    outcome = await run_shown(client, call, terminal, confirmed=True)
    if outcome.failure is not None:
        terminal.say(*failure_lines(outcome.failure))
        return rows
    terminal.say(Text(escape(outcome.message)))
    return [other for other in rows if other is not row]
