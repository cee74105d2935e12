"""Status, spec and log as tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from norouter_core.commands.filters import ALL, Filter, way
from norouter_core.commands.results import Column, Table, Unit
from norouter_core.model import MeshSpec

if TYPE_CHECKING:
    from norouter_core.engine.events import Log
    from norouter_core.engine.status import HostStatus, Status, StreamStatus
    from norouter_core.session.client import Rate, Summary

_HOSTS = (
    Column("state", "State", Unit.STATE),
    Column("name", "Host"),
    Column("vip", "VIP"),
    Column("round_trip", "Round trip", Unit.SECONDS),
    Column("bytes_in", "In", Unit.BYTES),
    Column("bytes_out", "Out", Unit.BYTES),
    Column("rate", "Rate", Unit.RATE),
    Column("streams", "Streams", Unit.NUMBER),
    Column("command", "Command"),
    Column("note", "Note"),
)
_PORTS = (
    Column("state", "State", Unit.STATE),
    Column("address", "Listens at"),
    Column("on_host", "On"),
    Column("to_host", "To"),
    Column("target", "Target"),
    Column("note", "Note"),
)
_ROUTES = (
    Column("number", "#", Unit.NUMBER),
    Column("via", "Via"),
    Column("to", "To"),
    Column("not_to", "Not to"),
)
_STREAMS = (
    Column("id", "#", Unit.NUMBER),
    Column("from_host", "From"),
    Column("to_host", "To"),
    Column("target", "Target"),
    Column("by", "By"),
    Column("state", "State", Unit.STATE),
    Column("bytes_sent", "Sent", Unit.BYTES),
    Column("bytes_received", "Received", Unit.BYTES),
    Column("rate", "Rate", Unit.RATE),
    Column("age", "Age", Unit.SECONDS),
    Column("peer", "Client"),
)
_MORE = (Column("listener", "Came in at"), Column("direct", "Direct"))
_LOG = (
    Column("clock", "Time"),
    Column("level", "Level"),
    Column("host", "Host"),
    Column("text", "Text"),
)
_STATUS = (
    Column("ready", "Ready", Unit.NUMBER),
    Column("hosts", "Hosts", Unit.NUMBER),
    Column("failed", "Failed", Unit.NUMBER),
    Column("streams", "Streams", Unit.NUMBER),
    Column("sent", "Sent", Unit.RATE),
    Column("received", "Received", Unit.RATE),
    Column("file", "File"),
    Column("saved", "Saved"),
)

Rates = Mapping[Any, "Rate"]


def host_table(status: Status, rates: Rates) -> Table:
    return Table("hosts", _HOSTS, tuple(_host(host, rates.get(host.name)) for host in status.hosts))


def port_table(status: Status, host: str = "", *, everything: bool = False) -> Table:
    """The listeners; those for one host alone, if it is named. Those of DNS, of which every vip has
    two on every host, are among them with `everything`, or where something is wrong with them."""
    rows = (
        {
            "state": x.state.value,
            "address": x.bound or x.listen,
            "listen": x.listen,
            "bound": x.bound,
            "on_host": x.on_host,
            "to_host": x.to_host,
            "target": x.target,
            "note": x.note,
        }
        for x in status.listeners
        if (not host or x.to_host == host) and (everything or x.service != "dns" or x.note)
    )
    return Table("ports", _PORTS, tuple(rows))


def route_table(spec: MeshSpec) -> Table:
    rows = (
        {"number": n, "via": r.via, "to": ", ".join(r.to), "not_to": ", ".join(r.not_to)}
        for n, r in enumerate(spec.routes, 1)
    )
    return Table("routes", _ROUTES, tuple(rows))


def stream_table(
    streams: Iterable[StreamStatus], rates: Rates, wanted: Filter = ALL, now: float = 0.0
) -> Table:
    """The streams that a filter lets through. `now`: seconds since the epoch; 0 asks the clock."""
    now = now or time.time()
    rows = (
        _stream(stream, rates.get(stream.id), now)
        for stream in streams
        if wanted.matches(stream, rates.get(stream.id), now)
    )
    return Table("streams", _STREAMS, tuple(rows))


def one_stream(stream: StreamStatus, rate: Rate | None) -> Table:
    """All that is known of a stream, a row for each thing; `stream_table` for a program."""
    row = _stream(stream, rate, time.time())
    return Table("stream", (*_STREAMS, *_MORE), (row,))


def log_table(lines: Iterable[Log]) -> Table:
    rows = (
        {
            "clock": time.strftime("%H:%M:%S", time.localtime(line.at)),
            "at": line.at,
            "level": line.level,
            "host": line.host,
            "text": line.text,
        }
        for line in lines
    )
    return Table("log", _LOG, tuple(rows))


def status_table(summary: Summary) -> Table:
    row = {
        "ready": summary.ready,
        "hosts": summary.hosts,
        "failed": summary.failed,
        "streams": summary.streams,
        "sent": summary.rate.sent if summary.rate.history else None,
        "received": summary.rate.received if summary.rate.history else None,
        "file": summary.document.path,
        "saved": "no" if summary.document.unsaved else "yes",
        "unsaved": summary.document.unsaved,
        "undo": summary.document.undo,
        "redo": summary.document.redo,
    }
    return Table("status", _STATUS, (row,))


def _now(rate: Rate | None) -> float | None:
    """Bytes per second; None where it has yet to be measured."""
    return rate.total if rate is not None and rate.history else None


def _host(host: HostStatus, rate: Rate | None) -> dict[str, Any]:
    problem = host.problem
    return {
        "state": host.state.value,
        "name": host.name,
        "vip": host.vip,
        "round_trip": host.round_trip,
        "bytes_in": host.bytes_in,
        "bytes_out": host.bytes_out,
        "rate": _now(rate),
        "streams": host.streams,
        "command": host.command,
        "note": problem.message if problem is not None else "",
        "hint": problem.hint if problem is not None else "",
        "stderr": list(problem.stderr) if problem is not None else [],
        "agent": host.agent,
        "since": host.since,
        "attempt": host.attempt,
        "retry_in": host.retry_in,
    }


def _stream(stream: StreamStatus, rate: Rate | None, now: float) -> dict[str, Any]:
    return {
        "id": stream.id,
        "from_host": stream.from_host,
        "to_host": stream.to_host,
        "target": stream.target,
        "by": way(stream),
        "state": stream.state.value,
        "bytes_sent": stream.bytes_sent,
        "bytes_received": stream.bytes_received,
        "rate": _now(rate),
        "age": max(0.0, now - stream.opened),
        "peer": stream.peer,
        "listener": stream.listener,
        "opened": stream.opened,
        "direct": stream.direct,
        "reason": stream.reason,
    }
