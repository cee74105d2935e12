"""How values look in a cell: short texts of a bounded width, and the name of a style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from norouter_core.engine.status import HostState, ListenerState, StreamState
from norouter_core.sanitize import escape

NOTHING = "·"
"""Stands for zero and for nothing known, so that a column of them stays calm."""
_BARS = "▁▂▃▄▅▆▇█"
_UNITS = "KMGTP"
_LEAST_SCALE = 4096.0
"""Bytes per second that a full bar stands for at least: a trickle is no flood."""


class Cell(NamedTuple):
    """A text, clean already, and the name of its style (see `palette.STYLES`)."""

    text: str
    style: str = "text"


def tidy(text: str) -> str:
    """Return untrusted text, escaped, without tabs, whose width depends on the column."""
    return escape(text).replace("\t", " ")


def plain(text: str, style: str = "text") -> Cell:
    """A cell of a stranger's text."""
    return Cell(tidy(text), style)


def short(number: float) -> str:
    """Bytes in five cells at most: `0`, `812`, `1.5K`, `1023K`, `64.2M`."""
    if number < 1000:
        return f"{number:.0f}"
    value = number
    for unit in _UNITS:
        value /= 1024
        if value < 1000:
            return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return "lots"


def amount(number: float, style: str = "text") -> Cell:
    """A number of bytes, or of bytes per second; nothing to be seen of none."""
    return Cell(short(number), style) if number >= 0.5 else Cell(NOTHING, "faint")


def rate_text(number: float) -> str:
    """Bytes per second for a line of text: `1.5K/s`, `0/s`."""
    return f"{short(number)}/s"


def age(seconds: float) -> str:
    """A time span in four cells at most: `0s`, `59s`, `12m`, `23h`, `400d`."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{seconds:.0f}s" if seconds < 59.5 else "59s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}m"
    return f"{seconds // 3600:.0f}h" if seconds < 86400 else f"{seconds // 86400:.0f}d"


def trip(seconds: float | None) -> str:
    """A round trip in seven cells at most: `0.8 ms`, `350 ms`, `1.5 s`."""
    if seconds is None:
        return ""
    millis = seconds * 1e3
    if millis < 999.5:
        return f"{millis:.1f} ms" if millis < 9.95 else f"{millis:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def sparkline(history: Sequence[float], width: int) -> str:
    """The last `width` values as bars, the newest at the right; spaces where there are none."""
    last = history[-width:] if width > 0 else ()
    scale = max(_LEAST_SCALE, max(last, default=0.0))
    steps = len(_BARS)
    bars = (_BARS[min(steps - 1, int(value / scale * steps))] for value in last)
    return "".join(bars).rjust(width)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis."""
    length = len(text) if text.isascii() else cell_len(text)
    if length == width:
        return text
    if length < width:
        return " " * (width - length) + text if right else text + " " * (width - length)
    if width <= 1:
        return "…"[:width]
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)


class StateStyle(NamedTuple):
    """How a state is told: a glyph, a word and a style; the colour never says it alone."""

    glyph: str
    word: str
    style: str


HOST_LOOKS = {
    HostState.STARTING: StateStyle("◌", "starting", "busy"),
    HostState.BOOTSTRAPPING: StateStyle("◐", "bootstrapping", "busy"),
    HostState.READY: StateStyle("●", "ready", "good"),
    HostState.LOST: StateStyle("✕", "lost", "bad"),
    HostState.BACKING_OFF: StateStyle("↻", "backing off", "busy"),
    HostState.FAILED: StateStyle("✗", "failed", "bad"),
    HostState.STOPPED: StateStyle("○", "stopped", "faint"),
}
LISTENER_LOOKS = {
    ListenerState.PENDING: StateStyle("◌", "pending", "busy"),
    ListenerState.BOUND: StateStyle("●", "bound", "good"),
    ListenerState.SHARED: StateStyle("◍", "shared", "good"),
    ListenerState.FAILED: StateStyle("✗", "failed", "bad"),
}
STREAM_LOOKS = {
    StreamState.OPENING: StateStyle("◌", "opening", "busy"),
    StreamState.OPEN: StateStyle("●", "open", "good"),
    StreamState.HALF_CLOSED: StateStyle("◐", "half-closed", "busy"),
    StreamState.CLOSED: StateStyle("○", "closed", "faint"),
}
