"""`norouter completion SHELL`: what a shell is to read in so that TAB completes verbs and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from norouter_tui.exitcodes import EPILOG
from norouter_tui.options import debug_option

SHELLS = ("bash", "zsh", "fish")


@click.command(epilog=EPILOG, short_help="Print what completes norouter in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@debug_option
@click.pass_context
def completion(ctx: click.Context, /, shell: str, debug: bool) -> None:
    """Print what makes TAB complete verbs, options, files and running meshes in SHELL.

    \b
    bash, in ~/.bashrc:                     eval "$(norouter completion bash)"
    zsh, in ~/.zshrc, below compinit:       eval "$(norouter completion zsh)"
    fish, in ~/.config/fish/config.fish:    norouter completion fish | source
    """
    shells_own = get_completion_class(shell)
    assert shells_own is not None  # click knows these three
    root = ctx.find_root().command
    # Not its `source()`, which asks the installed bash for its version, and bash need not be here.
    said = shells_own(root, {}, "norouter", "_NOROUTER_COMPLETE")
    click.echo(said.source_template % said.source_vars())
