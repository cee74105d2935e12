"""The columns of everything that is listed, and the tables that commands return.

A column is one row here: its key in JSON, its title, its value, and how it sorts. The REPL,
`norouter ctl` and the screen all show these.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from norouter_core.commands.filters import ALL, Filter, origin
from norouter_core.commands.results import Column, Table, Unit
from norouter_core.engine.events import Log
from norouter_core.engine.status import (
    HostStatus,
    ListenerStatus,
    Status,
    StreamState,
    StreamStatus,
)
from norouter_core.model import MeshSpec, Route
from norouter_core.session.autosave import Recovery
from norouter_core.session.client import Rate, Summary

R = TypeVar("R")
Rates = Mapping[Any, Rate]

JSON_ONLY = 9
"""The rank of what tables leave out; it is in the JSON rows."""


@dataclass(frozen=True, slots=True)
class TableColumn(Generic[R]):
    """One column of a table whose rows are made from `R`.

    `value` returns a JSON value. `sort` returns what rows are sorted by, if not the value. The
    larger the `rank`, the sooner a narrow screen drops the column.
    """

    key: str
    title: str
    value: Callable[[R], Any]
    unit: Unit = Unit.TEXT
    rank: int = 0
    sort: Callable[[R], Any] | None = None

    @property
    def column(self) -> Column:
        return Column(self.key, self.title, self.unit)

    def sort_key(self, row: R) -> Any:
        return self.sort(row) if self.sort is not None else self.value(row)


@dataclass(frozen=True, slots=True)
class HostRow:
    status: HostStatus
    rate: Rate = field(default_factory=Rate)


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream; `age` is in seconds."""

    status: StreamStatus
    rate: Rate
    age: float


@dataclass(frozen=True, slots=True)
class RouteRow:
    number: int
    route: Route


def _measured(rate: Rate) -> float | None:
    """Return the bytes per second both ways; None if they are not measured yet."""
    return rate.total if rate.history else None


def _problem(row: HostRow, name: str, default: Any) -> Any:
    problem = row.status.problem
    return default if problem is None else getattr(problem, name)


_STATES = list(StreamState)

HOSTS: tuple[TableColumn[HostRow], ...] = (
    TableColumn("state", "State", lambda r: r.status.state.value, Unit.STATE),
    TableColumn("name", "Host", lambda r: r.status.name),
    TableColumn("vip", "VIP", lambda r: r.status.vip, rank=2),
    TableColumn("round_trip", "Round trip", lambda r: r.status.round_trip, Unit.SECONDS, 3),
    TableColumn("bytes_in", "In", lambda r: r.status.bytes_in, Unit.BYTES, 4),
    TableColumn("bytes_out", "Out", lambda r: r.status.bytes_out, Unit.BYTES, 4),
    TableColumn("rate", "Rate", lambda r: _measured(r.rate), Unit.RATE, 3),
    TableColumn("streams", "Streams", lambda r: r.status.streams, Unit.NUMBER, 5),
    TableColumn("command", "Command", lambda r: r.status.command, rank=6),
    TableColumn("note", "Note", lambda r: _problem(r, "message", r.status.sending), rank=1),
    TableColumn("hint", "Hint", lambda r: _problem(r, "hint", ""), rank=JSON_ONLY),
    TableColumn("stderr", "Stderr", lambda r: list(_problem(r, "stderr", ())), rank=JSON_ONLY),
    TableColumn("agent", "Agent", lambda r: r.status.agent, rank=JSON_ONLY),
    TableColumn("since", "Since", lambda r: r.status.since, rank=JSON_ONLY),
    TableColumn("attempt", "Attempt", lambda r: r.status.attempt, Unit.NUMBER, JSON_ONLY),
    TableColumn("retry_in", "Retry in", lambda r: r.status.retry_in, Unit.SECONDS, JSON_ONLY),
)

