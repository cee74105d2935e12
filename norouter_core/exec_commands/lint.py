"""What can be known of an exec command before it is run: mistakes that stand in its words."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.exec_commands.command import ExecCommand, Layer, plan_start
from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.exec_commands.rules import explain_shell_tail
from norouter_core.model import AgentMode

_RUNS = frozenset({"exec", "run"})


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One mistake: the `Kind` that a start would most likely fail with, one line of what is wrong,
    one line of what to do."""

    kind: str
    message: str
    hint: str


def lint(argv: tuple[str, ...], mode: AgentMode = AgentMode.AUTO) -> list[LintWarning]:
    """The mistakes in an exec command as a manifest has it. Pure; runs nothing.

    Only what is sure from the text: a program that is not known may do anything.
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
    phrase, mended = command.with_stdin()
    message = "the command does not pass its stdin on, so nothing can be sent there"
    return [LintWarning(ProblemKind.STDIN_NOT_ATTACHED, message, f"{phrase}: {mended}")]


def _check_tty(command: ExecCommand) -> list[LintWarning]:
    if not any(layer.makes_tty and _runs_command(command, layer) for layer in command.layers):
        return []
    phrase, mended = command.without_tty()
    message = "the command asks for a terminal, and a link is none"
    return [LintWarning(ProblemKind.TTY, message, f"{phrase}: {mended}")]


def _check_dashes(command: ExecCommand) -> list[LintWarning]:
    layer = command.layer_without_dashes()
    if layer is None:
        return []
    message = f"{layer.program} wants `--` between the {layer.grammar.noun} and what is run there"
    return [LintWarning(ProblemKind.USAGE, message, f"put `--` after it: {command.corrected()}")]


def _runs_command(command: ExecCommand, layer: Layer) -> bool:
    """Whether a layer of an engine runs something at all; `docker ps` does not."""
    return not layer.grammar.verbs or command.words[layer.verb_at] in _RUNS
