"""Run the app: from a usable terminal back to a usable terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from rich.text import Text

from norouter_core.commands.edits import new_mesh
from norouter_core.manifest import ManifestError
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.run.crash import reporter
from norouter_tui.run.documents import notes_of, open_document, problem_lines
from norouter_tui.screen.app import NorouterApp, Opening
from norouter_tui.screen.engine_thread import EngineThread
from norouter_tui.screen.history import History, history_path
from norouter_tui.screen.settings import settings_path

_AT_ONCE = 0.5
"""Seconds for the rest of the stop once the exec commands have been killed."""
_IN_ORDER = 15.0
"""Seconds for the orderly stop after a fault of the screen."""


def run_screen(manifest: str | None) -> int:
    """Shows the mesh of a manifest, or a new one; the exit status.

    Raises:
        click.UsageError: there is no terminal.
    """
    # Textual reads keys from stdin and draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("norouter-tui needs a terminal; without one: norouter run FILE")
    try:
        document = open_document(manifest)
    except ManifestError as error:
        say = line_printer(sys.stderr)
        for line in problem_lines(error.problems):
            say(line)
        return ExitCode.USAGE
    return show(document, notes_of(document), "welcome" if manifest is None else "recovery")


def run_demo() -> int:
    """Shows the demo mesh; the exit status."""
    told = "This is the demo: three simulated hosts and some traffic between them. q ends it."
    return show(Document.empty(new_mesh()), [Text(told)], "demo")


def show(
    document: Document, notes: Sequence[Text] = (), opening: Opening | None = "recovery"
) -> int:
    """Runs the app on a mesh until it is ended; the exit status. Whatever happens, the terminal is
    as it was, and nothing of the mesh is left."""
    bridge = EngineThread(document, autosave=None if opening == "demo" else Autosave())
    app = NorouterApp(bridge, notes, History(history_path()), settings_path(), opening)
    for name in ("COLUMNS", "LINES"):
        # Textual would take them for the size of the terminal, and go on to when it is resized.
        os.environ.pop(name, None)
    try:
        app.run()
    finally:
        _see_out(bridge, app)
    for line in app.farewell():
        click.echo(line)
    if bridge.kept:
        click.echo("unsaved changes are kept: `recover` in the next session brings them back")
    fault = app.fault or bridge.fault
    if fault is not None:
        reporter.report(fault)
    return ExitCode.INTERNAL if fault else app.return_code or ExitCode.OK


def _see_out(bridge: EngineThread, app: NorouterApp) -> None:
    """Waits for the end of the mesh, which a fault of the screen or an impatient user has not."""
    if app.return_code == ExitCode.INTERRUPTED:
        if not bridge.join(_AT_ONCE):
            # A child that cannot be killed (it is another user's, say) holds nothing up.
            os._exit(ExitCode.INTERRUPTED)
        return
    bridge.leave()
    try:
        ended = bridge.join(_IN_ORDER)
    except KeyboardInterrupt:
        ended = False
    if not ended:
        bridge.kill_now()
        bridge.join(_AT_ONCE)
