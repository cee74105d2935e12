"""The verbs of `norouter` that talk to meshes which run already."""

from __future__ import annotations

import click

from norouter_tui.cli.common import debug_option
from norouter_tui.cli.completion import complete_command, complete_engines

_STATUS = (
    "Exit status: that of the command (of exec: what it ran), 0 where it has none; 1 it was not "
    "done; 2 wrong usage; 130 interrupted."
)
_AS_IT_IS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command(
    epilog=_STATUS,
    short_help="Run a command in a mesh that runs.",
    context_settings=_AS_IT_IS,
    options_metavar="[OPTIONS]",
)
@click.option(
    "--engine",
    metavar="NAME|PID",
    help="Which one, where several run: see norouter ps.",
    shell_complete=complete_engines,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
@click.option("-y", "--yes", is_flag=True, help="Agree to what the command would ask about.")
@debug_option
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="VERB...",
    type=click.UNPROCESSED,
    shell_complete=complete_command,
)
def ctl(engine: str | None, as_json: bool, yes: bool, debug: bool, words: tuple[str, ...]) -> int:
    """Run a command in a mesh that runs, as `norouter repl` has it: `norouter ctl help` lists them.

    Outputs go to stdout, what was done and what failed to stderr. What would cut streams is asked
    about on a terminal; elsewhere it is not done without --yes.

    \b
    norouter ctl hosts
    norouter ctl host add web --wait -- docker exec -i web
    norouter ctl --json streams 'host:web bytes>1M'
    norouter ctl exec web -- uname -a
    """
    from norouter_tui.cli.ctl import CtlOptions, run_ctl

    return run_ctl(words, CtlOptions(engine, as_json, yes))


@click.command(short_help="List the meshes that run.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@debug_option
def ps(as_json: bool, debug: bool) -> int:
    """List the meshes of yours that run, on a screen or without one."""
    from norouter_tui.run.meshes import show_engines

    return show_engines(as_json=as_json)


@click.command(short_help="Talk to a mesh that runs, as in norouter repl.")
@click.argument("name", metavar="[NAME|PID]", required=False, shell_complete=complete_engines)
@click.option("-c", "commands", metavar="COMMANDS", help="Run these, parted by ';', and end.")
@click.option("--vi/--emacs", default=False, envvar="NOROUTER_VI", help="Keys of the line editor.")
@debug_option
def attach(name: str | None, commands: str | None, vi: bool, debug: bool) -> int:
    """Talk to a mesh that runs in another process, by the commands of `norouter repl`.

    Ctrl-D and `quit` leave it, and it runs on; `norouter stop` ends it.
    """
    from norouter_tui.repl.attach import run_attach

    return run_attach(name, commands=commands, vi=vi)
