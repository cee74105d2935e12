"""Mistakes in an exec command that its words show before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.exec_commands.command import ExecCommand, Layer, plan_start
from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.exec_commands.rules import explain_shell_tail
from norouter_core.exec_commands.templates import STDIN_MESSAGE, TTY_MESSAGE
from norouter_core.model import AgentMode

_RUNS = frozenset({"exec", "run"})


@dataclass(frozen=True, slots=True)
class LintWarning:
    """A mistake in a command."""

    kind: str
    """The `ProblemKind` with which a start would most likely fail."""
    message: str
    """One line: what is wrong."""
    hint: str
    """One line: what to do."""


def lint(argv: tuple[str, ...], mode: AgentMode = AgentMode.AUTO) -> list[LintWarning]:
    """Return the mistakes in the exec command of a manifest. Runs nothing.

    Only what is certain from the text counts: an unknown program may do anything.
    """
    planned = plan_start(argv, mode)
    command = ExecCommand.parse(planned.argv)
    found = [*_check_stdin(command), *_check_tty(command), *_check_dashes(command)]
    if command.shell_tail and not planned.installed:
        found.append(LintWarning(ProblemKind.USAGE, *explain_shell_tail(command)))
    return found


def _check_stdin(command: ExecCommand) -> list[LintWarning]:
    if not any(layer.lacks_stdin and _runs_command(command, layer) for layer in command.layers):
        return []
    phrase, corrected = command.with_stdin()
    return [LintWarning(ProblemKind.STDIN_NOT_ATTACHED, STDIN_MESSAGE, f"{phrase}: {corrected}")]


def _check_tty(command: ExecCommand) -> list[LintWarning]:
    if not any(layer.makes_tty and _runs_command(command, layer) for layer in command.layers):
        return []
    phrase, corrected = command.without_tty()
    return [LintWarning(ProblemKind.TTY, TTY_MESSAGE, f"{phrase}: {corrected}")]


def _check_dashes(command: ExecCommand) -> list[LintWarning]:
    layer = command.layer_without_dashes()
    if layer is None:
        return []
    message = f"{layer.program} needs `--` between the {layer.grammar.noun} and what runs there"
    return [LintWarning(ProblemKind.USAGE, message, f"add `--`: {command.corrected()}")]


def _runs_command(command: ExecCommand, layer: Layer) -> bool:
    """Return whether a layer runs a command at all; `docker ps` does not."""
    return not layer.grammar.verbs or command.words[layer.verb_at] in _RUNS