PORTS: tuple[TableColumn[ListenerStatus], ...] = (
    TableColumn("state", "State", lambda r: r.state.value, Unit.STATE, 1),
    TableColumn("address", "Listens at", lambda r: r.bound or r.listen),
    TableColumn("on_host", "On", lambda r: r.on_host, rank=3),
    TableColumn("to_host", "To", lambda r: r.to_host),
    TableColumn("target", "Target", lambda r: r.target, rank=2),
    TableColumn("note", "Note", lambda r: r.note, rank=1),
    TableColumn("listen", "Listen", lambda r: r.listen, rank=JSON_ONLY),
    TableColumn("bound", "Bound", lambda r: r.bound, rank=JSON_ONLY),
)

ROUTES: tuple[TableColumn[RouteRow], ...] = (
    TableColumn("number", "#", lambda r: r.number, Unit.NUMBER),
    TableColumn("via", "Via", lambda r: r.route.via),
    TableColumn("to", "To", lambda r: ", ".join(r.route.to)),
    TableColumn(
        "not_to",
        "Not to",
        lambda r: ", ".join(r.route.not_to),
        rank=2,
        sort=lambda r: r.route.not_to,
    ),
)

STREAMS: tuple[TableColumn[StreamRow], ...] = (
    TableColumn("id", "#", lambda r: r.status.id, Unit.NUMBER, 1),
    TableColumn("from_host", "From", lambda r: r.status.from_host),
    TableColumn("to_host", "To", lambda r: r.status.to_host),
    TableColumn("target", "Target", lambda r: r.status.target, rank=4),
    TableColumn("by", "By", lambda r: origin(r.status), rank=8),
    TableColumn(
        "state",
        "State",
        lambda r: r.status.state.value,
        Unit.STATE,
        rank=5,
        sort=lambda r: _STATES.index(r.status.state),
    ),
    TableColumn("bytes_sent", "Sent", lambda r: r.status.bytes_sent, Unit.BYTES, 6),
    TableColumn("bytes_received", "Received", lambda r: r.status.bytes_received, Unit.BYTES, 6),
    TableColumn(
        "rate", "Rate", lambda r: _measured(r.rate), Unit.RATE, 7, sort=lambda r: r.rate.total
    ),
    TableColumn("age", "Age", lambda r: r.age, Unit.SECONDS, 3),
    TableColumn("peer", "Client", lambda r: r.status.peer, rank=8),
    TableColumn("listener", "Came in at", lambda r: r.status.listener, rank=JSON_ONLY),
    TableColumn("direct", "Direct", lambda r: r.status.direct, rank=JSON_ONLY),
    TableColumn("sent_rate", "Sent/s", lambda r: r.rate.sent, Unit.RATE, JSON_ONLY),
    TableColumn("received_rate", "Received/s", lambda r: r.rate.received, Unit.RATE, JSON_ONLY),
    TableColumn("opened", "Opened", lambda r: r.status.opened, rank=JSON_ONLY),
    TableColumn("reason", "Reason", lambda r: r.status.reason, rank=JSON_ONLY),
)
_DETAILS = ("listener", "direct")
"""What the table of one stream shows as well."""

LOG: tuple[TableColumn[Log], ...] = (
    TableColumn("clock", "Time", lambda r: time.strftime("%H:%M:%S", time.localtime(r.at))),
    TableColumn("level", "Level", lambda r: r.level),
    TableColumn("host", "Host", lambda r: r.host),
    TableColumn("text", "Text", lambda r: r.text),
    TableColumn("at", "At", lambda r: r.at, rank=JSON_ONLY),
)

STATUS: tuple[TableColumn[Summary], ...] = (
    TableColumn("ready", "Ready", lambda r: r.ready, Unit.NUMBER),
    TableColumn("hosts", "Hosts", lambda r: r.hosts, Unit.NUMBER),
    TableColumn("failed", "Failed", lambda r: r.failed, Unit.NUMBER),
    TableColumn("streams", "Streams", lambda r: r.streams, Unit.NUMBER),
    TableColumn("sent", "Sent", lambda r: r.rate.sent if r.rate.history else None, Unit.RATE),
    TableColumn(
        "received", "Received", lambda r: r.rate.received if r.rate.history else None, Unit.RATE
    ),
    TableColumn("file", "File", lambda r: r.document.path),
    TableColumn("unsaved", "Unsaved", lambda r: r.document.unsaved),
    TableColumn("undo", "Undo", lambda r: r.document.undo, rank=JSON_ONLY),
    TableColumn("redo", "Redo", lambda r: r.document.redo, rank=JSON_ONLY),
)

