"""Verbs that look at the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from norouter_core.commands import help, listing
from norouter_core.commands.edits import EditError
from norouter_core.commands.filters import ALL
from norouter_core.commands.results import Diff, Lines, Outcome, Table
from norouter_core.engine import Subscription
from norouter_core.engine.events import Log, StreamClosed, StreamOpened
from norouter_core.engine.status import StreamStatus
from norouter_core.session.handlers.base import Handler, Request, named

if TYPE_CHECKING:
    from norouter_core.session.session import Session

_LINES = 50


async def status(session: Session, request: Request) -> Outcome:
    request.emit(listing.status_table(await session.summary()))
    return Outcome()


async def hosts(session: Session, request: Request) -> Outcome:
    request.emit(listing.host_table(session.engine.status(), session.latest.get().hosts))
    return Outcome()


async def ports(session: Session, request: Request) -> Outcome:
    name = ""
    if "host" in request.call:
        try:
            name = named(session, request.call).name
        except EditError as refusal:
            return Outcome(failure=refusal.failure)
    everything = "all" in request.call
    request.emit(listing.port_table(session.engine.status(), name, everything=everything))
    return Outcome()


async def routes(session: Session, request: Request) -> Outcome:
    request.emit(listing.route_table(session.spec))
    return Outcome()


async def streams(session: Session, request: Request) -> Outcome:
    """Those that are open; then each as it opens and as it closes, where `--follow` is said."""
    wanted = request.call.get("filter", ALL)
    if wanted.needs_rates:
        await session.latest.get_measured()

    def table(found: Iterable[StreamStatus]) -> Table:
        return listing.stream_table(found, session.latest.get().streams, wanted)

    if "follow" not in request.call:
        request.emit(table(session.engine.status().streams))
        return Outcome()
    with _following(session, streams=True) as events:
        request.emit(table(session.engine.status().streams))
        async for event in events:
            if isinstance(event, StreamOpened | StreamClosed):
                one = table([event.stream])
                if one.rows:
                    request.emit(one)
    return Outcome()


@contextmanager
def _following(session: Session, *, streams: bool = False) -> Iterator[Subscription]:
    events = session.subscribe(streams=streams)
    try:
        yield events
    finally:
        session.unsubscribe(events)


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
        except EditError as refusal:
            return Outcome(failure=refusal.failure)

    def of_host(lines: Iterable[Log]) -> list[Log]:
        return [line for line in lines if not name or line.host == name]

    def tell_last() -> None:
        shown = of_host(session.log)[-request.call.get("lines", _LINES) :]
        request.emit(listing.log_table(shown))

    if "follow" not in request.call:
        tell_last()
        return Outcome()
    with _following(session) as events:
        tell_last()
        async for event in events:
            if isinstance(event, Log) and of_host([event]):
                request.emit(listing.log_table([event]))
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
        request.emit(Lines(help.markdown().rstrip("\n")))
        return Outcome()
    words = request.call.all("verb")
    found = help.about(words)
    if not isinstance(found, str):
        return Outcome(failure=help.unknown(words))
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
