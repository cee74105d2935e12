"""The program `norouter`: the group of its commands."""

from __future__ import annotations

import difflib
import os

import click
from click.shell_completion import CompletionItem

from norouter_tui import __version__
from norouter_tui.cli import completion, hosts, manifests, running, runs
from norouter_tui.cli.common import CONTEXT, debug_option, run_command
from norouter_tui.exit_codes import EPILOG
from norouter_tui.run.crash import reporter

_ALIASES = {"manager": "run", "m": "run", "show-ex": "show-example"}


def dispatch(words: list[str]) -> int:
    """Run `norouter WORDS...` and return its exit status."""
    own = words[: words.index("--")] if "--" in words else words
    reporter.debug = "--debug" in own
    return run_command(cli, "norouter", words)


class _FileFirst(click.Group):
    """`norouter FILE ...` is short for `norouter run FILE ...`, as in NoRouter."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = next((i for i, word in enumerate(args) if word != "--debug"), None)
        if at is not None and not self._is_own(ctx, args[at]):
            _check_looks_like_file(args[at], self.list_commands(ctx))
            args = [*args[:at], "run", *args[at:]]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # The file comes first: shells complete files if nothing else follows.
        return [CompletionItem(incomplete, type="file"), *super().shell_complete(ctx, incomplete)]

    def _is_own(self, ctx: click.Context, word: str) -> bool:
        flags = {flag for param in self.get_params(ctx) for flag in param.opts}
        return word in flags or self.get_command(ctx, word) is not None


def _check_looks_like_file(word: str, commands: list[str]) -> None:
    if word.startswith("-") or "/" in word or "." in word or os.path.exists(word):
        return
    near = difflib.get_close_matches(word, commands, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else " See 'norouter --help'."
    raise click.UsageError(f"{word!r} is neither a command nor a file.{hint}")


@click.group(
    cls=_FileFirst,
    subcommand_metavar="COMMAND [ARGS]... | FILE",
    context_settings=CONTEXT,
    epilog=EPILOG,
    invoke_without_command=True,
)
@click.version_option(__version__, "-v", "--version", prog_name="norouter")
@click.option(
    "-e",
    "--open-editor",
    is_flag=True,
    help="Edit a temporary manifest and run it after each change.",
)
@debug_option
@click.pass_context
def cli(ctx: click.Context, open_editor: bool, debug: bool) -> int | None:
    """Join hosts that share no network over the stdio of exec commands.

    `norouter FILE` is short for `norouter run FILE`. For the full screen, run
    `norouter-tui [MANIFEST]`.
    """
    if open_editor:
        return _open_editor(ctx, debug)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    return None


def _open_editor(ctx: click.Context, debug: bool) -> int:
    if ctx.invoked_subcommand is not None:
        raise click.UsageError("--open-editor creates its own manifest and takes no arguments.")
    from norouter_tui.run.editor import edit_and_run
    from norouter_tui.run.headless import RunOptions

    return edit_and_run(RunOptions(debug=debug))


for _command in (
    *(runs.run, runs.shell, runs.repl, runs.demo),
    *(running.ctl, running.ps, running.attach, running.stop),
    *(manifests.check, manifests.schema, manifests.show_example),
    *(hosts.agent, hosts.show_installer),
    completion.completion,
):
    cli.add_command(_command)
