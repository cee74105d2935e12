"""The commands of `norouter` that bring up a mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from norouter_tui.cli.common import (
    debug_option,
    file_argument,
    is_on_terminal,
    uvloop_option,
    vi_option,
)
from norouter_tui.exit_codes import EPILOG
from norouter_tui.run.crash import reporter


class _WithCommand(click.Command):
    """A command whose words after `--` are a command with options of its own."""

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
@click.option("--headless", is_flag=True, help="Run without a screen, even on a terminal.")
@click.option(
    "--wait-ready",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Exit with 3 if not all is ready by then, with 1 as soon as a host fails for good.",
)
@click.option("--json", "as_json", is_flag=True, help="Print events on stdout, one JSON per line.")
@click.option("--watch", is_flag=True, help="Reload the manifest when it changes.")
@click.option("--no-control", is_flag=True, help="Open no socket for norouter ctl and attach.")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False),
    metavar="PATH",
    default="",
    help="Keep a file of shell variables at PATH while the mesh is ready.",
)
@click.option(
    "-d",
    "--detach",
    is_flag=True,
    help="Go to the background when all is ready, within 60 s or --wait-ready.",
)
@click.option("--inside", is_flag=True, help="Run CMD inside the mesh, as norouter shell does.")
@click.option("-q", "--quiet", is_flag=True, help="Print failures only, no readiness lines.")
@debug_option
@uvloop_option
@click.pass_context
def run(
    ctx: click.Context, /, file: str, headless: bool, as_json: bool, no_uvloop: bool, **more: Any
) -> int:
    """Bring up the mesh of the manifest FILE ('-' is stdin) and keep it up until SIGINT or SIGTERM.

    On a terminal, norouter shows the mesh on a screen, as `norouter-tui FILE` does, unless
    --headless or another option asks for a run without one. Without a screen, readiness lines go
    to stdout and diagnostics to stderr.

    A host that fails never ends the rest of the mesh; the run exits with 1 when every host with a
    command has failed for good. It continues if the reader of its output exits. A second SIGINT or
    SIGTERM during the stop kills the exec commands and exits at once, with 130.

    `norouter ctl VERB...` shows and edits the running mesh, `norouter ps` lists all running meshes.
    SIGHUP reloads the manifest; so does --watch when the file changes. Streams that the change does
    not touch stay up, and a manifest with errors changes nothing.

    With `-- CMD...`, norouter runs CMD once all hosts are ready, within 60 s or --wait-ready; else
    the run exits with 1 or 3. CMD gets http_proxy, https_proxy, all_proxy, HOSTALIASES and
    NOROUTER_* variables, and all signals. When CMD ends, the mesh stops, and the run exits with the
    status of CMD. Readiness lines go to stderr then.

    With --detach, the mesh continues in the background, and norouter prints its process id and log
    file. If the mesh does not come up, norouter exits with 1 or 3 and leaves nothing running.
    `norouter stop` stops it.
    """
    command = _command(ctx)
    _check_options(ctx, file, command, as_json=as_json, more=more)
    if not (headless or as_json or command) and file != "-" and _wants_screen(more):
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
        inside=more["inside"],
    )
    return run_file(file, options)


@click.command(cls=_WithCommand, epilog=EPILOG, short_help="Run a command inside a mesh.")
@file_argument
@debug_option
@uvloop_option
@click.pass_context
def shell(ctx: click.Context, /, file: str, debug: bool, no_uvloop: bool) -> int:
    """Bring up the mesh of the manifest FILE and open a shell inside it, or run CMD there.

    Inside, every program reaches the mesh without proxy settings: by the names of the hosts,
    by their VIPs at every published port, by what the routes lead to, over TCP and UDP. All else
    goes out through this machine, as it would outside. You keep your user, files and terminal. The
    network is another one: 127.0.0.1 is the shell's own.

    It needs Linux, a user namespace and nft or iptables, but no root. The mesh stops when the shell
    ends, and norouter exits with its status.

    \b
    norouter shell mesh.yaml
    norouter shell mesh.yaml -- psql -h db
    """
    from norouter_tui.run.headless import RunOptions, run_file
    from norouter_tui.shell.inside import user_shell

    command = _command(ctx) or (user_shell(),)
    options = RunOptions(
        debug=debug or reporter.debug,
        uvloop=not no_uvloop,
        quiet=True,
        command=command,
        inside=True,
    )
    return run_file(file, options)


_HEADLESS_OPTIONS = (
    *("wait_ready", "watch", "no_control", "ready_file"),
    *("detach", "quiet", "debug"),
)
"""Options that make sense only without a screen."""


def _command(ctx: click.Context) -> tuple[str, ...]:
    """Return the words after `--`; none without it."""
    command: tuple[str, ...] = ctx.meta.get("command", ())
    if "command" in ctx.meta and not command:
        raise click.UsageError("missing command after '--'", ctx)
    return command


def _check_options(
    ctx: click.Context,
    file: str,
    command: tuple[str, ...],
    *,
    as_json: bool,
    more: Mapping[str, Any],
) -> None:
    """Refuse options of `run` that cannot all be obeyed."""
    if more["inside"] and not command:
        raise click.UsageError("--inside needs '-- CMD'", ctx)
    if command and as_json:
        raise click.UsageError("--json and '-- CMD' are mutually exclusive: both use stdout", ctx)
    if command and more["watch"]:
        raise click.UsageError("--watch and '-- CMD' are mutually exclusive", ctx)
    if more["watch"] and file == "-":
        raise click.UsageError("--watch needs a file; stdin does not change", ctx)
    if more["detach"] and more["no_control"]:
        hint = "nothing could find the mesh again"
        raise click.UsageError(f"--detach and --no-control are mutually exclusive: {hint}", ctx)


def _wants_screen(more: Mapping[str, Any]) -> bool:
    return not any(more[name] for name in _HEADLESS_OPTIONS) and is_on_terminal()


@click.command(epilog=EPILOG, short_help="Build a mesh live, with commands or a script.")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@click.option("-c", "commands", metavar="COMMANDS", help="Run these, separated by ';', and exit.")
@click.option(
    "-f",
    "script",
    metavar="SCRIPT",
    type=click.Path(),
    help="Run the commands of a file, and exit.",
)
@vi_option
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
    """Build a mesh live: add hosts, ports and routes to the manifest FILE, or to an empty mesh.

    If FILE does not exist, `save` creates it. Without -c and -f, norouter runs the commands on
    stdin if that is a pipe or a file. A script stops at the first command that fails and exits
    with the status of that command, or 1. It always takes its mesh down.

    \b
    norouter repl -c 'host add web --wait -- docker exec -i web; hosts --json' mesh.yaml
    norouter repl < script.nr
    """
    if commands is not None and script is not None:
        raise click.UsageError("-c and -f are mutually exclusive")
    from norouter_tui.repl.run import run_repl

    return run_repl(file, commands, script, vi=vi, uvloop=not no_uvloop)


@click.command(epilog=EPILOG, short_help="Show a mesh of three simulated hosts.")
@click.option("--plain", is_flag=True, help="No screen: check the mesh with real requests.")
@debug_option
@uvloop_option
def demo(plain: bool, debug: bool, no_uvloop: bool) -> int:
    """Show a mesh of three simulated hosts on this machine, with some traffic to watch.

    With --plain, or without a terminal, build the mesh and check it with real requests instead.
    This takes a few seconds and exits with 0 if every check passes, else with 1. It needs only sh
    and Python: no root, no containers, no ssh.
    """
    if not (plain or debug) and is_on_terminal():
        from norouter_tui.screen.program import run_demo as show_demo

        return show_demo()
    from norouter_tui.demo import run_demo

    return run_demo(uvloop=not no_uvloop)
