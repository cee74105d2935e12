"""Unsaved work that an earlier session has left, offered when the REPL starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from norouter_core.commands.call import build_call
from norouter_core.commands.results import Output, Table
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.output.display import run_shown
from norouter_tui.output.rendering import failure_lines
from norouter_tui.output.units import count, seconds
from norouter_tui.repl.prompt import ask
from norouter_tui.repl.terminal import Terminal

_ANSWERS = {"r": "recover", "l": "later", "d": "drop"}
_YES_NO = {"y": "yes", "n": "no"}
_SHOWN = 5
"""Commands of the lost session that are shown."""

Row = Mapping[str, Any]


async def offer_recovery(client: Client, terminal: Terminal) -> None:
    """Asks whether to bring back the work on the session's own file; says whether there is more."""
    rows: Sequence[Row] = await _left(client)
    own = _absolute((await client.summary()).document.path)
    mine = next((row for row in rows if row["path"] == own), None)
    if mine is not None:
        rows = await _ask(client, terminal, mine, rows)
    if rows:
        told = f"unsaved work of {count(len(rows), 'session')}: `recover` lists it"
        terminal.say(Text(told, style="dim"))


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
    """What is left after the answer."""
    where = f" to {escape(row['path'])}" if row["path"] else ""
    when = f"{seconds(row['age'])} ago"
    told = f"a session that has ended left unsaved changes{where}, the last one {when}:"
    terminal.say(Text(told, style="bold"))
    names = row["names"]
    if len(names) > _SHOWN:
        terminal.say(Text(f"  ... {count(len(names) - _SHOWN, 'command')} before these"))
    terminal.say(*(Text(f"  {escape(name)}") for name in names[-_SHOWN:]))
    answer = await ask("[r]ecover, keep for [l]ater or [d]rop?", _ANSWERS, "l")
    if answer == "d":
        # What was typed before the question stood there must not be what loses the work.
        answer = "d" if await ask("drop it for good? [y/N]", _YES_NO, "n") == "y" else "l"
    if answer == "l":
        return rows
    call = build_call("recover", number=row["number"], drop=answer == "d")
    outcome = await run_shown(client, call, terminal, confirmed=True)
    if outcome.failure is not None:
        terminal.say(*failure_lines(outcome.failure))
        return rows
    terminal.say(Text(escape(outcome.message)))
    return [other for other in rows if other is not row]
