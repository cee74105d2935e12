"""The verb of `norouter` that builds a mesh live."""

from __future__ import annotations

import click

from norouter_tui.cli.common import debug_option, uvloop_option
from norouter_tui.exit_codes import EPILOG


@click.command(epilog=EPILOG, short_help="Build a mesh live, by commands or by a script.")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@click.option("-c", "commands", metavar="COMMANDS", help="Run these, parted by ';', and end.")
@click.option(
    "-f", "script", metavar="SCRIPT", type=click.Path(), help="Run the commands of a file, and end."
)
@click.option(
    "--vi/--emacs",
    default=False,
    envvar="NOROUTER_VI",
    show_envvar=True,
    help="The keys of the line editor; F4 switches.",
)
@debug_option
@uvloop_option
def repl(
    file: str | None,
    commands: str | None,
    script: str | None,
    vi: bool,
    debug: bool,
    no_uvloop: bool,
) -> int:
    """Build a mesh live: hosts, ports and routes by commands, on the manifest FILE or on nothing.

    A FILE that does not exist yet is made by `save`. Without -c, -f and with stdin from a pipe or
    a file, its commands are run. A script ends at the first command that fails, with that
    one's exit status or 1, and takes its mesh down in any case.

    \b
    norouter repl -c 'host add web --wait -- docker exec -i web; hosts --json' mesh.yaml
    norouter repl < script.nr
    """
    if commands is not None and script is not None:
        raise click.UsageError("-c and -f exclude each other.")
    from norouter_tui.repl.run import ReplOptions, run_repl

    return run_repl(ReplOptions(file, commands, script, vi=vi, uvloop=not no_uvloop))
