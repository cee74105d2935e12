"""The line at the bottom of the REPL: live totals of the mesh."""

from __future__ import annotations

import os

from prompt_toolkit.formatted_text import StyleAndTextTuples
from rich.cells import cell_len

from norouter_core.sanitize import escape
from norouter_core.session.client import Summary
from norouter_tui.output.units import count, size

_BETWEEN = " | "


def toolbar(summary: Summary | None, width: int, mode: str = "") -> StyleAndTextTuples:
    """The toolbar as styled fragments that fit into `width` columns; what matters least goes first.

    Args:
        mode: of the line editor, where it has modes to tell apart.
    """
    parts = [("class:mode", mode)] if mode else []
    parts += _parts(summary) if summary is not None else []
    shown: StyleAndTextTuples = []
    left = width - 1
    for style, text in parts:
        between = _BETWEEN if shown else " "
        left -= cell_len(between) + cell_len(text)
        if left < 0:
            break
        shown += [("", between), (style, text)]
    return shown


def _parts(summary: Summary) -> list[tuple[str, str]]:
    document = summary.document
    name = escape(os.path.basename(document.path)) if document.path else "no file"
    parts = [("class:unsaved", f"{name}, unsaved") if document.unsaved else ("", name)]
    all_ready = summary.ready == summary.hosts
    hosts = f"{summary.ready}/{count(summary.hosts, 'host')} ready"
    parts.append(("class:ready" if all_ready else "class:waiting", hosts))
    if summary.failed:
        parts.append(("class:failed", f"{summary.failed} failed"))
    parts.append(("", count(summary.streams, "stream")))
    rate = summary.rate
    parts.append(("", f"sent {size(rate.sent)}/s received {size(rate.received)}/s"))
    if document.undo:
        parts.append(("", f"undo: {escape(document.undo)}"))
    return parts
