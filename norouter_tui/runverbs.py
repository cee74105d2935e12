"""The verbs of `norouter` that begin and end runs of a mesh without a screen."""

from __future__ import annotations

from typing import Any

import click

from norouter_tui.crash import reporter
from norouter_tui.exitcodes import EPILOG
from norouter_tui.options import debug_option, file_argument, uvloop_option


@click.command(epilog=EPILOG, short_help="Bring up the mesh of a manifest.")
@file_argument
@click.option("--headless", is_flag=True, help="No screen, which is so already: see norouter-tui.")
@click.option(
    "--wait-ready",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End with 3 unless all is ready by then; with 1 as soon as a host failed for good.",
)
@click.option("--json", "as_json", is_flag=True, help="Events on stdout, one JSON object a line.")
@click.option("--watch", is_flag=True, help="Load the manifest again whenever it changes.")
@click.option("--no-control", is_flag=True, help="No socket for norouter ctl and attach.")
@debug_option
@uvloop_option
def run(file: str, headless: bool, as_json: bool, no_uvloop: bool, **more: Any) -> int:
    """Bring up the mesh of the manifest FILE ('-' is stdin) and keep it up until SIGINT or SIGTERM.

    Readiness lines go to stdout, diagnostics to stderr. There is no screen, in a terminal either;
    `norouter-tui FILE` shows the same mesh on one.

    A host that fails never ends the rest of the mesh; the run ends with 1 when every host with a
    command has failed for good. It goes on when the reader of its output goes away. A second
    SIGINT or SIGTERM while it stops kills the exec commands and ends it at once, with 130.

    While it runs, `norouter ctl VERB...` looks at the mesh and edits it, `norouter ps` lists what
    runs. SIGHUP loads the manifest again, and so does --watch whenever it changes: streams
    that the change does not touch stay up, and a manifest with mistakes changes nothing.
    """
    from norouter_tui.headless import RunOptions, run_file

    options = RunOptions(
        wait_ready=more["wait_ready"],
        as_json=as_json,
        debug=more["debug"] or reporter.debug,
        uvloop=not no_uvloop,
        control=not more["no_control"],
        watch=more["watch"],
    )
    return run_file(file, options)
