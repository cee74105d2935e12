"""How a command is called in the history, and in a list of what is unsaved."""

from __future__ import annotations

import re

from norouter_core.sanitize import strip_line

_LONGEST = 120
_SECRET = re.compile(r"""(--auth[=\s]+)(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+""")


def history_name(line: str) -> str:
    """A line as one short, printable text, without passwords."""
    name = strip_line(" ".join(_SECRET.sub(r"\1***", line).split()))
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
