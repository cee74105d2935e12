"""The manifest as it would be saved, with what differs from the file marked in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.text import Text
from textual.app import ComposeResult
from textual.message import Message
from textual.widget import Widget

from norouter_core.model import MeshSpec
from norouter_core.session.client import DocumentState, Snapshot
from norouter_tui.output.text import count
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import tidy, wrapped
from norouter_tui.screen.widgets.lines import TextLine, TextView

_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_STYLES = {"+": "good", "-": "bad", " ": "text"}


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """`sign` is `+` for a line that would be new, `-` for one that would go, else a space."""

    place: int
    number: int | None
    sign: str
    text: str


def merged(text: str, diff: str) -> list[ManifestLine]:
    """The lines of `text`, with those that `diff` (a unified diff that leads to it) adds marked,
    and those that it takes away in their places."""
    lines = text.splitlines()
    gone, added = _changes(diff)
    rows: list[tuple[int | None, str, str]] = []
    for number in range(1, len(lines) + 2):
        rows += [(None, "-", line) for line in gone.get(number, ())]
        if number <= len(lines):
            rows.append((number, "+" if number in added else " ", lines[number - 1]))
    return [ManifestLine(place, *row) for place, row in enumerate(rows)]


def _changes(diff: str) -> tuple[dict[int, list[str]], set[int]]:
    """Lines that go, by the number of the line of the new text before which they stood; and the
    numbers of those that are new."""
    gone: dict[int, list[str]] = {}
    added: set[int] = set()
    number = 0
    for line in diff.splitlines():
        if found := _HUNK.match(line):
            # Of a hunk without new lines the number is that of the line before it.
            number = int(found[1]) + (found[2] == "0")
        elif number and line.startswith("-"):
            gone.setdefault(number, []).append(line[1:])
        elif number and line.startswith("+"):
            added.add(number)
            number += 1
        elif number and not line.startswith("\\"):
            number += 1
    return gone, added


def _drawn(row: ManifestLine, width: int) -> Iterator[TextLine]:
    """A line with its number; what is too long for `width` goes on in the next one."""
    margin = f"{row.number or '':>4} "
    for line in wrapped(_coloured(row), width - len(margin), indent=6):
        yield TextLine(row.place, line, margin)
        margin = " " * len(margin)


def _coloured(row: ManifestLine) -> Text:
    style = _STYLES[row.sign]
    text = tidy(row.text)
    if row.sign == " " and text.lstrip().startswith("#"):
        return Text.assemble("  ", (text, "muted"))
    key, colon, rest = text.partition(":")
    if row.sign == " " and colon and " " not in key.strip().removeprefix("- "):
        return Text.assemble("  ", (key + colon, "heading"), rest)
    return Text.assemble((f"{row.sign} ", style), (text, style))


class ManifestView(View):
    """The tab of the manifest."""

    title = "Manifest"

    class Wanted(Message):
        """The texts are out of date: `show_texts` is to be called."""

    def __init__(self, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # what every widget takes
        self._shown: tuple[MeshSpec, DocumentState] | None = None
        self._merged: list[ManifestLine] = []

    def compose(self) -> ComposeResult:
        view = TextView(id="manifest-lines")
        view.empty = "An empty mesh."
        yield view

    @property
    def lines(self) -> TextView:
        return self.query_one(TextView)

    @property
    def focus_target(self) -> Widget:
        return self.lines

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Asks for the texts anew where they may have changed."""
        now = (snapshot.spec, snapshot.document)
        if self._shown is None or self._shown[1] != now[1] or self._shown[0] is not now[0]:
            self._shown = now
            self.post_message(self.Wanted())

    def show_texts(self, text: str, diff: str) -> None:
        """Shows a manifest, and what of it differs from the file."""
        self._merged = rows = merged(text, diff)
        self._draw()
        changed = sum(row.sign != " " for row in rows)
        self.set_note(f"{count(changed, 'line')} to save" if changed else "nothing to save")

    def _draw(self) -> None:
        width = max(20, self.lines.scrollable_content_region.width - 1)
        drawn = (line for row in self._merged for line in _drawn(row, width))
        self.lines.show(replace(line, number=i) for i, line in enumerate(drawn))

    def on_resize(self) -> None:
        """Wraps the lines anew."""
        self._draw()
