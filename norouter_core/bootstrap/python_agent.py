"""An agent that travels: sent over the pipe to a Python that a bare shell finds.

Stage 0 is one line of POSIX shell. It collects the Pythons that the host has and becomes the
first of them. Stage 1 is a few lines of Python (2.7 and newer, so that an old one can report that
it is too old). It checks version and modules, and either execs the next Python or prints a marker
with the nonce and waits for the agent. The hub sends the agent only after the marker, because a
shell that reads ahead would swallow it.
"""

from __future__ import annotations

import json
import secrets
from importlib.resources import files

from norouter_core.bootstrap.base import Bootstrap, Exchange, Progress, Stdio
from norouter_core.bootstrap.bundle import Bundle, bundle
from norouter_core.bootstrap.handshake import ACK, Hello, MarkerSearch
from norouter_core.exec_commands.problem import Stage
from norouter_core.timing import Timing

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

BLOCK = 4 * 1024
"""Bytes of the agent that stage 1 answers with an `ACK`: a few seconds on the slowest links."""

_LAUNCH = 'import os;exec(os.environ["NOROUTER_STAGE1"])'


class PythonAgent(Bootstrap):
    """Sends the agent to a shell; the host needs `sh` and any Python 3.8 or newer."""

    def __init__(
        self, argv: tuple[str, ...], timing: Timing, pythons: tuple[str, ...] = PYTHONS
    ) -> None:
        self.argv = argv
        self._timing = timing
        self._pythons = pythons

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self.argv, stdio, progress)
        agent, nonce = bundle(), secrets.token_hex(8)
        line = stage0(nonce, agent, self._pythons)
        exchange.enter(Stage.SHELL)
        await stdio.send(line)
        await exchange.search(MarkerSearch(marker(nonce), line), self._timing.shell)
        exchange.enter(Stage.PYTHON)
        first = await exchange.send_whole(payload(agent), BLOCK, self._timing.transfer)
        return await exchange.read_hello(first, self._timing.hello)


def marker(nonce: str) -> bytes:
    """Return what stage 0 or 1 prints before `go`, or before `none:` and a report.

    It is no part of the line itself, so the echo of a TTY is not mistaken for it.
    """
    return f"NOROUTER:{nonce}:".encode()


def stage0(nonce: str, bundle: Bundle, pythons: tuple[str, ...] = PYTHONS) -> bytes:
    """Return the line for the shell, with its newline; `nonce` is of letters and digits."""
    text = files(__package__).joinpath("stage1.py.txt").read_text("utf-8")
    text = text.replace("MODULES", ", ".join(bundle.stdlib)).replace("LAUNCH", json.dumps(_LAUNCH))
    text = text.replace("BLOCK", str(BLOCK)).replace("ACK", json.dumps(ACK.decode()))
    # A double-quoted JSON string is also a Python string, and keeps the line one line.
    stage1 = f"exec({json.dumps(text)})"
    assert "'" not in stage1, "stage 1 travels between single quotes"
    line = (
        f'for p in {" ".join(pythons)}; do q=$(command -v $p) && set -- "$@" "$q"; done; '
        f"if [ $# -gt 0 ]; then NOROUTER_STAGE1='{stage1}'; export NOROUTER_STAGE1; "
        f"exec \"$1\" -c '{_LAUNCH}' norouter-agent {nonce} '' \"$@\"; "
        f"else printf 'NOROUTER:%s:%s\\n' {nonce} 'none:no python'; fi; exit 3\n"
    )
    return line.encode()


def payload(bundle: Bundle) -> bytes:
    """Return what follows the marker: the length as 8 hex digits, then the program.

    Stage 1 answers each `BLOCK` of it with an `ACK`, and the last one, which may be shorter.
    """
    return b"%08x" % len(bundle.program) + bundle.program
