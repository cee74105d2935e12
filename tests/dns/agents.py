"""An agent whose machine resolves names of its own: `agents.py norouter agent --automated`."""

from __future__ import annotations

import sys

from norouter_core.agent import resolve
from norouter_core.agent.main import main

NAMES = {
    "db.corp": ["198.51.100.7", "2001:db8::7", "198.51.100.8"],
    "here.corp": ["127.0.0.1"],
}
"""Addresses of nobody (RFC 5737, RFC 3849), and one that is everybody's own."""
SILENT = "silent.corp"


def look_up(name: str) -> tuple[list[str], str]:
    if name == SILENT:
        return [], resolve.TRY_AGAIN
    found = NAMES.get(name.lower(), [])
    return found, "" if found else "Name or service not known"


if __name__ == "__main__":
    resolve.look_up = look_up
    sys.exit(main(sys.argv[-1:]))