_RECOVERIES: tuple[TableColumn[tuple[int, Recovery]], ...] = (
    TableColumn("number", "#", lambda r: r[0], Unit.NUMBER),
    TableColumn("age", "Age", lambda r: max(0.0, time.time() - r[1].when), Unit.SECONDS),
    TableColumn("path", "File", lambda r: r[1].path),
    TableColumn("hosts", "Hosts", lambda r: ", ".join(host.name for host in r[1].spec.hosts)),
    TableColumn("commands", "Commands", lambda r: "; ".join(r[1].names[-3:])),
    TableColumn("when", "When", lambda r: r[1].when, rank=JSON_ONLY),
    TableColumn("names", "Names", lambda r: list(r[1].names), rank=JSON_ONLY),
)


def make_table(
    name: str, columns: Sequence[TableColumn[R]], rows: Iterable[R], also: Sequence[str] = ()
) -> Table:
    """Return the table of some rows.

    Args:
        also: Keys of columns to show although they are for JSON only.
    """
    shown = (each.column for each in columns if each.rank != JSON_ONLY or each.key in also)
    values = ({each.key: each.value(row) for each in columns} for row in rows)
    return Table(name, tuple(shown), tuple(values))


def host_table(status: Status, rates: Rates) -> Table:
    rows = (HostRow(host, rates.get(host.name, Rate())) for host in status.hosts)
    return make_table("hosts", HOSTS, rows)


def port_table(listeners: Iterable[ListenerStatus]) -> Table:
    return make_table("ports", PORTS, listeners)


def route_table(spec: MeshSpec) -> Table:
    rows = (RouteRow(number, route) for number, route in enumerate(spec.routes, 1))
    return make_table("routes", ROUTES, rows)


def stream_table(
    streams: Iterable[StreamStatus], rates: Rates, wanted: Filter = ALL, now: float = 0.0
) -> Table:
    """Return the streams that match a filter. With `now` 0, ages are as of this moment."""
    return make_table("streams", STREAMS, stream_rows(streams, rates, wanted, now))


def stream_rows(
    streams: Iterable[StreamStatus], rates: Rates, wanted: Filter = ALL, now: float = 0.0
) -> list[StreamRow]:
    now = now or time.time()
    rows = (StreamRow(s, rates.get(s.id, Rate()), max(0.0, now - s.opened)) for s in streams)
    return [row for row in rows if wanted.matches(row.status, row.rate.total, now)]


def stream_details(stream: StreamStatus, rate: Rate | None) -> Table:
    """Return everything about one stream."""
    row = StreamRow(stream, rate or Rate(), max(0.0, time.time() - stream.opened))
    return make_table("stream", STREAMS, [row], _DETAILS)


def log_table(lines: Iterable[Log]) -> Table:
    return make_table("log", LOG, lines)


def status_table(summary: Summary) -> Table:
    return make_table("status", STATUS, [summary])


def recovery_table(found: Iterable[Recovery]) -> Table:
    return make_table("unsaved work", _RECOVERIES, enumerate(found, 1))


def address_table(name: str, addresses: Iterable[str]) -> Table:
    columns: Sequence[TableColumn[str]] = (
        TableColumn("name", "Name", lambda _: name),
        TableColumn("address", "Address", lambda address: address),
    )
    return make_table("addresses", columns, addresses)


def ping_table(number: int, host: str, seconds: float) -> Table:
    columns: Sequence[TableColumn[float]] = (
        TableColumn("number", "#", lambda _: number, Unit.NUMBER),
        TableColumn("host", "Host", lambda _: host),
        TableColumn("round_trip", "Round trip", lambda trip: trip, Unit.SECONDS),
    )
    return make_table("round trips", columns, [seconds])
