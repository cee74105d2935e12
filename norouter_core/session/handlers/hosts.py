"""Verbs that do something with hosts, and leave the spec as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from norouter_core.commands.edits import EditError
from norouter_core.commands.edits.base import hosts_of
from norouter_core.commands.results import Bytes, Column, Outcome, Question, Table, Unit
from norouter_core.engine import Engine
from norouter_core.engine.status import HostState
from norouter_core.links.base import OperationError
from norouter_core.sanitize import strip_line
from norouter_core.session.handlers.base import (
    PATIENCE,
    Handler,
    Request,
    failed,
    named,
    until_ready,
    waited,
)

if TYPE_CHECKING:
    from norouter_core.session.session import Session

_PAUSE = 1.0
"""Seconds between two pings."""

_PING = (
    Column("number", "#", Unit.NUMBER),
    Column("host", "Host"),
    Column("round_trip", "Round trip", Unit.SECONDS),
)

Deed = Callable[[Engine, str], Awaitable[None]]


async def _each(
    session: Session, request: Request, *, deed: Deed, done: str, cuts: bool
) -> Outcome:
    """Does something to each of the hosts named."""
    outcome = await session.run_exclusively(_each_whole(session, request, deed, done, cuts))
    return await waited(session, request, outcome)


async def _each_whole(
    session: Session, request: Request, deed: Deed, done: str, cuts: bool
) -> Outcome:
    try:
        names = [host.name for host in hosts_of(session.spec, request.call)]
    except EditError as refusal:
        return Outcome(failure=refusal.failure)
    if cuts and not request.confirmed:
        cut = _streams_of(session, names)
        if cut:
            many = f"{len(cut)} streams" if len(cut) > 1 else "1 stream"
            return Outcome(question=Question(f"this cuts {many}: go on?", cuts=cut))
    for name in names:
        await deed(session.engine, name)
    return Outcome(message=f"{done} {', '.join(names)}", data={"hosts": names})


def _streams_of(session: Session, names: list[str]) -> tuple[int, ...]:
    streams = session.engine.status().streams
    return tuple(s.id for s in streams if s.from_host in names or s.to_host in names)


async def resolve(session: Session, request: Request) -> Outcome:
    name = request.call.get("name")
    try:
        host = named(session, request.call)
        addresses = await session.engine.resolve(host.name, name)
    except EditError as refusal:
        return Outcome(failure=refusal.failure)
    except (OperationError, KeyError) as error:
        return failed(f"{host.name} does not resolve {name}: {_reason(error)}")
    rows = tuple({"name": name, "address": strip_line(address)} for address in addresses)
    request.emit(Table("addresses", (Column("name", "Name"), Column("address", "Address")), rows))
    return Outcome(data={"addresses": [row["address"] for row in rows]})


async def ping(session: Session, request: Request) -> Outcome:
    try:
        host = named(session, request.call)
    except EditError as refusal:
        return Outcome(failure=refusal.failure)
    count: int = request.call.get("count", 4)
    trips: list[float] = []
    for number in range(1, count + 1):
        if number > 1:
            await asyncio.sleep(_PAUSE)
        try:
            trips.append(await session.engine.ping(host.name))
        except (OperationError, KeyError) as error:
            return failed(f"{host.name} does not answer: {_reason(error)}", "see `hosts`")
        row = {"number": number, "host": host.name, "round_trip": trips[-1]}
        request.emit(Table("round trips", _PING, (row,)))
    data = {"least": min(trips), "mean": sum(trips) / len(trips), "most": max(trips)}
    return Outcome(data=data)


def _reason(error: OperationError | KeyError) -> str:
    return (
        strip_line(error.reason) if isinstance(error, OperationError) else "it is no host any more"
    )


async def execute(session: Session, request: Request) -> Outcome:
    try:
        host = named(session, request.call)
    except EditError as refusal:
        return Outcome(failure=refusal.failure)

    def told(source: str, data: bytes) -> None:
        request.emit(Bytes(source, bytes(data)))

    try:
        status = await session.engine.exec(host.name, request.call.all("cmd"), told)
    except (OSError, KeyError, ValueError) as error:
        return failed(f"cannot run it on {host.name}: {error}", argument="cmd")
    return Outcome(status=status, data={"status": status})


async def wait(session: Session, request: Request) -> Outcome:
    try:
        names = [host.name for host in hosts_of(session.spec, request.call)] or None
    except EditError as refusal:
        return Outcome(failure=refusal.failure)
    timeout = request.call.get("timeout", PATIENCE)
    failure = await until_ready(session.engine, names, timeout)
    if failure is not None:
        return Outcome(failure=failure)
    states = {host.name: host.state for host in session.engine.status().hosts}
    stopped = [name for name, state in states.items() if state is HostState.STOPPED]
    for number, name in enumerate(names or ()):
        if name in stopped:
            return failed(f"{name} is stopped", f"host start {name}", "host", number)
    but = f" but {', '.join(stopped)}: stopped" if stopped else ""
    return Outcome(message=f"ready: {', '.join(names) if names else f'all of the mesh{but}'}")


ON_HOSTS: dict[str, Handler] = {
    "host restart": partial(_each, deed=Engine.restart, done="started anew:", cuts=True),
    "host stop": partial(_each, deed=Engine.stop_host, done="stopped", cuts=True),
    "host start": partial(_each, deed=Engine.start_host, done="started", cuts=False),
    "resolve": resolve,
    "ping": ping,
    "exec": execute,
    "wait": wait,
}
