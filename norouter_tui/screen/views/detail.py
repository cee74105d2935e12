"""The pane below the tabs: all that is known of what is under the cursor, live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from rich.text import Text
from textual.content import Content

from norouter_core.commands.filters import way
from norouter_core.engine.status import HostState, ListenerState
from norouter_core.session.client import Snapshot
from norouter_tui.output import hints
from norouter_tui.output.printer import problem_lines
from norouter_tui.output.text import count, seconds, size
from norouter_tui.screen.views.hosts import HostRow
from norouter_tui.screen.views.ports import PortRow
from norouter_tui.screen.views.routes import RouteRow
from norouter_tui.screen.views.streams import StreamRow
from norouter_tui.screen.widgets.cells import (
    HOST_LOOKS,
    LISTENER_LOOKS,
    STREAM_LOOKS,
    StateStyle,
    age,
    sparkline,
    tidy,
    translated,
    wrapped,
)
from norouter_tui.screen.widgets.lines import TextLine, TextView

_LABEL = 12
INDENT = _LABEL + 1
"""Where what follows a label begins."""
_SPARK = 40

Row = HostRow | PortRow | RouteRow | StreamRow


def row_title(row: Row) -> str:
    """What is described, in a few words."""
    match row:
        case HostRow():
            return f"Host {tidy(row.status.name)}"
        case PortRow():
            what = "Port" if row.is_port else tidy(row.one.target)
            return f"{what} {tidy(row.one.listen)}"
        case RouteRow():
            return f"Route {row.number}"
        case StreamRow():
            return f"Stream {row.status.id}"


def describe(row: Row, snapshot: Snapshot) -> list[Text]:
    """The description; styles by the names of `themes.STYLES`."""
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


def _look(look: StateStyle) -> tuple[str, str]:
    return f"{look.glyph} {look.word}", look.style


def _host(row: HostRow, snapshot: Snapshot) -> Iterator[Text]:
    host = row.status
    since = f"  for {age(snapshot.at - host.since)}"
    yield _fact("state", _look(HOST_LOOKS[host.state]), (since, "muted"))
    if host.retry_in is not None:
        next_try = f"attempt {host.attempt + 1} in {seconds(max(0.0, host.retry_in))}"
        yield _fact("next", (next_try, "busy"), ("   r tries at once", "muted"))
    yield _fact("vip", host.vip)
    yield _fact("command", tidy(host.command) or "none: this machine")
    if host.agent:
        yield _fact("agent", tidy(host.agent))
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
        yield _fact("here", (tidy(row.here), "strong"), ("   y copies a line to try", "muted"))
    yield _fact("leads to", f"{tidy(one.to_host)}", "  ", tidy(one.target))
    host = row.target_host
    if host is not None and host.state is not HostState.READY:
        yield _fact("host", _look(HOST_LOOKS[host.state]))
    yield _fact("listens on", count(len(row.listeners), "host"))
    for listener in row.listeners:
        look = LISTENER_LOOKS[listener.state]
        where = f" at {tidy(listener.bound)}" if listener.bound not in ("", one.listen) else ""
        note = f"  {hints.reason(listener)}" if listener.note else ""
        yield _fact("", f"{tidy(listener.on_host):<16} ", _look(look), where, (note, "muted"))
        hint = hints.hint(listener, host.agent if host else "")
        if hint and listener.state is ListenerState.FAILED:
            yield _fact("hint", (hint, "accent"))


def _route(row: RouteRow) -> Iterator[Text]:
    yield _fact("via", (tidy(row.route.via), "strong"), "  ", (row.state.text, row.state.style))
    for i, target in enumerate(row.route.to):
        yield _fact("to" if i == 0 else "", tidy(target))
    for i, target in enumerate(row.route.not_to):
        yield _fact("but not" if i == 0 else "", tidy(target))
    yield Text("")
    yield Text(" A later route wins over an earlier one. Names are resolved on the host.", "muted")


def _stream(row: StreamRow) -> Iterator[Text]:
    stream = row.status
    opened = time.strftime("%H:%M:%S", time.localtime(stream.opened))
    yield _fact("state", _look(STREAM_LOOKS[stream.state]), (f"  {stream.reason}", "muted"))
    yield _fact("client", tidy(stream.peer), (f"  on {tidy(stream.from_host)}", "muted"))
    yield _fact("came to", tidy(stream.listener), (f"  by {tidy(way(stream))}", "muted"))
    yield _fact("target", tidy(stream.target), (f"  dialled by {tidy(stream.to_host)}", "muted"))
    yield _fact("opened", opened, (f"  {age(row.age)} ago", "muted"))
    yield _fact("sent", size(stream.bytes_sent), *_rate(row.rate.sent))
    yield _fact("received", size(stream.bytes_received), *_rate(row.rate.received))
    yield _fact("", (sparkline(row.rate.history, _SPARK).strip(), "spark"))
    if stream.direct:
        yield Text(" Served on the host itself: its bytes do not come by here.", "muted")


class DetailPane(TextView):
    """Hidden until something is chosen; Escape hides it again."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._described: tuple[Row, Snapshot] | None = None

    @property
    def open(self) -> bool:
        """Whether it is in sight."""
        return self.has_class("-open")

    def describe(self, row: Row | None, snapshot: Snapshot) -> None:
        """Shows all of a row; nothing for None."""
        self._described = None if row is None else (row, snapshot)
        name = "Detail" if row is None else row_title(row)
        self.border_title = Content(name)
        self._fill()

    def _fill(self) -> None:
        width = self.scrollable_content_region.width - 1
        if self._described is None or width < 1:
            self.show(())
            return
        texts = map(translated, describe(*self._described))
        lines = [line for text in texts for line in wrapped(text, width, INDENT)]
        self.show(TextLine(number, line) for number, line in enumerate(lines))

    def on_resize(self) -> None:
        self._fill()
        super().on_resize()
