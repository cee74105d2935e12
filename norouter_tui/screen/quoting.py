"""Words for command lines."""

from __future__ import annotations

import shlex


def word(text: str) -> str:
    """`text` as one word of a command line."""
    return shlex.quote(text)
