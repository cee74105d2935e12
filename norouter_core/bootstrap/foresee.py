"""What can be known of an exec command before it is run: mistakes that stand in its words."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.bootstrap.command import plan
from norouter_core.bootstrap.diagnosis.command import Command, Layer
from norouter_core.bootstrap.diagnosis.endings import shell_first
from norouter_core.bootstrap.diagnosis.kinds import Kind
from norouter_core.model import AgentMode

_RUNS = frozenset({"exec", "run"})


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One mistake: the `Kind` that a start would most likely fail with, one line of what is wrong,
    one line of what to do."""

    kind: str
    message: str
    hint: str


def foresee(argv: tuple[str, ...], mode: AgentMode = AgentMode.AUTO) -> list[Foreseen]:
    """The mistakes in an exec command as a manifest has it. Pure; runs nothing.

    Only what is sure from the text: a program that is not known may do anything.
    """
    planned = plan(argv, mode)
    command = Command.parse(planned.argv)
    found = [*_stdin(command), *_tty(command), *_dashes(command)]
    if command.shell_tail and not planned.installed:
        found.append(Foreseen(Kind.USAGE, *shell_first(command)))
    return found


def _stdin(command: Command) -> list[Foreseen]:
    if not any(layer.lacks_stdin and _runs(command, layer) for layer in command.layers):
        return []
    phrase, mended = command.with_stdin()
    message = "the command does not pass its stdin on, so nothing can be sent there"
    return [Foreseen(Kind.STDIN_NOT_ATTACHED, message, f"{phrase}: {mended}")]


def _tty(command: Command) -> list[Foreseen]:
    if not any(layer.makes_tty and _runs(command, layer) for layer in command.layers):
        return []
    phrase, mended = command.without_tty()
    message = "the command asks for a terminal, and a link is none"
    return [Foreseen(Kind.TTY, message, f"{phrase}: {mended}")]


def _dashes(command: Command) -> list[Foreseen]:
    layer = command.undashed()
    if layer is None:
        return []
    message = f"{layer.program} wants `--` between the {layer.grammar.noun} and what is run there"
    return [Foreseen(Kind.USAGE, message, f"put `--` after it: {command.mended()}")]


def _runs(command: Command, layer: Layer) -> bool:
    """Whether a layer of an engine runs something at all; `docker ps` does not."""
    return not layer.grammar.verbs or command.words[layer.verb_at] in _RUNS
