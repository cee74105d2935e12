"""How the programs of an exec command come to ask the user, or nobody."""

from __future__ import annotations

import re
import shlex

from norouter_core.exec_commands.command import ExecCommand, Layer

_NEVER_ASKS = frozenset({"-n", "--non-interactive", "-S", "--stdin", "-A", "--askpass"})
_LEADS = frozenset({"-p", "-F", "-J"})
_LEADS_TO = re.compile(r"(?i)\s*(?:HostName|Port|ProxyJump|ProxyCommand)\b")
"""What says where ssh leads, besides its target."""
_PORT = re.compile(r"ssh://.*:(\d+)")
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


def login_of(argv: tuple[str, ...]) -> str:
    """Return what the name of an account leaves open when ssh asks for its password.

    Two machines may be `root@localhost`, at different ports. The targets of ssh are not part of it:
    hosts behind one bastion ask the same.
    """
    command = ExecCommand.parse(argv)
    layer = next((layer for layer in command.layers if layer.grammar.noun), None)
    if layer is None:
        return shlex.join(command.words)
    if layer.program != "ssh":
        # `docker -H ssh://host exec web` has the same ssh for each container.
        end = layer.end if layer.grammar.joins_words else layer.verb_at
        return shlex.join(command.words[:end])
    return shlex.join((*command.words[: layer.at], *_ways(layer)))


def login_of_ssh(argv: tuple[str, ...]) -> str:
    """Return where an ssh logs in that runs as `argv`; empty for another program.

    Unlike `login_of`, this may include the target: ssh runs itself once more for a bastion.
    """
    layer = next(iter(ExecCommand.parse(argv).layers), None)
    if layer is None or layer.program != "ssh":
        return ""
    return shlex.join((*_ways(layer), layer.target))


def _ways(layer: Layer) -> list[str]:
    """Return `ssh` with what says, besides the target, where it leads."""
    words = [layer.program]
    for option in layer.options:
        if option.name in _LEADS or (option.name == "-o" and _LEADS_TO.match(option.value)):
            words += (option.name, option.value)
    if port := _PORT.match(layer.target):
        words += ("-p", port[1])
    return words


def _is_here(before: tuple[Layer, ...]) -> bool:
    return not any(layer.grammar.noun for layer in before)


def _is_reached(before: tuple[Layer, ...]) -> bool:
    return _is_here(before) and not any(layer.program in _SWITCHES_USER for layer in before)
