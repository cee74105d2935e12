"""Mistakes in an exec command that its words show before it runs."""

from __future__ import annotations

import re
import shlex

from norouter_core.exec_commands.command import RUNNING_VERBS, ExecCommand, is_shell, plan_start
from norouter_core.exec_commands.problem import Diagnosis, ProblemKind
from norouter_core.exec_commands.templates import STDIN_MESSAGE, TTY_MESSAGE
from norouter_core.model import AgentMode

USE_EXEC_COMMAND = (
    "use a command that leads to a host and runs what is appended to it, such as "
    "`docker exec -i web` or `ssh web`"
)
_OPERATORS = frozenset({"|", "||", "&&", ";", "&"})
_EXPANDED = re.compile(r"\$\(|`|^~/|^\d?[<>]")


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


def explain_shell_syntax(command: ExecCommand) -> Diagnosis | None:
    """Return what is wrong with a command that is written for a shell; None if nothing is."""
    remote = (layer.end for layer in command.layers if layer.grammar.joins_words)
    shells = (at for at, word in enumerate(command.words) if is_shell(word))
    words = command.words[: min((*remote, *shells), default=None)]
    pairs = zip(("", *words), words, strict=False)
    # ssh itself expands the `~` of a key file.
    found = next(
        (x for before, x in pairs if _is_syntax(x) and not (before == "-i" and x[0] == "~")), None
    )
    if found is None:
        return None
    message = f"norouter runs the command without a shell, for which `{found}` is a plain word"
    script = f'{" ".join(map(_shell_word, command.words))} "$@"'
    instead = shlex.join(("sh", "-c", script, "_"))
    return Diagnosis(ProblemKind.USAGE, message, f"let a shell run it: {instead}", instead)


def _shell_word(word: str) -> str:
    """Return a word for the text of a shell command, in quotes again if it was in quotes."""
    was_quoted = not word or re.search(r"[\s'\"\\]", word)
    return shlex.quote(word) if was_quoted and not _is_syntax(word) else word


def _is_syntax(word: str) -> bool:
    return word in _OPERATORS or bool(_EXPANDED.search(word))


def explain_shell_tail(command: ExecCommand) -> Diagnosis:
    """Return what is wrong with a command that has a `shell_tail`."""
    tail, before = shlex.join(command.shell_tail), command.before_shell()
    message = f"the command ends in `{tail}`, which takes the appended `sh` for a script"
    if not before:
        return Diagnosis(ProblemKind.USAGE, message, USE_EXEC_COMMAND)
    hint = f"end the command before the shell: {before}"
    return Diagnosis(ProblemKind.USAGE, message, hint, before)


def explain_interactive(command: ExecCommand) -> Diagnosis:
    """Return what is wrong with a command such as `lxc shell web`."""
    layer = command.interactive_layers()[0]
    verb, instead = command.words[layer.verb_at], command.corrected()
    message = f"`{layer.program} {verb}` starts a shell of its own, not the `sh` appended to it"
    hint = f"use `{layer.program} {layer.grammar.interactive[verb]}`: {instead}"
    return Diagnosis(ProblemKind.USAGE, message, hint, instead)
