"""How the programs of an exec command come to ask the user, or nobody."""

from __future__ import annotations

from norouter_core.exec_commands.command import ExecCommand, Layer

_NEVER_ASKS = frozenset({"-n", "--non-interactive", "-S", "--stdin", "-A", "--askpass"})
_SWITCHES_USER = frozenset({"sudo", "doas", "su", "runuser"})


def with_askpass(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command whose programs ask by the program in their environment, or not at all.

    `sudo` on this machine gets `-A`. An `ssh` that this environment does not reach, on another host
    or behind `sudo`, gets `BatchMode`: without a terminal, it would send empty passwords.
    """
    command = ExecCommand.parse(argv)
    if command.words != argv[: len(command.words)]:
        return argv  # A shell splits some of its words again.
    words = list(argv)
    for number, layer in reversed(list(enumerate(command.layers))):
        before = command.layers[:number]
        if layer.program == "sudo" and _is_here(before) and not layer.given(_NEVER_ASKS):
            words.insert(layer.at + 1, "-A")
        elif layer.program == "ssh" and not _is_reached(before):
            words[layer.at + 1 : layer.at + 1] = ["-o", "BatchMode=yes"]
    return tuple(words)


def may_have_terminal(argv: tuple[str, ...]) -> bool:
    """Return whether a command may give its ssh a terminal of its own, as `sshpass` does."""
    command = ExecCommand.parse(argv)
    return command.opaque or any(layer.program == "sshpass" for layer in command.layers)


def _is_here(before: tuple[Layer, ...]) -> bool:
    return not any(layer.grammar.noun for layer in before)


def _is_reached(before: tuple[Layer, ...]) -> bool:
    return _is_here(before) and not any(layer.program in _SWITCHES_USER for layer in before)
