"""`norouter repl` and `norouter attach`: the REPL or a script, on a session here or elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from norouter_core.control import RunningMesh
from norouter_core.manifest import ManifestError
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.repl.script import ScriptRun, lines_from, lines_in
from norouter_tui.run.documents import notes_of, open_document, problem_lines
from norouter_tui.run.meshes import choose
from norouter_tui.run.process import run_async
from norouter_tui.run.remote_session import RemoteSession, run_on_mesh
from norouter_tui.run.session_host import FrontEnd, SessionHost

if TYPE_CHECKING:
    from norouter_tui.repl.interactive import InteractiveRepl


@dataclass(frozen=True, slots=True)
class ReplOptions:
    """The options of `norouter repl`.

    `commands` is the text of `-c`, `script` the file of `-f`; at most one is given. `file` is the
    manifest; the first `save` creates it if it does not exist.
    """

    file: str | None = None
    commands: str | None = None
    script: str | None = None
    vi: bool = False
    uvloop: bool = True


def run_repl(options: ReplOptions) -> int:
    """Run the REPL or the script. Return the exit status."""
    say = line_printer(sys.stderr)
    try:
        document = open_document(options.file)
        notes = tuple(notes_of(document))
        work = _work(options, notes)
    except ManifestError as error:
        for line in problem_lines(error.problems):
            say(line)
        return ExitCode.USAGE
    except OSError as error:
        say(Text(f"{escape(str(error.filename))}: {error.strerror}", style="bold red"))
        return ExitCode.USAGE
    host = SessionHost(document, work, say, autosave=Autosave())
    return run_async(host.run, uvloop=options.uvloop)


def _work(options: ReplOptions, notes: tuple[Text, ...]) -> FrontEnd:
    """Raises:
    OSError: The script cannot be read.
    """
    if options.commands is not None:
        return ScriptRun("-c", lines_in(options.commands), notes)
    if options.script is not None and options.script != "-":
        text = Path(options.script).read_text("utf-8", "backslashreplace")
        return ScriptRun(options.script, lines_in(text), notes)
    if options.script == "-" or not sys.stdin.isatty():
        return ScriptRun("<stdin>", lines_from(0), notes)
    from norouter_tui.repl.interactive import InteractiveRepl

    return InteractiveRepl(vi=options.vi, recovers=True, notes=notes)


def run_attach(wanted: str | None, *, commands: str | None, vi: bool) -> int:
    """Run the REPL or a script on a running mesh. Return the exit status.

    Raises:
        click.ClickException: No mesh is running, or the name is ambiguous.
    """

    async def attach() -> int:
        mesh = await choose(wanted)
        work = _attached_front_end(mesh, commands, vi)
        return await run_on_mesh(
            mesh,
            lambda remote: work.run(RemoteSession(remote, stays=True)),
            work.signals,
            lambda number: work.on_signal(number) is None,
        )

    return run_async(attach, uvloop=False)


def _attached_front_end(
    mesh: RunningMesh, commands: str | None, vi: bool
) -> ScriptRun | InteractiveRepl:
    if commands is not None:
        return ScriptRun("-c", lines_in(commands))
    if not sys.stdin.isatty():
        return ScriptRun("<stdin>", lines_from(0))
    from norouter_tui.repl.interactive import InteractiveRepl

    note = f"attached to {escape(mesh.name)} (pid {mesh.pid}), which keeps running"
    return InteractiveRepl(vi=vi, notes=[Text(note, style="bold")])
