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
@click.option(
    "--platform",
    "platforms",
    metavar="SYSTEM-ARCHITECTURE",
    multiple=True,
    help="The native agent to include, such as linux-riscv64; may be repeated.",
)
@debug_option
def show_installer(wanted: str | None, platforms: tuple[str, ...], debug: bool) -> None:
    """Print a script that installs the agent of this version on a host as ~/bin/norouter.

    The script contains the agent and needs no network. A host needs it only if its command in the
    manifest ends with norouter, and not even then: norouter sends the agent over the link.

    It installs a Python program if the host has Python 3.8 or newer, and else a native one, if
    the script includes the one for that machine: by default those for this machine's platform and,
    if they have been built, for linux-amd64 and linux-arm64. For Windows, the script is
    PowerShell's.

    \b
    norouter show-installer | docker exec -i NAME sh
    norouter show-installer --platform linux-riscv64 | ssh NAME sh
    norouter show-installer --platform windows-amd64 >install.ps1
    """
    if wanted is not None and wanted.removeprefix("v") != __version__:
        raise click.UsageError(
            f"this norouter contains the agent of version {__version__} only; for {wanted}, "
            "run show-installer of that version"
        )
    from norouter_core.bootstrap.native_program import PLATFORMS, NoNativeAgent
    from norouter_tui.installer import default_platforms, installer, windows_installer

    known = {str(platform): platform for platform in PLATFORMS}
    if unknown := [text for text in platforms if text not in known]:
        raise click.UsageError(f"unknown platform {unknown[0]!r}; known are {', '.join(known)}")
    chosen = [known[text] for text in dict.fromkeys(platforms)]
    windows = [platform for platform in chosen if platform.system == "windows"]
    if windows and len(chosen) > 1:
        raise click.UsageError("the script for Windows includes one agent; name no other platform")
    try:
        if windows:
            click.echo(windows_installer(windows[0]), nl=False)
            return
        included = chosen or default_platforms()
        if not included:
            click.echo("warning: the script includes no native agent; none is built", err=True)
        click.echo(installer(included), nl=False)
    except NoNativeAgent as error:
        raise click.ClickException(str(error)) from None
