"""Cells: short texts of bounded width with the name of a style, and styled text as cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Span, Text
from textual.content import Content

from norouter_core.engine.status import HostState, ListenerState, StreamState
from norouter_core.sanitize import escape

PLACEHOLDER = "·"
"""Stands for zero and for unknown values, so that a column of them stays quiet."""
_BARS = "▁▂▃▄▅▆▇█"
_UNITS = "KMGTP"
_MIN_SCALE = 4096.0
"""The least bytes per second that a full bar stands for, so that little traffic looks little."""


class Cell(NamedTuple):
    """A text that is safe to show, and the name of its style (see `themes.STYLES`)."""

    text: str
    style: str = "text"


def escape_line(text: str) -> str:
    """Return untrusted text, escaped, without tabs, whose width depends on the column."""
    return escape(text).replace("\t", " ")


def escaped_cell(text: str, style: str = "text") -> Cell:
    """Return a cell of untrusted text."""
    return Cell(escape_line(text), style)


def short_size(number: float) -> str:
    """Return bytes in at most five cells: `0`, `812`, `1.5K`, `1023K`, `64.2M`."""
    if number < 1000:
        return f"{number:.0f}"
    value = number
    for unit in _UNITS:
        value /= 1024
        if value < 1000:
            return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return "lots"


def amount_cell(number: float, style: str = "text") -> Cell:
    """Return a number of bytes, or of bytes per second; zero is a faint placeholder."""
    return Cell(short_size(number), style) if number >= 0.5 else Cell(PLACEHOLDER, "faint")


def rate_text(number: float) -> str:
    """Return bytes per second for a line of text: `1.5K/s`, `0/s`."""
    return f"{short_size(number)}/s"


def age(seconds: float) -> str:
    """Return a time span in at most four cells: `0s`, `59s`, `12m`, `23h`, `400d`."""
    seconds = max(0.0, seconds)
    if seconds < 60:
        return f"{seconds:.0f}s" if seconds < 59.5 else "59s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}m"
    return f"{seconds // 3600:.0f}h" if seconds < 86400 else f"{seconds // 86400:.0f}d"


def round_trip_text(seconds: float | None) -> str:
    """Return a round-trip time in at most seven cells: `0.8 ms`, `350 ms`, `1.5 s`."""
    if seconds is None:
        return ""
    millis = seconds * 1e3
    if millis < 999.5:
        return f"{millis:.1f} ms" if millis < 9.95 else f"{millis:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def sparkline(history: Sequence[float], width: int) -> str:
    """Return the last `width` values as bars, the newest at the right, padded with spaces."""
    last = history[-width:] if width > 0 else ()
    scale = max(_MIN_SCALE, max(last, default=0.0))
    steps = len(_BARS)
    bars = (_BARS[min(steps - 1, int(value / scale * steps))] for value in last)
    return "".join(bars).rjust(width)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` in exactly `width` cells: padded, or cut with an ellipsis."""
    length = len(text) if text.isascii() else cell_len(text)
    if length == width:
        return text
    if length < width:
        return " " * (width - length) + text if right else text + " " * (width - length)
    if width <= 1:
        return "…"[:width]
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)


class StateStyle(NamedTuple):
    """How a state is shown: a glyph, a word and a style. Colour is never the only sign."""

    glyph: str
    word: str
    style: str


HOST_STYLES = {
    HostState.STARTING: StateStyle("◌", "starting", "busy"),
    HostState.BOOTSTRAPPING: StateStyle("◐", "bootstrapping", "busy"),
    HostState.READY: StateStyle("●", "ready", "good"),
    HostState.LOST: StateStyle("✕", "lost", "bad"),
    HostState.BACKING_OFF: StateStyle("↻", "backing off", "busy"),
    HostState.FAILED: StateStyle("✗", "failed", "bad"),
    HostState.STOPPED: StateStyle("○", "stopped", "faint"),
}
LISTENER_STYLES = {
    ListenerState.PENDING: StateStyle("◌", "pending", "busy"),
    ListenerState.BOUND: StateStyle("●", "bound", "good"),
    ListenerState.SHARED: StateStyle("◍", "shared", "good"),
    ListenerState.SERVED: StateStyle("◍", "served", "good"),
    ListenerState.FAILED: StateStyle("✗", "failed", "bad"),
}
STREAM_STYLES = {
    StreamState.OPENING: StateStyle("◌", "opening", "busy"),
    StreamState.OPEN: StateStyle("●", "open", "good"),
    StreamState.HALF_CLOSED: StateStyle("◐", "half-closed", "busy"),
    StreamState.CLOSED: StateStyle("○", "closed", "faint"),
}


_STYLE_NAMES = {
    "bold red": "bad",
    "red": "bad",
    "yellow": "busy",
    "bold yellow": "busy",
    "green": "good",
    "bold green": "good",
    "cyan": "accent",
    "magenta": "accent",
    "dim": "muted",
    "bold": "strong",
}
_CONSOLE = Console(width=80, color_system=None, markup=False, highlight=False, emoji=False)


def with_named_styles(text: Text) -> Text:
    """Return the text with Rich styles replaced by the names in `themes.STYLES`."""
    spans = [Span(start, end, _style_name(style)) for start, end, style in text.spans]
    return Text(text.plain, style=_style_name(text.style), spans=spans)


def _style_name(style: object) -> str:
    word = str(style)
    return _STYLE_NAMES.get(word, word if word in _KNOWN_STYLES else "text")


_KNOWN_STYLES = frozenset({*_STYLE_NAMES.values(), "text", "faint", "spark", "heading"})


def wrap(text: Text, width: int, indent: int = 2) -> list[Text]:
    """Return text with named styles as lines of at most `width` cells; later lines are indented."""
    if text.cell_len <= width:
        return [text]
    first, *_ = text.wrap(_CONSOLE, width, tab_size=4)
    rest = text[len(first.plain) :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
    first.rstrip()
    lines, margin = [first], " " * min(indent, width // 3)
    for line in rest.wrap(_CONSOLE, max(4, width - len(margin)), tab_size=4):
        line.rstrip()
        lines.append(Text.assemble(margin, line))
    return lines


def to_cells(text: Text) -> Iterator[Cell]:
    """Yield text with named styles as cells; where spans overlap, the last one counts.

    The author of the text has escaped what is unsafe. Anything left is replaced here.
    """
    base = str(text.style) or "text"
    marks = {0, len(text.plain), *(s.start for s in text.spans), *(s.end for s in text.spans)}
    places = sorted(mark for mark in marks if mark <= len(text.plain))
    for start, end in itertools.pairwise(places):
        style = base
        for span in text.spans:
            if span.start <= start and end <= span.end:
                style = str(span.style)
        part = text.plain[start:end]
        if not part.isprintable():
            part = "".join(char if char.isprintable() else PLACEHOLDER for char in part)
        yield Cell(part, style)


def to_content(lines: Iterable[Text]) -> Content:
    """Return lines of Rich text as Textual content, in the colours of the theme."""
    drawn = []
    for line in lines:
        parts = [(text, _COLOURS[style]) for text, style in to_cells(with_named_styles(line))]
        drawn.append(Content.assemble(*parts) if parts else Content(""))
    return Content("\n").join(drawn)


_COLOURS = {
    "text": "",
    "strong": "bold",
    "muted": "$foreground-muted",
    "faint": "$foreground-disabled",
    "accent": "$text-accent",
    "good": "$text-success",
    "busy": "$text-warning",
    "bad": "$text-error",
    "spark": "$primary",
    "heading": "$foreground-muted",
}
"""The styles of `style.tcss`, for text that is not drawn line by line."""
