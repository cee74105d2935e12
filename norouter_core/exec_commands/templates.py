"""The words that messages and hints are made of: the real words of the command at hand."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Mapping

from norouter_core.exec_commands.command import ExecCommand, Layer

_ELEVATORS = frozenset({"sudo", "doas"})
_CHATTER = re.compile(
    r"^\s*$|^Warning: Permanently added|^Pseudo-terminal will not|^Defaulted container|^\w\d{4} "
    r"|^Connection to \S+ closed|^command terminated with|^WARNING: Error loading config file"
    r"|^See '|^Run '|^To get more help|^@"
)

_ECHO_BEGINS = "for p in python3 "
_ECHO_ENDS = "exit 3"
"""How the line of `norouter_core.bootstrap.stage` begins and ends."""


class TemplateValues(dict[str, str]):
    """Template words; a word that is not known is empty."""

    def __missing__(self, key: str) -> str:
        return ""


def template_values(
    command: ExecCommand, layer: Layer | None, groups: Mapping[str, str | None]
) -> TemplateValues:
    """What templates may name.

    `run`: the command as it was run; `plain`: it without what was appended; `sudo`: that with
    `sudo -n` in front; `program`, `noun`, `target`, `place` (`in the container web`): of the
    layer; `base`: the command up to its verb; `list`, `start`, `resume`: command lines that mend;
    `ssh`: the command up to the host; `asking`: that without options that forbid ssh to ask;
    `untty`: how to do without a terminal; `no_norouter`: how to do without an installed one;
    `elevator`: sudo or doas; and the pattern's own groups.
    """
    words = TemplateValues(plain=shlex.join(command.words), place="where the command leads")
    words["run"] = shlex.join(command.argv)
    words["sudo"] = f"sudo -n {words['plain']}"
    words["untty"] = _untty(command)
    words["no_norouter"] = _no_norouter(command)
    elevators = [x.program for x in command.layers if x.program in _ELEVATORS]
    words["elevator"] = (elevators or ["sudo"])[0]
    words["program"] = words["target"] = words["base"] = command.words[0] if command.words else ""
    words["ssh"] = words["asking"] = words["plain"]
    if layer is not None:
        _add_layer(words, command, layer)
    words.update({name: value or "" for name, value in groups.items()})
    words["host_or_target"] = words["host"] or words["target"].rpartition("@")[2]
    return words


def _add_layer(words: TemplateValues, command: ExecCommand, layer: Layer) -> None:
    words["program"] = layer.program
    words["noun"] = layer.grammar.noun or "host"
    words["target"] = layer.target or layer.program
    words["base"] = command.prefix(layer)
    words["ssh"] = shlex.join(command.words[: layer.end])
    words["asking"] = command.interactive(layer)
    if layer.target:
        where = "on" if words["noun"] == "host" else "in"
        words["place"] = f"{where} the {words['noun']} `{layer.target}`"
    for name in ("list", "start", "resume"):
        template: str = getattr(layer.grammar, name)
        quoted = TemplateValues(words, target=shlex.quote(words["target"]))
        words[name] = template.format_map(quoted) or words["plain"]


def _untty(command: ExecCommand) -> str:
    phrase, mended = command.without_tty()
    if phrase:
        return f"{phrase}: {mended}"
    return "find what makes a terminal there (`-t`, ssh's RequestTTY, a wrapper) and take it out"


def _no_norouter(command: ExecCommand) -> str:
    words = command.words[:-1] if command.ends_in_norouter else command.words
    return (
        f"set `agent: python` on the host, with the command `{shlex.join(words)}` (nothing of ours "
        "is needed there), or install this project's norouter there"
    )


def last_meaningful_line(lines: tuple[str, ...]) -> str:
    """The last line that is more than chatter, cut to 200 characters; empty if none is."""
    last = next((line for line in reversed(lines) if not _CHATTER.search(line)), "")
    return shorten(last.strip())


def shorten(line: str, limit: int = 200) -> str:
    """A line for people; what is longer than a few lines of a terminal loses its end."""
    return line if len(line) <= limit else f"{line[:limit]}..."


def strip_echo(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines without our own, which a terminal sends back, in pieces where it wraps them."""
    first = next((i for i, line in enumerate(lines) if _ECHO_BEGINS in line), None)
    if first is None:
        return lines
    ends = (i for i, line in enumerate(lines[first:], first) if line.rstrip().endswith(_ECHO_ENDS))
    return lines[:first] + lines[next(ends, len(lines)) + 1 :]


def describe_exit(status: int | None) -> str:
    """How a command ended, for a sentence: `ended with exit status 137 (as by SIGKILL)`."""
    if status is None:
        return "was given up"
    if status < 0:
        return f"was ended by {_signal(-status)}"
    if status > 128 and (name := _signal(status - 128)).startswith("SIG"):
        return f"ended with exit status {status} (as by {name})"
    return f"ended with exit status {status}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def format_seconds(value: float) -> str:
    return f"{round(value, 1):g} s"
