"""The routes tab: which host the proxies use for which names and networks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from norouter_core.commands.call import Call, build_call
from norouter_core.engine.status import HostStatus
from norouter_core.model import Route
from norouter_core.session import tables
from norouter_core.session.client import Snapshot
from norouter_tui.screen.messages import NothingSelected, RunCall
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import HOST_STYLES, Cell, escaped_cell
from norouter_tui.screen.widgets.grid import Grid, GridColumn, grid_column, sort_bindings


@dataclass(frozen=True, slots=True)
class RouteRow:
    """`number` counts from 1 in the order of the manifest; later routes win."""

    number: int
    route: Route
    host: HostStatus | None

    @property
    def state(self) -> Cell:
        if self.host is None:
            return Cell("✗ no such host", "bad")
        shown = HOST_STYLES[self.host.state]
        return Cell(f"{shown.glyph} {shown.word}", shown.style)


def _shared(row: RouteRow) -> tables.RouteRow:
    return tables.RouteRow(row.number, row.route)


def _column(
    key: str, cell: Callable[[RouteRow], Cell], width: int, letter: str, **more: Any
) -> GridColumn[RouteRow]:
    return grid_column(tables.ROUTES, key, cell, width, of=_shared, letter=letter, **more)


COLUMNS: tuple[GridColumn[RouteRow], ...] = (
    _column("number", lambda r: Cell(str(r.number), "muted"), 3, "#", right=True),
    _column("via", lambda r: escaped_cell(r.route.via, "strong"), 8, "V", max_width=20),
    _column("to", lambda r: escaped_cell(", ".join(r.route.to)), 20, "T", max_width=60),
    _column(
        "not_to", lambda r: escaped_cell(", ".join(r.route.not_to) or "·", "muted"), 8, "N",
        max_width=40,
    ),
    GridColumn(
        "state", "state", lambda r: r.state, 7, lambda r: r.state.text, 1, max_width=15, letter="S"
    ),
)  # fmt: skip


class RouteGrid(Grid[RouteRow]):
    """The table."""

    columns: ClassVar = COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = [
        *sort_bindings(COLUMNS),
        Binding("shift+up,K", "reorder(-1)", "Move up", show=False, id="route-up"),
        Binding("shift+down,J", "reorder(1)", "Move down", show=False, id="route-down"),
    ]
    empty = (
        "No routes: the proxies reach the hosts of the mesh,\nand connect to all else directly.\n\n"
        ":route add bastion '*.internal' 10.0.0.0/8"
    )

    def key_of(self, row: RouteRow) -> Hashable:
        return (row.number, row.route.via)

    def action_reorder(self, by: int) -> None:
        """Move the route under the cursor up or down."""
        row = self.selected
        if row is None:
            self.post_message(NothingSelected("route"))
        elif 1 <= row.number + by <= len(self.rows):
            call = build_call("route move", number=str(row.number), to=str(row.number + by))
            self.post_message(RunCall(call))
            self.action_move(by)


class RoutesView(View):
    """The routes."""

    title = "Routes"

    def compose(self) -> ComposeResult:
        yield RouteGrid(id="routes-grid")

    @property
    def grid(self) -> RouteGrid:
        return self.query_one(RouteGrid)

    @property
    def selected(self) -> RouteRow | None:
        return self.grid.selected

    @property
    def focus_target(self) -> Widget:
        return self.grid

    def count(self, snapshot: Snapshot) -> int | None:
        return len(snapshot.spec.routes)

    def delete_call(self) -> Call | None:
        row = self.grid.selected
        return build_call("route rm", number=str(row.number)) if row else None

    def show_snapshot(self, snapshot: Snapshot) -> None:
        hosts = {host.name: host for host in snapshot.status.hosts}
        hosts |= {host.vip: host for host in snapshot.status.hosts}
        self.grid.show(
            RouteRow(number, route, hosts.get(route.via))
            for number, route in enumerate(snapshot.spec.routes, 1)
        )
