"""Commands that show the mesh, its log and its file, and help."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from norouter_core.commands import help
from norouter_core.commands.filters import ALL
from norouter_core.commands.results import Diff, Lines, Outcome, Table
from norouter_core.engine.bus import Subscription
from norouter_core.engine.events import Log, StreamClosed, StreamOpened
from norouter_core.engine.status import SERVED, ListenerStatus, StreamStatus
from norouter_core.session import tables
from norouter_core.session.handlers.base import Handler, Request, requested_host
from norouter_core.session.workspace import LogLines, Workspace

_LOG_LINES = 50
_MAX_LISTENERS = 2000
"""Listeners that `ports` shows without being asked for all."""
_TABLE_ROWS = 2000
"""Rows of a table that are made in one turn of the loop, and sent as one answer."""


async def status(session: Workspace, request: Request) -> Outcome:
    request.emit(tables.status_table(await session.summary()))
    return Outcome()


async def hosts(session: Workspace, request: Request) -> Outcome:
    request.emit(tables.host_table(session.engine.status(), session.latest.get().hosts))
    return Outcome()


async def ports(session: Workspace, request: Request) -> Outcome:
    name = ""
    if "host" in request.call:
        name = requested_host(session, request.call).name
    shows_all = "all" in request.call
    found: list[ListenerStatus] = []
    for listeners in session.engine.listeners():
        # DNS is left out if it works: every VIP has it.
        found += (
            each
            for each in listeners
            if (not name or each.to_host == name)
            and (shows_all or each.service != "dns" or each.note)
        )
        # A large mesh has hundreds of thousands of them.
        await asyncio.sleep(0)
    local = {host.name for host, _ in session.engine.host_states() if host.is_local}
    shown = found
    if not shows_all and len(found) > _MAX_LISTENERS:
        shown = [x for x in found if x.state not in SERVED or x.on_host in (local or {x.to_host})]
    for at in range(0, max(1, len(shown)), _TABLE_ROWS):
        request.emit(tables.port_table(shown[at : at + _TABLE_ROWS]))
        await asyncio.sleep(0)
    if more := len(found) - len(shown):
        where = "this machine" if local else "their own hosts"
        text = f"as served on {where}; {more} more listeners of other hosts work: ports --all"
        return Outcome(message=text)
    return Outcome()


async def routes(session: Workspace, request: Request) -> Outcome:
    request.emit(tables.route_table(session.spec))
    return Outcome()


async def streams(session: Workspace, request: Request) -> Outcome:
    """Show the open streams; with `--follow`, then each as it opens and as it closes."""
    wanted = request.call.get("filter", ALL)
    if wanted.needs_rates:
        await session.latest.get_measured()

    def table(found: Iterable[StreamStatus]) -> Table:
        return tables.stream_table(found, session.latest.get().streams, wanted)

    if "follow" not in request.call:
        request.emit(table(session.engine.status().streams))
        return Outcome()
    with _subscribed(session, streams=True) as events:
        request.emit(table(session.engine.status().streams))
        async for event in events:
            if isinstance(event, StreamOpened | StreamClosed):
                one = table([event.stream])
                if one.rows:
                    request.emit(one)
    return Outcome()


@contextmanager
def _subscribed(session: Workspace, *, streams: bool = False) -> Iterator[Subscription]:
    events = session.subscribe(streams=streams)
    try:
        yield events
    finally:
        session.unsubscribe(events)


async def log(session: Workspace, request: Request) -> Outcome:
    """Show the end of the log; with `--follow`, then each new line.

    The host can be one that is no longer in the mesh: its lines are still there.
    """
    wanted = request.call.get("host", "")
    host = session.spec.host(wanted)
    name = host.name if host is not None else wanted
    known = {line.host for line in session.log}
    if name and host is None and name not in known:
        requested_host(session, request.call)

    def of_host(lines: Iterable[Log]) -> list[Log]:
        return [line for line in lines if not name or line.host == name]

    def emit_last() -> None:
        shown = of_host(session.log)[-request.call.get("lines", _LOG_LINES) :]
        request.emit(tables.log_table(shown))

    if "follow" not in request.call:
        emit_last()
        return Outcome()
    with _subscribed(session) as events:
        emit_last()
        lines = LogLines()
        async for event in events:
            line = lines.read(event)
            if line is not None and of_host([line]):
                request.emit(tables.log_table([line]))
    return Outcome()


async def diff(session: Workspace, request: Request) -> Outcome:
    text = await asyncio.to_thread(session.document.diff, session.spec)
    request.emit(Diff(text))
    return Outcome(message="" if text else "there are no unsaved changes")


async def export(session: Workspace, request: Request) -> Outcome:
    text = await asyncio.to_thread(session.document.render, session.spec)
    request.emit(Lines(text.rstrip("\n")))
    return Outcome()


async def give_help(session: Workspace, request: Request) -> Outcome:
    if "markdown" in request.call:
        request.emit(Lines(help.markdown().rstrip("\n")))
        return Outcome()
    words = request.call.all("verb")
    found = help.help_text(words)
    if not isinstance(found, str):
        return Outcome(failure=help.unknown(words))
    request.emit(Lines(found))
    return Outcome()


QUERIES: dict[str, Handler] = {
    "status": status,
    "hosts": hosts,
    "ports": ports,
    "routes": routes,
    "streams": streams,
    "log": log,
    "diff": diff,
    "export": export,
    "help": give_help,
}
