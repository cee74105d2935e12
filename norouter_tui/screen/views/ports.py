"""The ports tab: published ports and proxies, their addresses, targets and states."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget

from norouter_core.commands.call import Call, build_call
from norouter_core.engine.publications import Service
from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerState,
    ListenerStatus,
)
from norouter_core.session.client import Snapshot
from norouter_core.session.tables import PORTS
from norouter_tui.output import hints
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import HOST_STYLES, LISTENER_STYLES, Cell, escaped_cell
from norouter_tui.screen.widgets.grid import Grid, GridColumn, grid_column, sort_bindings


@dataclass(frozen=True, slots=True)
class PortRow:
    """One published address, with its listener on each host."""

    listeners: tuple[ListenerStatus, ...]
    here: str
    """The address on this machine, `IP:PORT`; empty if there is none."""
    target_host: HostStatus | None

    @property
    def one(self) -> ListenerStatus:
        return self.listeners[0]

    @property
    def is_port(self) -> bool:
        """Return whether it is a port of a host, not a proxy or DNS."""
        return self.one.service == Service.PORT

    @property
    def key(self) -> str:
        """Return the address. That of a proxy includes its host: two hosts may use the same one."""
        one = self.one
        return f"{one.to_host} {one.listen}" if not self.is_port else one.listen

    @property
    def state(self) -> Cell:
        """Return the worst state of all hosts."""
        target = self.target_host
        failed = [x for x in self.listeners if x.state is ListenerState.FAILED]
        if failed:
            text = f"failed on {failed[0].on_host}: {hints.reason(failed[0])}"
            return escaped_cell(f"{LISTENER_STYLES[ListenerState.FAILED].glyph} {text}", "bad")
        if target is not None and target.state is not HostState.READY:
            shown = HOST_STYLES[target.state]
            return escaped_cell(f"{shown.glyph} {target.name} {shown.word}", shown.style)
        if all(x.state is ListenerState.PENDING for x in self.listeners):
            return Cell("◌ pending", "busy")
        up = [x for x in self.listeners if x.state is not ListenerState.PENDING]
        if len(up) > 1:
            return Cell(f"● on {len(up)} hosts", "good")
        return escaped_cell("● here" if self.here else f"● on {up[0].on_host}", "good")


def rows_of(snapshot: Snapshot) -> list[PortRow]:
    """Return a row for each published address, in the order of their hosts, DNS last."""
    hosts = {host.name: host for host in snapshot.status.hosts}
    by_key: dict[tuple[str, str], list[ListenerStatus]] = {}
    for listener in snapshot.status.listeners:
        by_key.setdefault((listener.to_host, listener.listen), []).append(listener)
    order = {name: i for i, name in enumerate(hosts)}
    rows = [PortRow(tuple(by_key[k]), _here(by_key[k], hosts), hosts.get(k[0])) for k in by_key]

    def place(row: PortRow) -> tuple[bool, int, list[str]]:
        one = row.one
        of_host = order.get(one.to_host, len(order))
        return one.service == Service.DNS, of_host, _numbers(one.listen)

    return sorted(rows, key=place)


def _numbers(address: str) -> list[str]:
    return [part.zfill(5) for part in re.split("[.:/]", address)]


def _here(listeners: Sequence[ListenerStatus], hosts: dict[str, HostStatus]) -> str:
    for listener in listeners:
        host = hosts.get(listener.on_host)
        if host is not None and not host.command and listener.bound:
            return listener.bound
    return ""


COLUMNS: tuple[GridColumn[PortRow], ...] = (
    GridColumn(
        "address",
        "address",
        lambda r: escaped_cell(r.here or r.one.listen, "strong" if r.here else "text"),
        18,
        lambda r: _numbers(r.one.listen),
        max_width=22,
        letter="A",
    ),
    grid_column(
        PORTS, "to_host", lambda r: escaped_cell(r.one.to_host), 8,
        of=lambda r: r.one, max_width=20, letter="O",
    ),
    grid_column(
        PORTS, "target", lambda r: escaped_cell(r.one.target, "text" if r.is_port else "muted"), 12,
        of=lambda r: r.one, max_width=32, letter="T",
    ),
    GridColumn(
        "state", "state", lambda r: r.state, 14, lambda r: r.state.text, 1,
        max_width=80, letter="S",
    ),
)  # fmt: skip


class PortGrid(Grid[PortRow]):
    """The table."""

    columns: ClassVar = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = sort_bindings(COLUMNS)
    empty = "Nothing is published yet.\n\n:port add HOST 8080:80"

    def key_of(self, row: PortRow) -> Hashable:
        return row.key


class PortsView(View):
    """The ports."""

    title = "Ports"

    def compose(self) -> ComposeResult:
        yield PortGrid(id="ports-grid")

    @property
    def grid(self) -> PortGrid:
        return self.query_one(PortGrid)

    @property
    def selected(self) -> PortRow | None:
        return self.grid.selected

    @property
    def focus_target(self) -> Widget:
        return self.grid

    def count(self, snapshot: Snapshot) -> int | None:
        listeners = snapshot.status.listeners
        return len({(x.to_host, x.listen) for x in listeners if x.service != Service.DNS})

    def delete_call(self) -> Call | None:
        row = self.grid.selected
        if row is None:
            return None
        host, port = row.one.to_host, row.one.listen.rpartition(":")[2]
        if row.one.service in (Service.HTTP, Service.SOCKS):
            return build_call(f"proxy {row.one.service}", host=host, address="off")
        return build_call("port rm", host=host, port=port) if row.is_port else None

    def show_snapshot(self, snapshot: Snapshot) -> None:
        self.grid.show(rows_of(snapshot))
