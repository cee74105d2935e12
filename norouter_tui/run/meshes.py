"""The meshes of this user that run: which of them is meant, and how they stand."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import anyio
import click
from rich.text import Text

from norouter_core.commands.results import Column, Table, Unit
from norouter_core.control import ControlLost, RunningMesh, discover
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.display import Display, StreamSink

_COLUMNS = (
    Column("pid", "PID", Unit.NUMBER),
    Column("name", "Name"),
    Column("age", "Age", Unit.SECONDS),
    Column("hosts", "Hosts", Unit.NUMBER),
    Column("ready", "Ready", Unit.NUMBER),
    Column("streams", "Streams", Unit.NUMBER),
    Column("manifest", "Manifest"),
)


def show_engines(*, as_json: bool) -> int:
    """`norouter ps`: the meshes that run, on stdout."""
    engines = anyio.run(discover)
    table = Table("meshes that run", _COLUMNS, tuple(map(_row, engines)))
    Display(StreamSink(), as_json=as_json)(table)
    for engine in engines:
        if engine.trouble:
            click.echo(f"norouter: {engine.pid}: {escape(engine.trouble)}", err=True)
    return ExitCode.OK


def _row(engine: RunningMesh) -> dict[str, object]:
    summary = engine.summary
    row: dict[str, object] = {
        "pid": engine.pid,
        "name": engine.name,
        "age": max(0.0, time.time() - engine.started) if engine.started else None,
        "started": engine.started or None,
        "manifest": engine.manifest,
        "socket": str(engine.path),
        "answers": summary is not None,
    }
    if summary is not None:
        row["unsaved"] = summary.document.unsaved
        for key in ("hosts", "ready", "failed", "streams"):
            row[key] = getattr(summary, key)
    return row


async def choose(wanted: str | None) -> RunningMesh:
    """The engine that `wanted` names, by its name, its manifest or its process id; the only one
    that runs, where that is None.

    Raises:
        click.ClickException: there is none such, or several could be meant.
    """
    engines = await discover()
    found = [engine for engine in engines if wanted is None or is_called(engine, wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"Several meshes run: name one, by its PID.\n{listed(found)}")
    if wanted is None:
        raise click.ClickException("No mesh of yours runs. To bring one up: norouter run FILE")
    more = f" These run:\n{listed(engines)}" if engines else " None runs."
    raise click.ClickException(f"No mesh of yours is {escape(wanted)}.{more}")


def is_called(engine: RunningMesh, wanted: str) -> bool:
    """Whether an engine may be meant."""
    if wanted.isdecimal() and engine.pid == int(wanted):
        return True
    if engine.manifest and os.path.realpath(wanted) == os.path.realpath(engine.manifest):
        return True
    return wanted.casefold() == engine.name.casefold()


def lost_line(engine: RunningMesh, lost: ControlLost) -> Text:
    """That there is no talking to an engine (any more)."""
    return Text(f"norouter: {escape(engine.name)}: {escape(str(lost))}", style="bold red")


def listed(engines: Sequence[RunningMesh]) -> str:
    """Engines, a line each."""
    return "\n".join(
        f"  {engine.pid}  {escape(engine.name)}  {escape(engine.manifest)}".rstrip()
        for engine in engines
    )
