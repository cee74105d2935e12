"""`norouter repl` and `norouter attach`: the REPL or a script, on a session here or elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from rich.text import Text

from norouter_core.control import RemoteClient, RunningMesh
from norouter_core.control.remote import ControlLost
from norouter_core.manifest import ManifestError
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.repl.script import ScriptRun, lines_from, lines_in
from norouter_tui.run.documents import notes_of, open_document, problem_lines
from norouter_tui.run.meshes import choose, lost_line
from norouter_tui.run.process import run_async, watch_signals
from norouter_tui.run.remote_session import RemoteSession
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
    return run_async(Attach(wanted, commands, vi).main, uvloop=False)


class Attach:
    """A REPL or script on a mesh in another process."""

    def __init__(self, wanted: str | None, commands: str | None, vi: bool) -> None:
        self._wanted = wanted
        self._commands = commands
        self._vi = vi

    async def main(self) -> int:
        """Run to the end. Return the exit status."""
        engine = await choose(self._wanted)
        work = self._front_end(engine)
        status: int = ExitCode.INTERRUPTED
        async with anyio.create_task_group() as tasks:
            cancel = tasks.cancel_scope.cancel
            watch = partial(watch_signals, intercept=lambda number: work.on_signal(number) is None)
            await tasks.start(watch, cancel, cancel, work.signals)
            try:
                async with RemoteClient(engine.path) as remote:
                    status = await work.run(RemoteSession(remote, stays=True))
            except ControlLost as lost:
                line_printer(sys.stderr)(lost_line(engine, lost))
                status = ExitCode.MESH_FAILED
            tasks.cancel_scope.cancel()
        return status

    def _front_end(self, engine: RunningMesh) -> ScriptRun | InteractiveRepl:
        if self._commands is not None:
            return ScriptRun("-c", lines_in(self._commands))
        if not sys.stdin.isatty():
            return ScriptRun("<stdin>", lines_from(0))
        from norouter_tui.repl.interactive import InteractiveRepl

        note = f"attached to {escape(engine.name)} (pid {engine.pid}), which keeps running"
        return InteractiveRepl(vi=self._vi, notes=[Text(note, style="bold")])
