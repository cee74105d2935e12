"""`norouter attach`: the REPL on a mesh that runs in another process."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
from rich.text import Text

from norouter_core.control import RemoteClient, RunningMesh
from norouter_core.control.remote import ControlLost
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.repl.script import ScriptRun, lines_from, lines_in
from norouter_tui.run.meshes import choose, lost_line
from norouter_tui.run.process import run_async, watch_signals
from norouter_tui.run.remote_session import RemoteSession

if TYPE_CHECKING:
    from norouter_tui.repl.interactive import InteractiveRepl


def run_attach(wanted: str | None, *, commands: str | None, vi: bool) -> int:
    """Talks to a mesh until one has enough of it; the mesh runs on. The exit status.

    Raises:
        click.ClickException: no mesh runs, or several could be meant.
    """
    return run_async(Attach(wanted, commands, vi).main, uvloop=False)


class Attach:
    """A stay at a session that somebody else keeps."""

    def __init__(self, wanted: str | None, commands: str | None, vi: bool) -> None:
        self._wanted = wanted
        self._commands = commands
        self._vi = vi

    async def main(self) -> int:
        """Runs to the end; the exit status."""
        engine = await choose(self._wanted)
        work = self._work(engine)
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

    def _work(self, engine: RunningMesh) -> ScriptRun | InteractiveRepl:
        if self._commands is not None:
            return ScriptRun("-c", lines_in(self._commands))
        if not sys.stdin.isatty():
            return ScriptRun("<stdin>", lines_from(0))
        from norouter_tui.repl.interactive import InteractiveRepl

        told = f"attached to {escape(engine.name)} (pid {engine.pid}), which runs on when you quit"
        return InteractiveRepl(vi=self._vi, notes=[Text(told, style="bold")])
