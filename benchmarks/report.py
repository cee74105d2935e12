"""The table, the marks and the notes: for a terminal, for a pipe, and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from benchmarks.results import Mark, Results, marks

_RATIOS = (
    ("ours/direct", "ours", "direct"),
    ("ours/ssh", "ours", "ssh"),
    ("ours/gcm", "ours", "ssh-gcm"),
    ("r-r/direct", "ours-rr", "direct"),
    ("native/ours", "native", "ours"),
    ("native-rr/ours-rr", "native-rr", "ours-rr"),
)


def figure(value: float | None, digits: int = 3) -> str:
    """`value` with about three significant digits and no exponent; `-` for None."""
    if value is None:
        return "-"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value:.{min(decimals, digits)}f}"


def table(results: Results, titles: dict[str, str]) -> list[list[str]]:
    """Header and rows. `titles` maps the paths, in order, to the titles of their columns."""
    ratios = [(head, a, b) for head, a, b in _RATIOS if a in titles and b in titles]
    lines = [["", "", *titles.values(), *(head for head, _, _ in ratios)]]
    for row in results.measured():
        cells = [figure(results.median(row.key, path)) for path in titles]
        for _, ours, other in ratios:
            cells.append(figure(results.ratio(row.key, ours, other) if row.ratio else None))
        lines.append([row.label, row.unit, *cells])
    return lines


def marks_table(found: Sequence[Mark]) -> list[list[str]]:
    lines = [["first mark, local to remote", "wanted", "measured", ""]]
    for mark in found:
        wanted = (">= " if mark.at_least else "< ") + figure(mark.wanted)
        lines.append([mark.text, wanted, figure(mark.measured), mark.verdict])
    return lines


def plain(lines: list[list[str]], left: int) -> str:
    """Aligned text; the first `left` columns are text, the others figures."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    said = []
    for line in lines:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        said.append("  ".join(cells).rstrip())
    return "\n".join(said)


def show(results: Results, titles: dict[str, str], about: str) -> None:
    """Print everything on standard output: coloured on a terminal, plain text elsewhere."""
    found = [mark for mark in marks(results) if mark.measured is not None]
    tables = [(table(results, titles), 2)] + ([(marks_table(found), 1)] if found else [])
    if sys.stdout.isatty():
        _show_rich(tables, about)
    else:
        print(about)
        for lines, left in tables:
            print("\n" + plain(lines, left))
    if results.notes:
        print("\nnotes:")
        for note in results.notes:
            print(f"- {note}")


def _show_rich(tables: list[tuple[list[list[str]], int]], about: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "missed": "bold red"}
    console = Console()
    console.print(Text(about, style="dim"))
    for lines, left in tables:
        shown = Table(box=None, header_style="bold", padding=(0, 1))
        for i, head in enumerate(lines[0]):
            shown.add_column(head, justify="left" if i < left else "right", overflow="fold")
        for line in lines[1:]:
            shown.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in line))
        console.print()
        console.print(shown)


def to_json(results: Results, titles: dict[str, str], about: dict[str, Any]) -> dict[str, Any]:
    """All runs, medians, marks and notes as plain JSON values."""
    rows = []
    for row in results.measured():
        values = {
            path: {"median": results.median(row.key, path), "runs": results.runs(row.key, path)}
            for path in titles
            if results.runs(row.key, path)
        }
        rows.append({"key": row.key, "label": row.label, "unit": row.unit, "paths": values})
    return {
        "about": about,
        "rows": rows,
        "marks": [mark.to_json() for mark in marks(results)],
        "notes": results.notes,
    }


def write_json(file: str, values: dict[str, Any]) -> None:
    """Write the figures; raise OSError if `file` cannot be written."""
    FilePath(file).write_text(json.dumps(values, indent=2) + "\n")
