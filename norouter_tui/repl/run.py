"""`norouter repl` and `norouter attach`: the REPL or a script, on a session here or elsewhere."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from norouter_core.manifest import ManifestError
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.repl.script import ScriptRun, lines_from, lines_in
from norouter_tui.run.documents import notes_of, open_document, problem_lines
from norouter_tui.run.meshes import already_runs, choose
from norouter_tui.run.process import run_async
from norouter_tui.run.remote_session import RemoteSession, run_on_mesh
from norouter_tui.run.session_host import SessionHost

if TYPE_CHECKING:
    from norouter_tui.repl.interactive import InteractiveRepl


def run_repl(
    file: str | None, commands: str | None, script: str | None, *, vi: bool, uvloop: bool
) -> int:
    """Run the REPL or a script on the mesh of a manifest. Return the exit status.

    Args:
        file: The manifest; the first `save` creates it if it does not exist.
        commands: The text of `-c`.
        script: The file of `-f`; given only without `commands`.
    """
    say = line_printer(sys.stderr)
    if file is not None and (running := already_runs(file)):
        say(running)
        return ExitCode.ALREADY_RUNS
    try:
        document = open_document(file)
        notes = notes_of(document)
        work = _script(commands, script, notes) or _interactive(vi, True, notes)
    except ManifestError as error:
        for line in problem_lines(error.problems):
            say(line)
        return ExitCode.USAGE
    except OSError as error:
        say(Text(f"{escape(str(error.filename))}: {error.strerror}", style="bold red"))
        return ExitCode.USAGE
    host = SessionHost(document, work, say, autosave=Autosave())
    if isinstance(work, ScriptRun):
        work.stop_asking = host.stop_asking
    return run_async(host.run, uvloop=uvloop)


def _script(
    commands: str | None, script: str | None = None, notes: Iterable[Text] = ()
) -> ScriptRun | None:
    """Return the script to run; None to read commands from a terminal.

    Raises:
        OSError: The script cannot be read.
    """
    if commands is not None:
        return ScriptRun("-c", lines_in(commands), notes)
    if script is not None and script != "-":
        text = Path(script).read_text("utf-8", "backslashreplace")
        return ScriptRun(script, lines_in(text), notes)
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "<stdin>")
    if script == "-" or not sys.stdin.isatty():
        return ScriptRun("<stdin>", lines_from(0), notes, uses_terminal=sys.stdin.isatty())
    return None


def _interactive(vi: bool, recovers: bool, notes: Iterable[Text]) -> InteractiveRepl:
    from norouter_tui.repl.interactive import InteractiveRepl

    return InteractiveRepl(vi=vi, recovers=recovers, notes=notes)


def run_attach(wanted: str | None, *, commands: str | None, vi: bool) -> int:
    """Run the REPL or a script on a running mesh. Return the exit status.

    Raises:
        click.ClickException: No mesh is running, or the name is ambiguous.
    """

    async def attach() -> int:
        mesh = await choose(wanted)
        note = f"attached to {escape(mesh.name)} (pid {mesh.pid}), which keeps running"
        notes = [Text(note, style="bold")]
        work = _script(commands) or _interactive(vi, False, notes)
        return await run_on_mesh(
            mesh,
            lambda remote: work.run(RemoteSession(remote, stays=True)),
            work.signals,
            lambda number: work.on_signal(number) is None,
        )

    return run_async(attach, uvloop=False)
