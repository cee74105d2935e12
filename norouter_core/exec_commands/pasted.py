"""What a pasted command line means: whether it is an exec command, how a host would run it, and
what the host would be called.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from norouter_core.exec_commands.command import (
    ASSIGNMENT,
    RUNNING_VERBS,
    ExecCommand,
    is_shell,
    plan_start,
    program_name,
    with_env,
)
from norouter_core.exec_commands.programs import GRAMMARS
from norouter_core.model import AgentMode

_UNFIT = re.compile(r"[^a-z0-9-]+")
_ADDRESS = re.compile(r"[0-9.]+|.*:.*:.*")
_MAX_NAME = 63
_LEADING = RUNNING_VERBS | {"rsh"}
"""The verbs that lead to a target."""


def is_exec_command(words: Sequence[str]) -> bool:
    """Return whether words are a command that leads to a host, as far as its programs are known:
    `docker exec web` does, `docker ps` and `sudo ls` do not.
    """
    if not begins_with_program(words):
        return False
    command = ExecCommand.parse(with_env(words))
    layer = command.innermost()
    if layer is None:
        return not command.opaque
    words = command.words[layer.at : layer.end]
    return not layer.grammar.verbs or not _LEADING.isdisjoint(words)


def begins_with_program(words: Sequence[str]) -> bool:
    """Return whether words begin with a known exec program."""
    words = words[len(_assignments(words)) :]
    return bool(words) and program_name(words[0]) in GRAMMARS


def normalize(words: Sequence[str]) -> tuple[str, ...]:
    """Return a pasted command as a host needs it: with stdin passed on, without a TTY, without an
    shell at its end, which need not exist there, and with variables in front of it set by `env`.
    """
    words = with_env(words)
    command = _parse(words)
    tail = command.words[command.layers[-1].end :] if command.layers else ()
    if len(tail) == 1 and is_shell(tail[0]):
        command = ExecCommand.parse(command.words[:-1])
    elif tail and command.shell_tail:
        command = ExecCommand.parse(shlex.split(command.before_shell()))
    return tuple(shlex.split(command.corrected())) or words


def _parse(words: Sequence[str]) -> ExecCommand:
    """Return a command as it would run, since a `sh` at its end may be its target."""
    return ExecCommand.parse(plan_start(tuple(words), AgentMode.AUTO).argv)


def infer_name(words: Sequence[str], taken: Callable[[str], bool]) -> str:
    """Return a name for the host behind a command that is not `taken`: that of its container, pod
    or host, as a valid host name.
    """
    command = _parse(words)
    layer = command.innermost()
    target, program = (layer.target, layer.program) if layer else ("", "")
    name = _label(target) or _label(program or (words[0] if words else "")) or "host"
    if not re.search("[a-z]", name):
        name = f"{_label(program) or 'host'}-{name}"
    return _free(name, taken)


def _free(name: str, taken: Callable[[str], bool]) -> str:
    number, found = 2, name[:_MAX_NAME]
    while taken(found):
        suffix = f"-{number}"
        found = name[: _MAX_NAME - len(suffix)] + suffix
        number += 1
    return found


def _label(target: str) -> str:
    """Return `db` for `ssh://me@db.example.com:22`, `web` for `deploy/web`."""
    rest = target.partition("://")[2] or target
    rest = rest.rpartition("@")[2].rstrip("/").rpartition("/")[2]
    if _ADDRESS.fullmatch(rest):
        return _UNFIT.sub("-", rest.lower()).strip("-")
    head, colon, last = rest.partition(":")
    name = head if last.isdecimal() or not colon else last
    return _UNFIT.sub("-", name.partition(".")[0].lower()).strip("-")[:_MAX_NAME].strip("-")


def _assignments(words: Sequence[str]) -> Sequence[str]:
    count = 0
    while count < len(words) and ASSIGNMENT.match(words[count]):
        count += 1
    return words[:count]
