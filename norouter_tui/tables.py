"""The tables of the full screen: rows as values, and a grid that shows them."""

from __future__ import annotations

import time
from typing import Any

from rich.text import Text
from textual.widgets import DataTable

from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerState,
    ListenerStatus,
    Status,
)
from norouter_tui import hints
from norouter_tui.plaintext import clean, seconds, size

Rows = dict[str, tuple[Text, ...]]
"""Row key to cells, in the order shown."""

MOST_ROWS = 500
"""More rows than anybody reads; beyond it a table would cost more than the mesh."""

HOST_COLUMNS = ("State", "Host", "VIP", "Round trip", "Streams", "Command")
STREAM_COLUMNS = ("Id", "From -> to", "Target", "State", "Forth", "Back", "Age", "Client")
PORT_COLUMNS = ("Listens at", "On", "To", "Target", "State")
"""What matters first: a terminal of 100 columns shows the rest when it is scrolled to."""

_HOST_LOOKS = {
    HostState.STARTING: ("…", "yellow"),
    HostState.BOOTSTRAPPING: ("↑", "yellow"),
    HostState.READY: ("●", "green"),
    HostState.LOST: ("✕", "red"),
    HostState.BACKING_OFF: ("↻", "yellow"),
    HostState.FAILED: ("✗", "bold red"),
    HostState.STOPPED: ("○", "dim"),
}
_PORT_LOOKS = {
    ListenerState.PENDING: ("…", "yellow"),
    ListenerState.BOUND: ("●", "green"),
    ListenerState.SHARED: ("◌", "green"),
    ListenerState.FAILED: ("✗", "bold red"),
}


class Grid(DataTable[Text]):
    """A titled table that changes only the cells that differ, and keeps its cursor."""

    def __init__(self, title: str, columns: tuple[str, ...], **more: Any) -> None:
        super().__init__(cursor_type="row", zebra_stripes=True, **more)
        self.border_title = title
        self._shown: Rows = {}
        for column in columns:
            self.add_column(column, key=column)
        self._columns = columns

    @property
    def selected(self) -> str | None:
        """The key of the row under the cursor."""
        if not self._shown:
            return None
        return self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value

    def show(self, rows: Rows) -> None:
        """Makes these the table's rows."""
        for key in self._shown.keys() - rows.keys():
            self.remove_row(key)
        for key, cells in rows.items():
            before = self._shown.get(key)
            if before is None:
                self.add_row(*cells, key=key)
            elif before != cells:
                self._change(key, before, cells)
        self._shown = rows

    def _change(self, key: str, before: tuple[Text, ...], cells: tuple[Text, ...]) -> None:
        for column, old, new in zip(self._columns, before, cells, strict=True):
            if old != new:
                self.update_cell(key, column, new, update_width=True)


def host_rows(status: Status) -> Rows:
    """A row for each host, by its name."""
    rows: Rows = {}
    for host in status.hosts:
        word = host.state.value
        if host.retry_in is not None:
            word += f", next try in {seconds(host.retry_in)}"
        trip = "" if host.round_trip is None else seconds(host.round_trip)
        glyph, style = _HOST_LOOKS[host.state]
        rows[host.name] = (
            Text(f"{glyph} {word}", style=style),
            *_cells(host.name, host.vip, trip, str(host.streams), host.command or "(this machine)"),
        )
    return rows


def stream_rows(status: Status) -> Rows:
    """A row for each open stream, by its id, oldest first."""
    now = time.time()
    return {
        str(stream.id): _cells(
            str(stream.id),
            f"{stream.from_host} -> {stream.to_host}",
            stream.target,
            stream.state.value + (", direct" if stream.direct else ""),
            size(stream.bytes_forth),
            size(stream.bytes_back),
            f"{max(0.0, now - stream.opened):.0f} s",
            stream.peer,
        )
        for stream in status.streams[:MOST_ROWS]
    }


def port_rows(status: Status) -> Rows:
    """A row for each published port and proxy on each host; DNS only where it cannot be had."""
    rows: Rows = {}
    hosts = {host.name: host for host in status.hosts}
    shown = [x for x in status.listeners if x.service != "dns" or x.state is ListenerState.FAILED]
    for port in shown[:MOST_ROWS]:
        rows[f"{port.on_host} {port.listen}"] = (
            *_cells(port.bound or port.listen, port.on_host, port.to_host, port.target),
            _port_state(port, hosts.get(port.on_host), hosts.get(port.to_host)),
        )
    return rows


def _port_state(port: ListenerStatus, on: HostStatus | None, to: HostStatus | None) -> Text:
    glyph, style = _PORT_LOOKS[port.state]
    notes = [hints.reason(port), hints.hint(port, on.agent if on else "")]
    if port.state is not ListenerState.FAILED and notes[1]:
        del notes[0]  # it says the same
    if to is not None and to.state is not HostState.READY:
        notes.insert(0, f"but {to.name} is {to.state.value}")
        style = "yellow"
    told = "; ".join(clean(note) for note in notes if note)
    return Text(f"{glyph} {port.state.value}{': ' if told else ''}{told}", style=style)


def _cells(*texts: str) -> tuple[Text, ...]:
    return tuple(Text(clean(text)) for text in texts)
