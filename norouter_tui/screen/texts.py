"""Styled text of the faces with lines, as cells in the colours of this screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Span, Text
from textual.content import Content

from norouter_tui.screen.widgets.cells import NOTHING, Cell

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
