"""Verbs that look at the mesh."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from norouter_core.commands import listing, manual
from norouter_core.commands.edits import Refusal
from norouter_core.commands.filters import ALL
from norouter_core.commands.outcome import Diff, Lines, Outcome
from norouter_core.engine.events import Log
from norouter_core.session.handlers.base import Handler, Request, named, refused

if TYPE_CHECKING:
    from norouter_core.session.session import Session

_LINES = 50


async def status(session: Session, request: Request) -> Outcome:
    request.emit(listing.status_table(await session.summary()))
    return Outcome()


async def hosts(session: Session, request: Request) -> Outcome:
    request.emit(listing.host_table(session.engine.status(), session.sampler.glance().hosts))
    return Outcome()


async def ports(session: Session, request: Request) -> Outcome:
    name = ""
    if "host" in request.call:
        try:
            name = named(session, request.call).name
        except Refusal as refusal:
            return refused(request.call, refusal)
    request.emit(listing.port_table(session.engine.status(), name))
    return Outcome()


async def routes(session: Session, request: Request) -> Outcome:
    request.emit(listing.route_table(session.spec))
    return Outcome()


async def streams(session: Session, request: Request) -> Outcome:
    wanted = request.call.get("filter", ALL)
    if wanted.needs_rates:
        await _measured(session)
    found = session.engine.status().streams
    request.emit(listing.stream_table(found, session.sampler.glance().streams, wanted))
    return Outcome()


async def _measured(session: Session) -> None:
    """Waits until rates are known, which they are at once where somebody has looked before."""
    with session.sampler.subscribe() as snapshots:
        async for snapshot in snapshots:
            if snapshot.total.history:
                return


async def log(session: Session, request: Request) -> Outcome:
    """The end of the ring; then what comes, where `--follow` is said. A host that is no longer in
    the mesh may be named: its lines are still there."""
    wanted = request.call.get("host", "")
    host = session.spec.host(wanted)
    name = host.name if host is not None else wanted
    known = {line.host for line in session.log}
    if name and host is None and name not in known:
        try:
            named(session, request.call)
        except Refusal as refusal:
            return refused(request.call, refusal)

    def of_host(lines: Iterable[Log]) -> list[Log]:
        return [line for line in lines if not name or line.host == name]

    events = session.subscribe(streams=False) if "follow" in request.call else None
    try:
        shown = of_host(session.log)[-request.call.get("lines", _LINES) :]
        request.emit(listing.log_table(shown))
        if events is not None:
            async for event in events:
                if isinstance(event, Log) and of_host([event]):
                    request.emit(listing.log_table([event]))
    finally:
        if events is not None:
            session.unsubscribe(events)
    return Outcome()


async def diff(session: Session, request: Request) -> Outcome:
    text = session.document.diff(session.spec)
    request.emit(Diff(text))
    return Outcome(message="" if text else "nothing is unsaved")


async def export(session: Session, request: Request) -> Outcome:
    request.emit(Lines(session.document.render(session.spec).rstrip("\n")))
    return Outcome()


async def give_help(session: Session, request: Request) -> Outcome:
    if "markdown" in request.call:
        request.emit(Lines(manual.markdown().rstrip("\n")))
        return Outcome()
    words = request.call.all("verb")
    found = manual.about(words)
    if not isinstance(found, str):
        column = request.call.column("verb")
        return Outcome(failure=manual.unknown(words, column))
    request.emit(Lines(found))
    return Outcome()


LOOKS: dict[str, Handler] = {
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
