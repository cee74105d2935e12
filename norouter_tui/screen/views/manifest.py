"""The manifest tab: the text as it would be saved, with the differences to the file marked."""

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
from norouter_tui.output.units import count
from norouter_tui.screen.views.base import View
from norouter_tui.screen.widgets.cells import escape_line, wrap
from norouter_tui.screen.widgets.lines import TextLine, TextView

_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")
_STYLES = {"+": "good", "-": "bad", " ": "text"}


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """`sign` is `+` for an added line, `-` for a removed one, else a space."""

    place: int
    number: int | None
    sign: str
    text: str


def merge_diff(text: str, diff: str) -> list[ManifestLine]:
    """Return the lines of `text`, with additions marked and removed lines in their places.

    Args:
        text: the new text.
        diff: a unified diff from the old text to `text`.
    """
    lines = text.splitlines()
    gone, added = _changes(diff)
    rows: list[tuple[int | None, str, str]] = []
    for number in range(1, len(lines) + 2):
        rows += [(None, "-", line) for line in gone.get(number, ())]
        if number <= len(lines):
            rows.append((number, "+" if number in added else " ", lines[number - 1]))
    return [ManifestLine(place, *row) for place, row in enumerate(rows)]


def _changes(diff: str) -> tuple[dict[int, list[str]], set[int]]:
    """Return what a diff removes and adds.

    The removed lines come by the number of the new line that follows them; added lines as a set of
    numbers.
    """
    gone: dict[int, list[str]] = {}
    added: set[int] = set()
    number = 0
    for line in diff.splitlines():
        if found := _HUNK.match(line):
            # A hunk without new lines has the number of the line before it.
            number = int(found[1]) + (found[2] == "0")
        elif number and line.startswith("-"):
            gone.setdefault(number, []).append(line[1:])
        elif number and line.startswith("+"):
            added.add(number)
            number += 1
        elif number and not line.startswith("\\"):
            number += 1
    return gone, added


def _draw_line(row: ManifestLine, width: int) -> Iterator[TextLine]:
    """Yield a line with its number, wrapped to `width`."""
    margin = f"{row.number or '':>4} "
    for line in wrap(_style_line(row), width - len(margin), indent=6):
        yield TextLine(row.place, line, margin)
        margin = " " * len(margin)


def _style_line(row: ManifestLine) -> Text:
    style = _STYLES[row.sign]
    text = escape_line(row.text)
    if row.sign == " " and text.lstrip().startswith("#"):
        return Text.assemble("  ", (text, "muted"))
    key, colon, rest = text.partition(":")
    if row.sign == " " and colon and " " not in key.strip().removeprefix("- "):
        return Text.assemble("  ", (key + colon, "heading"), rest)
    return Text.assemble((f"{row.sign} ", style), (text, style))


class ManifestView(View):
    """The manifest."""

    title = "Manifest"

    class TextsNeeded(Message):
        """The texts are out of date: the app should call `show_texts`."""

    def __init__(self, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # what every widget takes
        self._shown: tuple[MeshSpec, DocumentState] | None = None
        self._lines: list[ManifestLine] = []

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
        """Ask for the texts again if they may have changed."""
        now = (snapshot.spec, snapshot.document)
        if self._shown is None or self._shown[1] != now[1] or self._shown[0] is not now[0]:
            self._shown = now
            self.post_message(self.TextsNeeded())

    def show_texts(self, text: str, diff: str) -> None:
        """Show a manifest, and its differences to the file."""
        self._lines = rows = merge_diff(text, diff)
        self._draw()
        changed = sum(row.sign != " " for row in rows)
        self.set_note(f"{count(changed, 'changed line')}" if changed else "no unsaved changes")

    def _draw(self) -> None:
        width = max(20, self.lines.scrollable_content_region.width - 1)
        drawn = (line for row in self._lines for line in _draw_line(row, width))
        self.lines.show(replace(line, number=i) for i, line in enumerate(drawn))

    def on_resize(self) -> None:
        """Wrap the lines to the new width."""
        self._draw()
