"""The verbs of `norouter`: what each takes, and which module does it."""

from __future__ import annotations

import difflib
import os
import sys

import click
from click.shell_completion import CompletionItem

from norouter_tui import __version__
from norouter_tui.cli.common import debug_option as _debug
from norouter_tui.cli.common import file_argument as _file
from norouter_tui.cli.common import run_command
from norouter_tui.cli.common import uvloop_option as _uvloop
from norouter_tui.cli.completion import completion
from norouter_tui.cli.repl import repl
from norouter_tui.cli.run import run, stop
from norouter_tui.cli.running import attach, ctl, ps
from norouter_tui.exit_codes import EPILOG
from norouter_tui.run.crash import reporter

_ALIASES = {"manager": "run", "m": "run", "show-ex": "show-example"}
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def dispatch(words: list[str]) -> int:
    """Runs the verb that `words` name; every error ends here, as a line for a person."""
    own = words[: words.index("--")] if "--" in words else words
    reporter.debug = "--debug" in own
    return run_command(cli, "norouter", words)


class _FileFirst(click.Group):
    """`norouter FILE ...` means `norouter run FILE ...`, as NoRouter has it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = next((i for i, word in enumerate(args) if word != "--debug"), None)
        if at is not None and not self._is_own(ctx, args[at]):
            _must_look_like_file(args[at], self.list_commands(ctx))
            args = [*args[:at], "run", *args[at:]]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # The file first: shells fall back on files where nothing else follows.
        return [CompletionItem(incomplete, type="file"), *super().shell_complete(ctx, incomplete)]

    def _is_own(self, ctx: click.Context, word: str) -> bool:
        flags = {flag for param in self.get_params(ctx) for flag in param.opts}
        return word in flags or self.get_command(ctx, word) is not None


def _must_look_like_file(word: str, verbs: list[str]) -> None:
    if word.startswith("-") or "/" in word or "." in word or os.path.exists(word):
        return
    near = difflib.get_close_matches(word, verbs, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " See 'norouter --help'."
    raise click.UsageError(f"No verb and no file is called {word!r}.{hint}")


@click.group(
    cls=_FileFirst,
    subcommand_metavar="VERB [ARGS]... | FILE",
    context_settings=_CONTEXT,
    epilog=EPILOG,
    invoke_without_command=True,
)
@click.version_option(__version__, "-v", "--version", prog_name="norouter")
@click.option(
    "-e", "--open-editor", is_flag=True, help="Edit a temporary manifest, and run it when changed."
)
@_debug
@click.pass_context
def cli(ctx: click.Context, open_editor: bool, debug: bool) -> int | None:
    """Join hosts that share no network over the stdio of exec commands.

    `norouter FILE` is short for `norouter run FILE`. The same on a full screen is a program of
    its own: `norouter-tui [MANIFEST]`.
    """
    if open_editor:
        return _open_editor(ctx, debug)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return None


def _open_editor(ctx: click.Context, debug: bool) -> int:
    if ctx.invoked_subcommand is not None:
        raise click.UsageError("--open-editor begins a manifest of its own, and takes no words.")
    from norouter_tui.run.editor import edit_and_run
    from norouter_tui.run.headless import RunOptions

    return edit_and_run(RunOptions(debug=debug))


for _verb in (run, repl, ctl, ps, attach, stop, completion):
    cli.add_command(_verb)


@cli.command(epilog=EPILOG, short_help="Say what is wrong with a manifest, or what it means.")
@_file
@_debug
def check(file: str, debug: bool) -> int:
    """Say what is wrong with the manifest FILE ('-' is stdin), or what its mesh is.

    Nothing is started. Ends with 0 if the manifest is fine (warnings included), with 2 if not.
    """
    from norouter_tui.cli.check import check_file

    return check_file(file)


@cli.command(short_help="Internal: what runs on a host.")
@click.option("--automated", is_flag=True, help="Meant for programs; required.")
@_debug
def agent(automated: bool, debug: bool) -> int:
    """Internal: what runs on a host when the exec command ends with `norouter`."""
    if not automated:
        raise click.UsageError(
            "'norouter agent' speaks a binary protocol on stdio and is started by norouter "
            "itself, on a host. To bring up a mesh: norouter run FILE"
        )
    from norouter_core.agent.main import main as agent_main

    return agent_main(["--automated"])


@cli.command(epilog=EPILOG, short_help="See a mesh of three simulated hosts at work.")
@click.option("--plain", is_flag=True, help="No screen: check the mesh with real requests.")
@_debug
@_uvloop
def demo(plain: bool, debug: bool, no_uvloop: bool) -> int:
    """Show a mesh of three simulated hosts on this machine, with some traffic to watch.

    With --plain, or where there is no terminal, build it and check it with real requests instead:
    takes a few seconds, and ends with 0 if every check passed, else with 1. Needs sh and Python
    alone: no root, no containers, no ssh.
    """
    if not (plain or debug) and all(s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)):
        from norouter_tui.screen.program import run_demo as show_demo

        return show_demo()
    from norouter_tui.demo import run_demo

    return run_demo(uvloop=not no_uvloop)


@cli.command("show-example", short_help="Print a manifest to begin with.")
@_debug
def show_example(debug: bool) -> None:
    """Print a commented example manifest. Also: show-ex."""
    from norouter_tui.run.documents import example

    click.echo(example(), nl=False)


@cli.command("show-installer", short_help="Print a script that installs the agent on a host.")
@click.option("--version", "wanted", metavar="V", help="Fail unless V is the version carried.")
@_debug
def show_installer(wanted: str | None, debug: bool) -> None:
    """Print a shell script that installs this version's agent on a host as ~/bin/norouter.

    It carries the agent inside itself and needs no network. Hosts need it only where their
    command in the manifest ends with norouter; the agent travels by itself otherwise.

    \b
    norouter show-installer | docker exec -i NAME sh
    norouter show-installer | ssh NAME sh
    """
    if wanted is not None and wanted.removeprefix("v") != __version__:
        raise click.UsageError(
            f"This norouter carries the agent of {__version__} alone; for that of {wanted}, "
            "run the show-installer of that version."
        )
    from norouter_tui.installer import installer

    click.echo(installer(), nl=False)


@cli.command(short_help="Print the JSON Schema of manifests.")
@click.option("--path", is_flag=True, help="Where it lies on this machine instead.")
@click.option("--modeline", is_flag=True, help="The comment that leads editors there instead.")
@_debug
def schema(path: bool, modeline: bool, debug: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of a manifest.

    Editors that use yaml-language-server complete and check a manifest that has, as a line of
    its own, what --modeline prints; it names a file of this machine.
    """
    from norouter_core.manifest import schema as schemas

    place = schemas.schema_path()
    if not path and not modeline:
        click.echo(schemas.schema_text(), nl=False)
    elif place is None:
        raise click.ClickException("the schema lies in an archive; print it into a file instead")
    else:
        click.echo(schemas.modeline() if modeline else f"{place}\n", nl=False)
