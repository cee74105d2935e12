"""Mistakes in an exec command that its words show before it runs."""

from __future__ import annotations

from norouter_core.exec_commands.command import RUNNING_VERBS, ExecCommand, plan_start
from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.exec_commands.rules import (
    Diagnosis,
    explain_interactive,
    explain_shell_syntax,
    explain_shell_tail,
)
from norouter_core.exec_commands.templates import STDIN_MESSAGE, TTY_MESSAGE
from norouter_core.model import AgentMode


def lint(argv: tuple[str, ...], mode: AgentMode = AgentMode.AUTO) -> list[Diagnosis]:
    """Return the mistakes in the exec command of a manifest, as the problems that a start would
    most likely have. Runs nothing.

    Only what is certain from the text counts: an unknown program may do anything.
    """
    planned = plan_start(argv, mode)
    command = ExecCommand.parse(planned.argv)
    found = []
    if syntax := explain_shell_syntax(command):
        found.append(syntax)
    # `docker ps` runs no command, so what it does with stdio does not matter.
    layers = [
        layer
        for layer in command.layers
        if not layer.grammar.verbs or command.words[layer.verb_at] in RUNNING_VERBS
    ]
    if command.interactive_layers():
        return [*found, explain_interactive(command)]
    if any(layer.lacks_stdin for layer in layers):
        kind = ProblemKind.STDIN_NOT_ATTACHED
        found.append(Diagnosis(kind, STDIN_MESSAGE, command.with_stdin()))
    if any(layer.makes_tty for layer in layers):
        found.append(Diagnosis(ProblemKind.TTY, TTY_MESSAGE, command.without_tty()))
    layer = command.layer_without_dashes()
    if layer is not None:
        message = f"{layer.program} needs `--` between the {layer.grammar.noun} and what runs there"
        found.append(Diagnosis(ProblemKind.USAGE, message, f"add `--`: {command.corrected()}"))
    if command.shell_tail and planned.mode is not AgentMode.NOROUTER:
        found.append(explain_shell_tail(command))
    return found
