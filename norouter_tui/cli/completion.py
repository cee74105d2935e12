"""Shell completion: the script for each shell, and the words that complete."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from norouter_tui.cli.common import debug_option
from norouter_tui.exit_codes import EPILOG

SHELLS = ("bash", "zsh", "fish")


@click.command(epilog=EPILOG, short_help="Print a completion script for a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
@debug_option
@click.pass_context
def completion(ctx: click.Context, /, shell: str, debug: bool) -> None:
    """Print the script that makes TAB complete commands, options, files and meshes in SHELL.

    \b
    bash, in ~/.bashrc:                     eval "$(norouter completion bash)"
    zsh, in ~/.zshrc, below compinit:       eval "$(norouter completion zsh)"
    fish, in ~/.config/fish/config.fish:    norouter completion fish | source
    """
    shell_class = get_completion_class(shell)
    assert shell_class is not None  # click knows these three
    root = ctx.find_root().command
    # Not `source()`, which runs bash to find its version: bash need not be installed here.
    script = shell_class(root, {}, "norouter", "_NOROUTER_COMPLETE")
    click.echo(script.source_template % script.source_vars())


def complete_mesh(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of running meshes, or process ids if digits were typed or a name is shared."""
    import anyio

    from norouter_core.control import discover

    meshes = anyio.run(discover)
    names = [mesh.name for mesh in meshes]
    words = [
        name if names.count(name) == 1 and not incomplete.isdecimal() else str(mesh.pid)
        for name, mesh in zip(names, meshes, strict=True)
    ]
    return [
        CompletionItem(word, help=mesh.manifest or mesh.name)
        for word, mesh in zip(words, meshes, strict=True)
        if word.startswith(incomplete)
    ]


def complete_command(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete a command as the prompt of the running mesh does."""
    import anyio

    from norouter_core.commands.tokenizer import join

    before = [*(ctx.params.get("words") or ()), *ctx.args]
    prefix = f"{join(before)} " if before else ""
    return anyio.run(_complete_in, ctx.params.get("mesh"), prefix, incomplete)


async def _complete_in(mesh: str | None, prefix: str, incomplete: str) -> list[CompletionItem]:
    from norouter_core.control import ControlLost, RemoteClient
    from norouter_tui.run.meshes import choose
    from norouter_tui.run.remote_session import RemoteSession

    line = prefix + incomplete
    try:
        async with RemoteClient((await choose(mesh)).path) as client:
            found = await RemoteSession(client).complete(line, len(line))
    except (click.ClickException, ControlLost):
        return []
    return [
        # A shell replaces the whole word, the prompt only what follows `start`.
        CompletionItem(incomplete[: max(0, each.start - len(prefix))] + each.text, help=each.about)
        for each in found
        if each.start >= len(prefix)
    ]
