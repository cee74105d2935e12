"""The list of hosts: a card of one to five lines for each, as tall as fits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from textual.reactive import reactive

from norouter_core.engine.status import HostState, HostStatus
from norouter_core.session.client import Rate, Snapshot
from norouter_tui.output.units import count
from norouter_tui.screen.widgets.cells import (
    HOST_STYLES,
    Cell,
    escape_line,
    escaped_cell,
    fit,
    rate_text,
    round_trip_text,
    sparkline,
)
from norouter_tui.screen.widgets.lines import LineView, RowCells

_MAX_HEIGHT = 5
"""Four lines and an empty one."""
_SPARK = 14


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host and its traffic."""

    status: HostStatus
    rate: Rate


class HostList(LineView[HostRow]):
    """The hosts in the order of the manifest."""

    empty = "No hosts yet.\n\nPress a to add one."
    tall = reactive(_MAX_HEIGHT, init=False)
    _ready_note = ""
    _awaited = ""
    """The host to move the cursor to once a snapshot has it."""

    def key_of(self, row: HostRow) -> Hashable:
        return row.status.name

    @property
    def row_height(self) -> int:
        return self.tall

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the hosts of a snapshot."""
        rates: Mapping[str, Rate] = snapshot.hosts
        rows = [HostRow(host, rates.get(host.name, Rate())) for host in snapshot.status.hosts]
        self._choose_height(len(rows))
        self.show(rows)
        if self._awaited:
            self.select(self._awaited)
        hosts = snapshot.status.hosts
        ready = sum(host.state is HostState.READY for host in hosts)
        note = f"{ready} of {len(hosts)} ready" if hosts else ""
        if note != self._ready_note:
            self._ready_note = self.border_subtitle = note

    def go_to(self, name: str) -> None:
        """Move the cursor to a host, which may be so new that the next snapshot shows it first."""
        self._awaited = "" if self.select(name) else name

    def action_move_to(self, index: int) -> None:
        self._awaited = ""
        super().action_move_to(index)

    def on_resize(self) -> None:
        self._choose_height(len(self.rows))
        super().on_resize()

    def _choose_height(self, number: int) -> None:
        room = self.scrollable_content_region.height // max(1, number)
        tall = max(1, min(room, _MAX_HEIGHT))
        if tall == 1 and self._width < 60:
            tall = 2
        if tall != self.tall:
            self.tall = tall
            self._drawn.clear()
            self._update_virtual_size()
            self.refresh()

    def draw_row(self, row: HostRow, width: int) -> RowCells:
        host = row.status
        if self.tall == 1:
            return (_one_line(row, width),)
        lines = [_head_line(host, width)]
        if self.tall >= 3:
            lines.append(_address_line(host, width))
        lines.append(_traffic_line(row, width) if _is_up(host) else _problem_line(host, width))
        if self.tall >= _MAX_HEIGHT:
            lines.append(_indented(escape_line(host.command) or "this machine", "muted", width))
        return lines


def _is_up(host: HostStatus) -> bool:
    return host.state is HostState.READY


def _head_line(host: HostStatus, width: int) -> list[Cell]:
    """Return the glyph and the name at the left, the state at the right."""
    shown = HOST_STYLES[host.state]
    word = state_words(host)
    name = fit(escape_line(host.name), max(1, width - len(word) - 5))
    return [
        Cell(f" {shown.glyph} ", shown.style),
        Cell(name, "strong"),
        Cell(f" {word} ", shown.style),
    ]


def state_words(host: HostStatus) -> str:
    """Return the state, and the seconds until the next attempt: `backing off 4 s`."""
    word = HOST_STYLES[host.state].word
    return word if host.retry_in is None else f"{word} {max(0.0, host.retry_in):.0f} s"


def _indented(text: str, style: str, width: int) -> list[Cell]:
    return [Cell("   "), Cell(fit(text, max(1, width - 4)).rstrip(), style)]


def _traffic_line(row: HostRow, width: int) -> list[Cell]:
    rate = row.rate
    text = [
        Cell("   "),
        Cell("↑ ", "faint"),
        Cell(fit(rate_text(rate.sent), 8), "text" if rate.sent >= 0.5 else "muted"),
        Cell("↓ ", "faint"),
        Cell(fit(rate_text(rate.received), 8), "text" if rate.received >= 0.5 else "muted"),
    ]
    used = sum(len(cell.text) for cell in text)
    wide = min(_SPARK, width - used - 1)
    if wide >= 4:
        pad = " " * (width - used - wide - 1)
        text.append(Cell(pad + sparkline(rate.history, wide), "spark"))
    return text


def _problem_line(host: HostStatus, width: int) -> list[Cell]:
    if host.problem is None:
        return _indented(host.sending or _STEPS.get(host.state, ""), "muted", width)
    attempt = f"attempt {host.attempt}: " if host.attempt > 1 else ""
    return _indented(attempt + escape_line(host.problem.message), "bad", width)


_STEPS = {
    HostState.STARTING: "waiting for the command",
    HostState.STOPPED: "stopped by a command; :host start NAME starts it",
}


def _address_line(host: HostStatus, width: int) -> list[Cell]:
    """Return the VIP at the left; round trip and streams at the right, if they fit."""
    left, right = f"   {host.vip}", ""
    facts = [
        round_trip_text(host.round_trip),
        count(host.streams, "stream") if host.streams else "",
    ]
    for fact in filter(None, facts):
        longer = f"{fact}  {right}" if right else fact
        if len(left) + len(longer) + 2 <= width:
            right = longer
    pad = " " * max(1, width - len(left) - len(right) - 1)
    return [Cell(left), Cell(pad + right, "muted")]


def _one_line(row: HostRow, width: int) -> list[Cell]:
    host = row.status
    shown = HOST_STYLES[host.state]
    cells = [
        Cell(f" {shown.glyph} ", shown.style),
        Cell(fit(escape_line(host.name), 16) + " ", "strong"),
        Cell(fit(state_words(host), 16), shown.style),
        Cell(fit(host.vip, 16), "text"),
    ]
    rest = width - sum(len(cell.text) for cell in cells)
    if _is_up(host):
        moved = f"↑ {rate_text(row.rate.sent)} ↓ {rate_text(row.rate.received)}"
        return [*cells, Cell(fit(moved, max(1, rest)), "muted")]
    message = host.problem.message if host.problem else ""
    return [*cells, escaped_cell(fit(message, max(1, rest)), "bad")]
