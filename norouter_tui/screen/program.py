"""Run the app: from a usable terminal back to a usable terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import anyio
import click
from rich.text import Text

from norouter_core.commands.edits import new_mesh
from norouter_core.control import RunningMesh
from norouter_core.manifest import ManifestError
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.run.crash import reporter
from norouter_tui.run.documents import kept_line, notes_of, open_document, problem_lines
from norouter_tui.run.history import LineHistory, history_path
from norouter_tui.run.meshes import already_runs, choose
from norouter_tui.screen.app import NorouterApp, Opening
from norouter_tui.screen.attachment import Attachment
from norouter_tui.screen.engine_thread import EngineThread
from norouter_tui.screen.settings import settings_path

_KILL_TIMEOUT = 0.5
"""Seconds for the rest of the stop once the exec commands have been killed."""
_STOP_TIMEOUT = 15.0
"""Seconds for the orderly stop after a bug of the screen."""


def run_screen(manifest: str | None) -> int:
    """Show the mesh of a manifest, or a new one; return the exit status.

    Raises:
        click.UsageError: there is no terminal.
    """
    _require_terminal()
    if manifest is not None and (running := already_runs(manifest)):
        line_printer(sys.stderr)(running)
        return ExitCode.ALREADY_RUNS
    try:
        document = open_document(manifest)
    except ManifestError as error:
        say = line_printer(sys.stderr)
        for line in problem_lines(error.problems):
            say(line)
        return ExitCode.USAGE
    return show(document, notes_of(document), "welcome" if manifest is None else "recovery")


def run_demo() -> int:
    """Show the demo mesh; return the exit status."""
    text = "This is the demo: three simulated hosts and some traffic between them. Press q to end."
    return show(Document.empty(new_mesh()), [Text(text)], "demo")


def run_attached(wanted: str | None) -> int:
    """Show a mesh that runs in another process, and goes on afterwards; return the exit status.

    Args:
        wanted: the name, manifest or process id of the mesh; None for the only one.

    Raises:
        click.ClickException: there is no terminal, no such mesh, or more than one.
    """
    _require_terminal()
    attachment = Attachment(anyio.run(choose, wanted))
    note = Text(f"attached to {_mesh_text(attachment.mesh)}, which goes on when you detach")
    app = NorouterApp(attachment, attachment, [note], LineHistory(history_path()), settings_path())
    _run(app)
    if app.error is not None:
        reporter.report(app.error)
        return ExitCode.INTERNAL
    if not app.runner.has_ended_session:
        name = escape(attachment.mesh.name)
        click.echo(f"detached from {name}; to attach again: norouter-tui --attach {name}")
    return app.return_code or ExitCode.OK


def _mesh_text(mesh: RunningMesh) -> str:
    return f"{escape(mesh.name)} (process {mesh.pid})"


def _require_terminal() -> None:
    # Textual reads keys from stdin and draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("norouter-tui needs a terminal; without one, use: norouter run FILE")


def show(
    document: Document, notes: Sequence[Text] = (), opening: Opening | None = "recovery"
) -> int:
    """Run the app on a mesh of its own until it ends; return the exit status.

    Whatever happens, the terminal is restored, and nothing of the mesh is left.
    """
    thread = EngineThread(document, autosave=None if opening == "demo" else Autosave())
    app = NorouterApp(thread, thread, notes, LineHistory(history_path()), settings_path(), opening)
    try:
        _run(app)
    finally:
        _wait_for_end(thread, app)
    if app.runner.saved_path:
        click.echo(f"saved: {escape(app.runner.saved_path)}")
    if thread.has_kept_work:
        click.echo(kept_line("norouter-tui", thread.manifest).plain)
    error = app.error or thread.error
    if error is not None:
        reporter.report(error)
        return ExitCode.INTERNAL
    return app.return_code or ExitCode.OK


def _run(app: NorouterApp) -> None:
    for name in ("COLUMNS", "LINES"):
        # Textual would take them for the size of the terminal, even after a resize.
        os.environ.pop(name, None)
    app.run()


def _wait_for_end(thread: EngineThread, app: NorouterApp) -> None:
    """Wait until the mesh has ended, but not for long if the user is in a hurry."""
    if app.return_code == ExitCode.INTERRUPTED:
        if not thread.join(_KILL_TIMEOUT):
            # A child that cannot be killed, such as another user's, must not block the exit.
            os._exit(ExitCode.INTERRUPTED)
        return
    thread.leave()
    try:
        has_ended = thread.join(_STOP_TIMEOUT)
    except KeyboardInterrupt:
        has_ended = False
    if not has_ended:
        thread.kill_now()
        thread.join(_KILL_TIMEOUT)
