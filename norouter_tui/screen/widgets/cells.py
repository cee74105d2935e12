"""How values look in a cell: short texts of a bounded width, and the name of a style."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Span, Text
from textual.content import Content

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


_NAMES = {
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


def translated(text: Text) -> Text:
    """The same text, its styles by the names of `themes.STYLES`."""
    spans = [Span(start, end, _name(style)) for start, end, style in text.spans]
    return Text(text.plain, style=_name(text.style), spans=spans)


def _name(style: object) -> str:
    word = str(style)
    return _NAMES.get(word, word if word in _KNOWN else "text")


_KNOWN = frozenset({*_NAMES.values(), "text", "faint", "spark", "heading"})


def wrapped(text: Text, width: int, indent: int = 2) -> list[Text]:
    """A translated text in lines of at most `width` cells, the following ones indented."""
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


def cells(text: Text) -> Iterator[Cell]:
    """A translated text as cells; of spans that overlap the last one counts. What steers a terminal
    has been escaped by whoever wrote the text; should some be left, it is not let through."""
    base = str(text.style) or "text"
    marks = {0, len(text.plain), *(s.start for s in text.spans), *(s.end for s in text.spans)}
    places = sorted(mark for mark in marks if mark <= len(text.plain))
    for start, end in zip(places, places[1:], strict=False):
        style = base
        for span in text.spans:
            if span.start <= start and end <= span.end:
                style = str(span.style)
        part = text.plain[start:end]
        if not part.isprintable():
            part = "".join(char if char.isprintable() else NOTHING for char in part)
        yield Cell(part, style)


def content(lines: Iterable[Text]) -> Content:
    """Lines of styled text as content, in the colours of the theme."""
    drawn = []
    for line in lines:
        parts = [(text, _COLOURS[style]) for text, style in cells(translated(line))]
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
"""The styles of `style.tcss` where text is not drawn line by line."""
