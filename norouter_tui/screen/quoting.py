"""Words for command lines."""

from __future__ import annotations

import shlex


def word(text: str) -> str:
    """`text` as one word of a command line, and as no option of a verb."""
    quoted = shlex.quote(text)
    return f"'{quoted}'" if quoted.startswith("--") else quoted
