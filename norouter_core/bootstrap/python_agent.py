"""An agent that travels: sent over the pipe to a Python that a bare shell finds.

Stage 0 is one line of POSIX shell. It looks for Pythons, runs stage 1 in each one as a probe, and
becomes the first one that passes. It reports the others with their exit statuses. Stage 1 is a few
lines of Python, old Python included. It checks version and modules. Unless this is a probe, it then
prints a marker with the nonce and waits for the agent. The hub sends the agent only after the
marker, because a shell that reads ahead would swallow it. If the hub goes away meanwhile, as when a
start is interrupted, stage 1 exits without a word.

Every Python runs isolated (`-I -S`): `PYTHON*` variables, modules of the working directory or of a
user, and `sitecustomize` have no effect on the agent.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shlex
from dataclasses import replace
from importlib.resources import files

from norouter_core.bootstrap.base import Bootstrap, Exchange, Progress, StartFailed, Stdio, Step
from norouter_core.bootstrap.bundle import Bundle, bundle
from norouter_core.bootstrap.handshake import ACK, Hello, MarkerSearch
from norouter_core.exec_commands.problem import NO_PYTHON, Stage
from norouter_core.timing import Timing

NAMES = (
    "python3",
    *(f"python3.{minor}" for minor in range(14, 7, -1)),
    "python",
    "pypy3",
    "platform-python",
)
"""What a Python may be called, in the order in which each directory is searched."""

DIRECTORIES = (
    "$PATH",
    "${VIRTUAL_ENV:-}/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/opt/*/bin",
    "/venv/bin",
    "/app/.venv/bin",
    "/usr/libexec",
    "/run/current-system/sw/bin",
    "/usr/pkg/bin",
    *(
        f"${{HOME:-}}/{directory}"
        for directory in (
            ".local/bin",
            ".nix-profile/bin",
            "miniconda3/bin",
            "anaconda3/bin",
            ".pyenv/versions/*/bin",
            ".pyenv/shims",
            ".asdf/shims",
        )
    ),
)
"""Where stage 0 looks, in order, as the shell expands it. Directories that end in `/shims` come
last: their programs are slow, and only choose among Pythons in other directories."""

BLOCK = 4 * 1024
"""Bytes of the agent that stage 1 answers with an `ACK`: a few seconds on the slowest links."""

_LAUNCH = 'import os;exec(os.environ["NOROUTER_STAGE1"])'
_OLD, _MISSING = 80, 90
"""The exit statuses of a probe: too old, plus the minor version; and a missing module, plus its
index. They lie between those that programs use and those of shells (126 and up)."""
_STATUSES = {
    2: "does not know the option -I, as Python 2 (exit status 2)",
    126: "cannot be executed (exit status 126)",
    127: "does not run: a program or library that it needs is missing (exit status 127)",
}


class PythonAgent(Bootstrap):
    """Sends the agent to a shell; the host needs `sh` and any Python 3.8 or newer.

    With `python`, a path or a name, only that Python may run the agent. If no Python works, the
    shell ends, or, with `stays`, goes on reading its stdin.
    """

    _begins = Stage.SHELL

    def __init__(
        self,
        argv: tuple[str, ...],
        timing: Timing,
        directories: tuple[str, ...] = DIRECTORIES,
        *,
        python: str = "",
        stays: bool = False,
    ) -> None:
        self.argv = argv
        self._timing = timing
        self._python = python
        self._search = _try(python) if python else search_line(directories)
        self._stays = stays

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self.argv, stdio, progress)
        exchange.enter(self._begins)
        # The first time, it takes as long as the command takes to start.
        agent, nonce = await asyncio.to_thread(bundle), secrets.token_hex(8)
        line = self._line(nonce, agent)
        search = MarkerSearch(marker(nonce), line)
        await stdio.send(line)
        repeating = asyncio.create_task(self._repeat(stdio, line, search, progress))
        try:
            await exchange.search(search, self._timing.shell)
        except StartFailed as failure:
            if not failure.evidence.report:
                raise
            report = failure.evidence.report
            if self._python and report == NO_PYTHON:
                report = f"{self._python}: not found"
            report = _explain(report, agent, self._timing.probe)
            raise StartFailed(replace(failure.evidence, report=report)) from None
        finally:
            repeating.cancel()
            # Not by `gather`: cancelled itself, it would raise the cancellation of that task, which
            # no cancel scope takes for its own.
            await asyncio.wait([repeating])
        exchange.enter(Stage.PYTHON)
        first = await exchange.send_whole(payload(agent), BLOCK, self._timing.transfer)
        return await exchange.read_hello(first, self._timing.hello)

    async def _repeat(
        self, stdio: Stdio, line: bytes, search: MarkerSearch, progress: Progress
    ) -> None:
        """Write the line again, once, to a command that prints nothing.

        A start-up file may have read the first one. What prints something may be asking for a
        password, and would take the line for one.
        """
        await asyncio.sleep(self._timing.silence)
        if not (search.has_input or stdio.stderr or stdio.limits.are_paused):
            note = "no answer: writing the line again, in case a start-up file has read it"
            progress(Step(Stage.SHELL, note=note))
            await stdio.send(line)

    def _line(self, nonce: str, bundle: Bundle) -> bytes:
        return stage0(nonce, bundle, self._timing.probe, self._search, self._stays)


class InterpreterAgent(PythonAgent):
    """Sends the agent to a Python that the command itself runs; the host needs no `sh`."""

    _begins = Stage.INTERPRETER

    async def _repeat(
        self, stdio: Stdio, line: bytes, search: MarkerSearch, progress: Progress
    ) -> None:
        """Do nothing: a Python has no start-up files that read stdin."""

    def _line(self, nonce: str, bundle: Bundle) -> bytes:
        arguments = ["norouter-agent", nonce]
        return f"import sys; sys.argv[1:] = {arguments}; {_stage1(bundle)}\n".encode()


def marker(nonce: str) -> bytes:
    """Return what stage 0 or 1 prints before `go`, or before `none:` and a report.

    It is no part of the line itself, so the echo of a TTY is not mistaken for it.
    """
    return f"NOROUTER:{nonce}:".encode()


def stage0(
    nonce: str,
    bundle: Bundle,
    limit: float,
    search: str,
    stays: bool = False,
) -> bytes:
    """Return the line for the shell, with its newline; `nonce` is of letters and digits.

    `search` calls the function `try` with each Python. A Python that takes more than `limit`
    seconds for a probe is passed over.
    """
    line = _fill(
        "stage0.sh.txt",
        launch=_LAUNCH,
        stage1=_stage1(bundle),
        search=search,
        none=NO_PYTHON,
        seconds=f"{limit:g}",
        nonce=nonce,
        exit="" if stays else "exit 3",
    )
    return (line.replace("\n", " ").strip() + "\n").encode()


def search_line(directories: tuple[str, ...] = DIRECTORIES) -> str:
    """Return what has stage 0 try each Python in these directories."""
    names = " ".join(NAMES)
    return _fill("search.sh.txt", names=names, directories=":".join(directories)).strip()


def _try(python: str) -> str:
    """Return what has stage 0 try one Python only."""
    home, path = ('"$HOME"', python[1:]) if python.startswith("~/") else ("", python)
    word = home + shlex.quote(path)
    return f'try "$(command -v {word} || echo {word})"'


def _stage1(bundle: Bundle) -> str:
    text = _fill(
        "stage1.py.txt",
        old=_OLD,
        missing=_MISSING,
        modules=" ".join(_modules(bundle)),
        block=BLOCK,
        ack=json.dumps(ACK.decode()),
    )
    # A double-quoted JSON string is also a Python string, and keeps the line one line.
    stage1 = f"exec({json.dumps(text)})"
    assert "'" not in stage1, "stage 1 travels between single quotes"
    return stage1


def _modules(bundle: Bundle) -> tuple[str, ...]:
    return ("zlib", *bundle.stdlib)


def _fill(template: str, **values: object) -> str:
    text = files(__package__).joinpath(template).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    return text


def _explain(report: str, bundle: Bundle, limit: float) -> str:
    """Return a report of stage 0, `PATH STATUS` per line, as `PATH: REASON` per line."""
    lines = []
    for line in report.splitlines():
        path, _, status = line.rpartition(" ")
        # The host may have written anything.
        if re.fullmatch(r"[0-9]{1,3}", status):
            line = f"{path}: {_reason(int(status), bundle, limit)}"
        lines.append(line)
    return "\n".join(lines)


def _reason(status: int, bundle: Bundle, limit: float) -> str:
    modules = _modules(bundle)
    if _OLD <= status < _OLD + 8:
        return f"is Python 3.{status - _OLD}, too old"
    if _MISSING <= status < _MISSING + len(modules):
        return f"no module named '{modules[status - _MISSING]}'"
    if status == 137:
        return f"did not answer within {limit:g} s, or was killed (exit status 137)"
    return _STATUSES.get(status, f"is no working Python (exit status {status})")


def payload(bundle: Bundle) -> bytes:
    """Return what follows the marker: a NUL, the length as 8 hex digits, then the program.

    Stage 1 skips what precedes the NUL: a second line for the shell, say.
    Stage 1 answers each `BLOCK` of it with an `ACK`, and the last one, which may be shorter.
    """
    return b"\0%08x" % len(bundle.program) + bundle.program
