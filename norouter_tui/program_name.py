"""How to call these programs, for lines that the user may copy."""

from __future__ import annotations

import os
import shlex
import shutil
import sys


def command_for(program: str = "norouter") -> str:
    """Return `program` as it can be typed here: its name if PATH leads to it, else its path."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), program)
    if not os.access(beside, os.X_OK):
        beside = os.path.join(os.path.dirname(sys.executable), program)
    found = shutil.which(program)
    if found is not None and os.path.realpath(found) == os.path.realpath(beside):
        return program
    if not os.access(beside, os.X_OK):
        module = "norouter_tui" if program == "norouter" else "norouter_tui.cli.screen_entry"
        return f"{shlex.quote(sys.executable)} -m {module}"
    near = os.path.relpath(beside)
    return shlex.quote(beside if near.startswith(os.pardir) else near)
