"""Calls out of lines."""

from __future__ import annotations

from norouter_core.commands.call import Call
from norouter_core.commands.parser import parse


def call(line: str) -> Call:
    """Return the call that a line is."""
    parsed = parse(line)
    assert parsed is not None, line
    return parsed.call
