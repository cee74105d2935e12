"""The verbs of `norouter` that begin and end runs of a mesh without a screen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from norouter_tui.cli.common import debug_option, file_argument, uvloop_option
from norouter_tui.cli.completion import complete_engines
from norouter_tui.exit_codes import EPILOG
from norouter_tui.run.crash import reporter


class _WithCommand(click.Command):
    """What follows `--` is a command, and no option in it is ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta["command"] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = [*self.collect_usage_pieces(ctx), "[-- CMD...]"]
        formatter.write_usage(ctx.command_path, " ".join(words))


@click.command(cls=_WithCommand, epilog=EPILOG, short_help="Bring up the mesh of a manifest.")
@file_argument
@click.option("--headless", is_flag=True, help="No screen, in a terminal either.")
@click.option(
    "--wait-ready",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End with 3 unless all is ready by then; with 1 as soon as a host failed for good.",
)
@click.option("--json", "as_json", is_flag=True, help="Events on stdout, one JSON object a line.")
@click.option("--watch", is_flag=True, help="Load the manifest again whenever it changes.")
@click.option("--no-control", is_flag=True, help="No socket for norouter ctl and attach.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False),
    metavar="PATH",
    default="",
    help="A file that is there while the mesh is ready: variables for a shell to read in.",
)
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="Go to the background once all is ready, within 60 s or those of --wait-ready.",
)
@click.option("-q", "--quiet", is_flag=True, help="No readiness lines; what fails is still told.")
@debug_option
@uvloop_option
@click.pass_context
def run(
    ctx: click.Context, /, file: str, headless: bool, as_json: bool, no_uvloop: bool, **more: Any
) -> int:
    """Bring up the mesh of the manifest FILE ('-' is stdin) and keep it up until SIGINT or SIGTERM.

    In a terminal it is shown on a screen, as `norouter-tui FILE` does, unless --headless or another
    option says otherwise. Without a screen, readiness lines go to stdout, diagnostics to stderr.

    A host that fails never ends the rest of the mesh; the run ends with 1 when every host with a
    command has failed for good. It goes on when the reader of its output goes away. A second
    SIGINT or SIGTERM while it stops kills the exec commands and ends it at once, with 130.

    While it runs, `norouter ctl VERB...` looks at the mesh and edits it, `norouter ps` lists what
    runs. SIGHUP loads the manifest again, and so does --watch whenever it changes: streams
    that the change does not touch stay up, and a manifest with mistakes changes nothing.

    With `-- CMD...`, CMD runs once all hosts are ready (within 60 s, or those of --wait-ready; else
    the run ends with 1 or 3), with http_proxy, https_proxy, all_proxy, HOSTALIASES and variables
    NOROUTER_* set. Signals go to CMD. When it ends, so does the mesh, and the run ends with CMD's
    status. Readiness lines go to stderr then.

    With --detach the mesh goes on in the background, and its process id and log file are told; one
    that does not come up ends with 1 or 3, and nothing stays. `norouter stop` ends it.
    """
    command = ctx.meta.get("command", ())
    if "command" in ctx.meta and not command:
        raise click.UsageError("There is no command behind '--'.", ctx)
    if command and as_json:
        raise click.UsageError("--json and a command both want stdout.", ctx)
    if command and more["watch"]:
        raise click.UsageError("--watch is for a mesh that stays, not for one with a command.", ctx)
    if not (headless or as_json or command) and file != "-" and _on_a_terminal(more):
        from norouter_tui.screen.program import run_screen

        return run_screen(file)
    from norouter_tui.run.headless import RunOptions, run_file

    options = RunOptions(
        wait_ready=more["wait_ready"],
        as_json=as_json,
        debug=more["debug"] or reporter.debug,
        uvloop=not no_uvloop,
        control=not more["no_control"],
        watch=more["watch"],
        quiet=more["quiet"],
        command=command,
        ready_file=more["ready_file"],
        detach=more["detach"],
    )
    return run_file(file, options)


@click.command(short_help="End a mesh that runs.")
@click.argument("name", metavar="[NAME|PID]", required=False, shell_complete=complete_engines)
@debug_option
def stop(name: str | None, debug: bool) -> int:
    """End a mesh that runs, in order, and return when it has ended.

    It is named by its name, its manifest or its process id, as `norouter ps` shows them; the only
    one that runs needs no name. Ends with 0 when it has ended; with 1 when there is none such.
    """
    from norouter_tui.run.stop import stop as stop_mesh

    return stop_mesh(name)


_PLAIN = ("wait_ready", "watch", "no_control", "ready_file", "detach", "quiet", "debug")
"""Options that say something of a run without a screen."""


def _on_a_terminal(more: Mapping[str, Any]) -> bool:
    """Whether a person at a terminal wants no more than to run the mesh."""
    if any(more[name] for name in _PLAIN):
        return False
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
