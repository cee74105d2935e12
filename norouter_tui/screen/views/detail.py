"""The detail pane: everything known about the host, port, route or stream under the cursor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from rich.text import Text
from textual.content import Content

from norouter_core.commands.filters import origin
from norouter_core.engine.status import HostState, ListenerState
from norouter_core.session.client import Snapshot
from norouter_core.session.tables import StreamRow
from norouter_tui.output import hints
from norouter_tui.output.printer import problem_lines
from norouter_tui.output.units import count, seconds, size
from norouter_tui.screen.views.hosts import HostRow
from norouter_tui.screen.views.ports import PortRow
from norouter_tui.screen.views.routes import RouteRow
from norouter_tui.screen.widgets.cells import (
    HOST_STYLES,
    LISTENER_STYLES,
    STREAM_STYLES,
    StateStyle,
    age,
    escape_line,
    sparkline,
    with_named_styles,
    wrap,
)
from norouter_tui.screen.widgets.lines import TextLine, TextView

_LABEL = 12
INDENT = _LABEL + 1
"""The column where the text after a label starts."""
_SPARK = 40

Row = HostRow | PortRow | RouteRow | StreamRow


def row_title(row: Row) -> str:
    """Return a title for the description of a row."""
    match row:
        case HostRow():
            return f"Host {escape_line(row.status.name)}"
        case PortRow():
            what = "Port" if row.is_port else escape_line(row.one.target)
            return f"{what} {escape_line(row.one.listen)}"
        case RouteRow():
            return f"Route {row.number}"
        case StreamRow():
            return f"Stream {row.status.id}"


def describe(row: Row, snapshot: Snapshot) -> list[Text]:
    """Return the description of a row, in the styles of `themes.STYLES`."""
    match row:
        case HostRow():
            return list(_host(row, snapshot))
        case PortRow():
            return list(_port(row))
        case RouteRow():
            return list(_route(row))
        case StreamRow():
            return list(_stream(row))


def _fact(label: str, *parts: str | tuple[str, str]) -> Text:
    return Text.assemble((f" {label:<{_LABEL}}", "muted"), *parts)


def _styled(style: StateStyle) -> tuple[str, str]:
    return f"{style.glyph} {style.word}", style.style


def _host(row: HostRow, snapshot: Snapshot) -> Iterator[Text]:
    host = row.status
    since = f"  for {age(snapshot.at - host.since)}"
    yield _fact("state", _styled(HOST_STYLES[host.state]), (since, "muted"))
    if host.retry_in is not None:
        next_try = f"attempt {host.attempt + 1} in {seconds(max(0.0, host.retry_in))}"
        yield _fact("next", (next_try, "busy"), ("   r retries now", "muted"))
    yield _fact("vip", host.vip)
    yield _fact("command", escape_line(host.command) or "none: this machine")
    if host.agent:
        yield _fact("agent", escape_line(host.agent))
    if host.round_trip is not None:
        yield _fact("round trip", seconds(host.round_trip))
    yield _fact("streams", str(host.streams))
    yield _fact("sent", size(host.bytes_in), *_rate(row.rate.sent))
    yield _fact("received", size(host.bytes_out), *_rate(row.rate.received))
    yield _fact("", (sparkline(row.rate.history, _SPARK).strip(), "spark"))
    if host.problem is not None and host.state is not HostState.READY:
        yield Text("")
        for line in problem_lines(host.name, host.problem):
            yield Text.assemble(" ", line)


def _rate(rate: float) -> tuple[tuple[str, str], ...]:
    return ((f"   {size(rate)}/s", "accent"),) if rate >= 0.5 else ()


def _port(row: PortRow) -> Iterator[Text]:
    one = row.one
    if row.here:
        yield _fact(
            "here", (escape_line(row.here), "strong"), ("   y copies a command to try it", "muted")
        )
    yield _fact("target", f"{escape_line(one.to_host)}", "  ", escape_line(one.target))
    host = row.target_host
    if host is not None and host.state is not HostState.READY:
        yield _fact("host", _styled(HOST_STYLES[host.state]))
    yield _fact("listeners", count(len(row.listeners), "host"))
    for listener in row.listeners:
        style = LISTENER_STYLES[listener.state]
        where = (
            f" at {escape_line(listener.bound)}" if listener.bound not in ("", one.listen) else ""
        )
        note = f"  {hints.reason(listener)}" if listener.note else ""
        yield _fact(
            "", f"{escape_line(listener.on_host):<16} ", _styled(style), where, (note, "muted")
        )
        hint = hints.hint(listener, host.agent if host else "")
        if hint and listener.state is ListenerState.FAILED:
            yield _fact("hint", (hint, "accent"))


def _route(row: RouteRow) -> Iterator[Text]:
    yield _fact(
        "via", (escape_line(row.route.via), "strong"), "  ", (row.state.text, row.state.style)
    )
    for i, target in enumerate(row.route.to):
        yield _fact("to" if i == 0 else "", escape_line(target))
    for i, target in enumerate(row.route.not_to):
        yield _fact("except" if i == 0 else "", escape_line(target))
    yield Text("")
    yield Text(" Later routes win over earlier ones. The host resolves the names.", "muted")


def _stream(row: StreamRow) -> Iterator[Text]:
    stream = row.status
    opened = time.strftime("%H:%M:%S", time.localtime(stream.opened))
    yield _fact("state", _styled(STREAM_STYLES[stream.state]), (f"  {stream.reason}", "muted"))
    yield _fact(
        "client", escape_line(stream.peer), (f"  on {escape_line(stream.from_host)}", "muted")
    )
    yield _fact(
        "listener", escape_line(stream.listener), (f"  {escape_line(origin(stream))}", "muted")
    )
    yield _fact(
        "target",
        escape_line(stream.target),
        (f"  dialled by {escape_line(stream.to_host)}", "muted"),
    )
    yield _fact("opened", opened, (f"  {age(row.age)} ago", "muted"))
    yield _fact("sent", size(stream.bytes_sent), *_rate(row.rate.sent))
    yield _fact("received", size(stream.bytes_received), *_rate(row.rate.received))
    yield _fact("", (sparkline(row.rate.history, _SPARK).strip(), "spark"))
    if stream.direct:
        yield Text(
            " Direct: the host serves it itself, and its bytes do not pass through here.", "muted"
        )


class DetailPane(TextView):
    """Hidden until a row is chosen; Escape hides it again."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._described: tuple[Row, Snapshot] | None = None

    @property
    def open(self) -> bool:
        """Return whether the pane is visible."""
        return self.has_class("-open")

    def describe(self, row: Row | None, snapshot: Snapshot) -> None:
        """Describe a row; None empties the pane."""
        self._described = None if row is None else (row, snapshot)
        name = "Detail" if row is None else row_title(row)
        self.border_title = Content(name)
        self._fill()

    def _fill(self) -> None:
        width = self.scrollable_content_region.width - 1
        if self._described is None or width < 1:
            self.show(())
            return
        texts = map(with_named_styles, describe(*self._described))
        lines = [line for text in texts for line in wrap(text, width, INDENT)]
        self.show(TextLine(number, line) for number, line in enumerate(lines))

    def on_resize(self) -> None:
        self._fill()
        super().on_resize()
