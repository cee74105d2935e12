"""The commands of `norouter` for running meshes."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from norouter_tui.cli.common import debug_option, json_option, vi_option
from norouter_tui.cli.completion import complete_command, complete_mesh

_CTL_EPILOG = (
    "Exit status: the command's own (of exec: that of the program it ran), or 0; 1 the command "
    "failed; 2 wrong usage; 130 interrupted."
)


class CtlCommand(click.Command):
    """A command after whose first word all that follows belongs to a verb, options included."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if ctx.params.get("words") or ctx.args:
            return complete_command(ctx, self.params[-1], incomplete)
        return super().shell_complete(ctx, incomplete)


@click.command(
    cls=CtlCommand,
    epilog=_CTL_EPILOG,
    short_help="Run a command in a running mesh.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option(
    "--mesh",
    metavar="NAME|PID",
    envvar="NOROUTER_MESH",
    show_envvar=True,
    help="The mesh, if several run; `norouter ps` lists them.",
    shell_complete=complete_mesh,
)
@json_option
@click.option("-y", "--yes", is_flag=True, help="Answer yes to every question.")
@debug_option
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="VERB...",
    type=click.UNPROCESSED,
    shell_complete=complete_command,
)
def ctl(mesh: str | None, as_json: bool, yes: bool, debug: bool, words: tuple[str, ...]) -> int:
    """Run a command of `norouter repl` in a running mesh. `norouter ctl help` lists the commands.

    Output goes to stdout, messages and errors to stderr. On a terminal, norouter asks before it
    cuts streams; elsewhere it refuses unless --yes is given.

    \b
    norouter ctl hosts
    norouter ctl host add web --wait -- docker exec -i web
    norouter ctl --json streams 'host:web bytes>1M'
    norouter ctl exec web -- uname -a
    """
    from norouter_tui.cli.ctl import run_ctl

    return run_ctl(words, mesh, as_json=as_json, yes=yes)


@click.command(short_help="List the running meshes.")
@json_option
@debug_option
def ps(as_json: bool, debug: bool) -> int:
    """List your running meshes, those on a screen as well as those without one."""
    from norouter_tui.run.meshes import show_meshes

    return show_meshes(as_json=as_json)


@click.command(short_help="Open a REPL or the screen on a running mesh.")
@click.argument("name", metavar="[NAME|PID]", required=False, shell_complete=complete_mesh)
@click.option("-c", "commands", metavar="COMMANDS", help="Run these, separated by ';', and exit.")
@click.option("--tui", is_flag=True, help="Open the full screen of norouter-tui.")
@vi_option
@debug_option
def attach(name: str | None, commands: str | None, tui: bool, vi: bool, debug: bool) -> int:
    """Open a REPL on a mesh that runs in another process, with the commands of `norouter repl`.

    Ctrl-D and `quit` leave the mesh running; `norouter stop` stops it. With --tui, open the full
    screen instead, where q asks whether to detach or to stop the mesh.
    """
    if tui:
        if commands is not None:
            raise click.UsageError("--tui and -c are mutually exclusive.")
        from norouter_tui.screen.program import run_attached

        return run_attached(name)
    from norouter_tui.repl.run import run_attach

    return run_attach(name, commands=commands, vi=vi)


@click.command(short_help="Stop a running mesh.")
@click.argument("name", metavar="[NAME|PID]", required=False, shell_complete=complete_mesh)
@debug_option
def stop(name: str | None, debug: bool) -> int:
    """Stop a running mesh in order, and return when it has ended.

    Name the mesh by its name, its manifest or its process id, as `norouter ps` shows them. If only
    one mesh runs, no name is needed. Exits with 1 if there is no such mesh.
    """
    from norouter_tui.run.meshes import stop as stop_mesh

    return stop_mesh(name)
