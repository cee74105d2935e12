"""The commands of `norouter` for the hosts of a mesh."""

from __future__ import annotations

import click

from norouter_tui import __version__
from norouter_tui.cli.common import debug_option


@click.command(short_help="Run the agent on a host (internal).")
@click.option("--automated", is_flag=True, help="Required; for programs only.")
@debug_option
def agent(automated: bool, debug: bool) -> int:
    """Run the agent (internal): what an exec command that ends with `norouter` starts on a host."""
    if not automated:
        raise click.UsageError(
            "'norouter agent' speaks a binary protocol on stdio; norouter starts it on a host. "
            "To bring up a mesh: norouter run FILE"
        )
    from norouter_core.agent.main import main as agent_main

    return agent_main(["--automated"])


@click.command("show-installer", short_help="Print a script that installs the agent on a host.")
@click.option("--version", "wanted", metavar="V", help="Fail unless this is version V.")
@debug_option
def show_installer(wanted: str | None, debug: bool) -> None:
    """Print a shell script that installs the agent of this version on a host as ~/bin/norouter.

    The script contains the agent and needs no network. A host needs it only if its command in the
    manifest ends with norouter; otherwise norouter sends the agent over the link.

    \b
    norouter show-installer | docker exec -i NAME sh
    norouter show-installer | ssh NAME sh
    """
    if wanted is not None and wanted.removeprefix("v") != __version__:
        raise click.UsageError(
            f"this norouter contains the agent of version {__version__} only; for {wanted}, "
            "run show-installer of that version"
        )
    from norouter_tui.installer import installer

    click.echo(installer(), nl=False)
