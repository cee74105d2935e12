"""The command `norouter-tui`."""

from __future__ import annotations

import click

from norouter_tui import __version__
from norouter_tui.cli.completion import complete_mesh
from norouter_tui.run.crash import reporter


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("manifest", required=False)
@click.version_option(__version__, "-v", "--version", prog_name="norouter-tui")
@click.option(
    "--attach",
    metavar="[NAME]",
    is_flag=False,
    flag_value="",
    shell_complete=complete_mesh,
    help="Show a mesh that runs in another process: by its name, manifest or process id.",
)
@click.option("--debug", is_flag=True, help="Show more details, and tracebacks.")
def command(manifest: str | None, attach: str | None, debug: bool) -> int:
    """Build and watch a mesh on a full screen: the mesh of MANIFEST, or a new one.

    If MANIFEST does not exist, the first save creates it. Press ? for the keys, : to type a command
    of `norouter repl`, q to end the mesh. To check a manifest or to run it without a screen, use
    `norouter check FILE` and `norouter run FILE`.
    """
    from norouter_tui.screen.program import run_attached, run_screen

    reporter.debug = debug
    if attach is None:
        return run_screen(manifest)
    if manifest is not None:
        raise click.UsageError("MANIFEST and --attach are mutually exclusive.")
    return run_attached(attach or None)
