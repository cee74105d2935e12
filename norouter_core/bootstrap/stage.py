"""The line that is written to the host's shell, and the first stage that it starts.

Stage 0 is one line of POSIX shell: it collects the Pythons that the host has and becomes the first.
Stage 1 is a few lines of Python (2.7 and up, so that an old one can say that it is too old): it
checks version and modules, goes on to the next Python where that fails, and else prints a marker
with the nonce and waits for the agent. Only after the marker does the hub send more: a shell
that reads ahead would swallow it.
"""

from __future__ import annotations

import json
from importlib.resources import files

from norouter_core.bootstrap.bundle import Bundle

PYTHONS = (
    "python3",
    *(f"python3.{minor}" for minor in range(14, 7, -1)),
    "python",
    "pypy3",
    "/usr/local/bin/python3",
    "/usr/bin/python3",
    "/opt/homebrew/bin/python3",
)
"""What stage 0 looks for, in order."""

_LAUNCH = 'import os;exec(os.environ["NOROUTER_STAGE1"])'


def marker(nonce: str) -> bytes:
    """What stage 0 or 1 prints, followed by `go` or by `none:` and a report. It stands nowhere
    in the line itself, so a terminal's echo is not mistaken for it."""
    return f"NOROUTER:{nonce}:".encode()


def stage0(nonce: str, bundle: Bundle) -> bytes:
    """The line, with its newline. `nonce` is a word of letters and digits."""
    text = files(__package__).joinpath("stage1.py.txt").read_text("utf-8")
    text = text.replace("MODULES", ", ".join(bundle.stdlib)).replace("LAUNCH", json.dumps(_LAUNCH))
    # A double-quoted JSON string is a Python string as well, and keeps the line one line.
    stage1 = f"exec({json.dumps(text)})"
    assert "'" not in stage1, "stage 1 travels between single quotes"
    line = (
        f'for p in {" ".join(PYTHONS)}; do q=$(command -v $p) && set -- "$@" "$q"; done; '
        f"if [ $# -gt 0 ]; then NOROUTER_STAGE1='{stage1}'; export NOROUTER_STAGE1; "
        f"exec \"$1\" -c '{_LAUNCH}' norouter-agent {nonce} '' \"$@\"; "
        f"else printf 'NOROUTER:%s:%s\\n' {nonce} 'none:no python'; fi; exit 3\n"
    )
    return line.encode()


def payload(bundle: Bundle) -> bytes:
    """What follows the marker: the length as 8 hex digits, then the program."""
    return b"%08x" % len(bundle.program) + bundle.program
