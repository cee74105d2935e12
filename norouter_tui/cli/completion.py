"""Completion in a shell: what it is to read in, and what may stand where."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from norouter_tui.cli.common import debug_option
from norouter_tui.exit_codes import EPILOG

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


def complete_engines(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of meshes that run; process ids where one was begun, or a name is shared."""
    import anyio

    from norouter_core.control import discover

    engines = anyio.run(discover)
    names = [engine.name for engine in engines]
    said = [
        (name if names.count(name) == 1 and not incomplete.isdecimal() else str(engine.pid), engine)
        for name, engine in zip(names, engines, strict=True)
    ]
    return [
        CompletionItem(word, help=engine.manifest or engine.name)
        for word, engine in said
        if word.startswith(incomplete)
    ]


def complete_command(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What the mesh that runs would complete at its own prompt."""
    import anyio

    from norouter_core.commands.tokenizer import join

    before = [*(ctx.params.get("words") or ()), *ctx.args]
    begun = f"{join(before)} " if before else ""
    return anyio.run(_asked, ctx.params.get("engine"), begun, incomplete)


async def _asked(engine: str | None, begun: str, incomplete: str) -> list[CompletionItem]:
    from norouter_core.control import ControlLost, RemoteClient
    from norouter_tui.run.meshes import choose
    from norouter_tui.run.remote_session import RemoteSession

    line = begun + incomplete
    try:
        async with RemoteClient((await choose(engine)).path) as client:
            found = await RemoteSession(client).complete(line, len(line))
    except (click.ClickException, ControlLost):
        return []
    return [
        # A shell replaces the word, the prompt what is behind `start`.
        CompletionItem(incomplete[: max(0, each.start - len(begun))] + each.text, help=each.about)
        for each in found
        if each.start >= len(begun)
    ]
