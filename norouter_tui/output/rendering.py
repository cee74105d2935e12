"""Outputs of commands: lines for a terminal, plain text for a pipe, JSON for a program."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from norouter_core.commands.results import (
    Bytes,
    Column,
    Diff,
    Failure,
    Lines,
    Output,
    Table,
    Unit,
)
from norouter_core.sanitize import escape
from norouter_tui.output.json_lines import encode
from norouter_tui.output.units import count, seconds, size

MAX_ROWS = 500
"""Rows that a terminal shows; a pipe gets all of them."""

_RIGHT = frozenset({Unit.NUMBER, Unit.BYTES, Unit.RATE, Unit.SECONDS})
_STATE_STYLES = {
    **dict.fromkeys(("ready", "bound", "shared", "served", "open"), "green"),
    **dict.fromkeys(("starting", "bootstrapping", "backing off", "pending", "opening"), "yellow"),
    **dict.fromkeys(("lost", "failed"), "bold red"),
    **dict.fromkeys(("stopped", "closed", "half-closed"), "dim"),
}
_DIFF_STYLES = (("+++", "bold"), ("---", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red"))


def lines(
    output: Lines | Table | Diff, width: int | None, layout: list[int] | None = None
) -> list[Text]:
    """Return an output as lines in which untrusted text is escaped.

    Args:
        width: of the terminal in columns; None for a pipe, where lines are as long as they are.
        layout: see `table_lines`.
    """
    match output:
        case Lines(text=text):
            return [Text(escape(line)) for line in text.split("\n")]
        case Diff(text=text):
            return diff_lines(text)
        case Table():
            return table_lines(output, width, layout)


def diff_lines(diff: str) -> list[Text]:
    """Return a unified diff in colour."""
    return [Text(escape(line), style=_diff_style(line)) for line in diff.splitlines()]


def _diff_style(line: str) -> str:
    return next((style for sign, style in _DIFF_STYLES if line.startswith(sign)), "")


def table_lines(table: Table, width: int | None, layout: list[int] | None = None) -> list[Text]:
    """Return a table as lines that fit into `width`; text that is too long is continued below.

    Where the terminal is too narrow for that, the last columns of text stand below each row, as
    `Title: value`; where it is too narrow for the others as well, all of them do.

    Args:
        layout: the widths of the columns. An empty one is filled in; given again with a table that
            goes on with the last one, its rows stand below the others, without titles.
    """
    rows = [[cell(x, row.get(x.key)) for x in table.columns] for row in table.rows]
    layout = [] if layout is None else layout
    if width is None:
        return _plain_rows(table.columns, rows, layout)
    if not rows:
        return [Text(f"no {escape(table.name)}", style="dim")]
    more = len(rows) - MAX_ROWS
    del rows[MAX_ROWS:]
    goes_on = bool(layout)
    layout[:] = _least_widths(table.columns, rows, layout)
    beside = _beside(table.columns, layout, width)
    if beside == len(layout):
        drawn = _grid(table.columns, rows, layout, width, titles=not goes_on)
    elif beside:
        drawn = _with_notes(table.columns, rows, layout[:beside], width, titles=not goes_on)
    else:
        drawn = _records(table.columns, rows)
    if more > 0:
        drawn.append(Text(f"... and {count(more, 'row')} more", style="dim"))
    return drawn


_GAP = 2
_LEAST = 12
"""Columns that a text needs to be read at all when it is wrapped."""


def _least_widths(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], before: Sequence[int]
) -> list[int]:
    natural = [
        max(cell_len(column.title), *(row[at].cell_len for row in rows), *before[at : at + 1])
        for at, column in enumerate(columns)
    ]
    return [
        min(width, _LEAST) if column.unit is Unit.TEXT else width
        for column, width in zip(columns, natural, strict=True)
    ]


def _beside(columns: Sequence[Column], least: Sequence[int], width: int) -> int:
    """How many columns stand beside each other: all but some of text at the end; 0 for none."""
    number = len(columns)
    while sum(least[:number]) + _GAP * (number - 1) > width:
        number -= 1
        if number < _FEWEST or columns[number].unit is not Unit.TEXT:
            return 0
    return number


_FEWEST = 3


def _with_notes(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Text]],
    least: Sequence[int],
    width: int,
    *,
    titles: bool,
) -> list[Text]:
    """Draw rows of the first columns, and below each its values in the others."""
    beside = len(least)
    whole = [max(need, *(row[at].cell_len for row in rows)) for at, need in enumerate(least)]
    widths = whole if sum(whole) + _GAP * (beside - 1) <= width else least
    width = sum(widths) + _GAP * beside
    drawn: list[Text] = []
    for number, row in enumerate(rows):
        first = titles and number == 0
        drawn += _grid(columns[:beside], [row[:beside]], widths, width, titles=first)
        notes = zip(columns[beside:], row[beside:], strict=True)
        drawn += [_titled("  ", column, text) for column, text in notes if text]
    return drawn


def _titled(indent: str, column: Column, text: Text) -> Text:
    return Text.assemble(indent, (f"{column.title}: ", "bold"), text)


def _grid(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Text]],
    least: Sequence[int],
    width: int,
    *,
    titles: bool,
) -> list[Text]:
    grid = Grid(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    grid.show_header = titles
    for column, need in zip(columns, least, strict=True):
        grid.add_column(
            column.title,
            justify="right" if column.unit in _RIGHT else "left",
            no_wrap=column.unit is not Unit.TEXT,
            overflow="fold",
            min_width=need,
        )
    for row in rows:
        grid.add_row(*row)
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    drawn = []
    for segments in console.render_lines(grid, pad=False):
        line = Text.assemble(*((part.text, part.style or "") for part in segments))
        line.rstrip()
        drawn.append(line)
    return drawn


def _records(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> list[Text]:
    drawn: list[Text] = []
    for row in rows:
        filled = [(column, text) for column, text in zip(columns, row, strict=True) if text]
        for column, text in filled:
            drawn.append(_titled("" if column is filled[0][0] else "  ", column, text))
    return drawn


def _plain_rows(
    columns: Sequence[Column], cells: Sequence[Sequence[Text]], layout: list[int]
) -> list[Text]:
    """Aligned columns, two spaces apart; with the titles also where no row is, so that a script
    can skip them.
    """
    rows = [[text.plain for text in row] for row in cells]
    if not layout:
        rows.insert(0, [column.title for column in columns])
    for at, texts in enumerate(zip(*rows, strict=True)):
        layout[at : at + 1] = [max(*layout[at : at + 1], 0, *map(cell_len, texts))]
    rights = [column.unit in _RIGHT for column in columns]
    padded = (map(_pad, row, layout, rights) for row in rows)
    return [Text((" " * _GAP).join(row).rstrip()) for row in padded]


def _pad(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def cell(column: Column, value: Any) -> Text:
    """Return a value of a table as text; empty for None."""
    if value is None:
        return Text("")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and column.unit in _FORMATS:
        return Text(_FORMATS[column.unit](value))
    text = escape(_words(value))
    style = _STATE_STYLES.get(text.partition(",")[0], "") if column.unit is Unit.STATE else ""
    return Text(text, style=style)


_FORMATS: dict[Unit, Callable[[float], str]] = {
    Unit.BYTES: size,
    Unit.RATE: lambda value: f"{size(value)}/s",
    Unit.SECONDS: seconds,
}


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return json.dumps(value) if isinstance(value, Mapping) else str(value)


def json_lines(output: Output) -> Iterator[str]:
    """Yield an output as lines of ASCII JSON: the rows of a table, or the output itself."""
    match output:
        case Table(rows=rows):
            yield from map(encode, rows)
        case Lines(text=text):
            yield encode({"text": text})
        case Diff(text=text):
            yield encode({"diff": text})
        case Bytes(source=source, data=data):
            yield encode({"source": source, "base64": base64.b64encode(data).decode()})


def failure_lines(failure: Failure, line: str = "", column: int = 0, where: str = "") -> list[Text]:
    """Return why a command failed: the message, the place in the line as typed, what to do.

    Args:
        line: The command as typed.
        column: The 1-based place in it to point at; 0 for none.
        where: Goes before the message, `script.nr:3:7`, say.
    """
    head = Text.assemble(f"{escape(where)}: " if where else "", (escape(failure.message), "red"))
    result = [head]
    if column and line:
        result += pointed(line, column)
    if failure.hint:
        result.append(Text.assemble(("  hint: ", "bold"), escape(failure.hint)))
    return result


def pointed(line: str, column: int) -> list[Text]:
    """`line` and a caret below its 1-based `column`."""
    before = escape(line[: column - 1]).replace("\t", " ")
    shown = before + escape(line[column - 1 :]).replace("\t", " ")
    return [Text(f"  {shown}"), Text(f"  {' ' * cell_len(before)}^", style="bold red")]
