"""What messages and hints are made of: shared phrases, and values taken from the command."""

from __future__ import annotations

import re
import shlex
import signal
from collections import defaultdict
from collections.abc import Mapping

from norouter_core.exec_commands.command import ELEVATORS, ExecCommand, Layer, is_shell

_CHATTER = re.compile(
    r"^\s*$|^Warning: Permanently added|^Pseudo-terminal will not|^Defaulted container|^\w\d{4} "
    r"|^Connection to \S+ closed|^command terminated with|^WARNING: Error loading config file"
    r"|^See '|^Run '|^To get more help|^@"
)

_REPORTS = re.compile(
    r"(?i)\b(?:error|fatal|cannot|can't|could not|unable|not found|no such|denied|refused|failed"
    r"|unrecognized|invalid|unknown)\b|\w(?:Error|Exception): "
)
_WARNS = re.compile(r"(?i)\bwarning\b")

TTY_MESSAGE = "the command allocates a TTY; norouter needs a raw pipe"
STDIN_MESSAGE = "the command does not pass stdin on, so norouter cannot send anything there"
NO_SHELL_HINT = "norouter needs a POSIX `sh` there{or_beside}"
INSTALL_IT = "install it, correct its name in the command, or give its full path"
MAKE_EXECUTABLE = "make it executable (chmod +x), or put the program that runs it in front"
TRY_IT = "try it in a shell: {run}"
_FIND_TTY = "find what allocates the TTY (`-t`, ssh's RequestTTY, a wrapper) and remove it"

_ECHO_BEGINS = "then emulate sh; fi; c="
_ECHO_ENDS = "exit 3", 'no python}";'
"""How the line of stage 0 begins and ends (see `norouter_core.bootstrap.python_agent`)."""


def template_values(
    command: ExecCommand, layer: Layer | None, groups: Mapping[str, str | None]
) -> defaultdict[str, str]:
    """Return what templates may name; a value that is missing is empty.

    `run` is the command as it ran, `plain` without what was appended, `corrected` with its stdin,
    TTY and `--` as they should be (empty if they are), `sudo` with `sudo -n` where it is missing.
    `shell` is the shell that the command should run.
    `machine` is where the layer's program runs, as in `on this machine`.
    `program`, `noun`, `target` and `place` (`in the container web`) describe the layer, `base` is
    the command up to its verb, `until_target` the command up to its target, `interactive` also
    without options that keep ssh from prompting; `list`, `start` and `resume` are command lines
    that help. `beside` is a command that leads to a container beside the target, in its network.
    `remove_tty`, `without_norouter`, `replace_norouter`, `find`, `start_it`, `or_sudo` and
    `or_beside` are hints or parts of them, `elevator` is sudo or doas. The pattern's own groups
    come last.
    """
    words = defaultdict(str, plain=shlex.join(command.words), place="on the remote side")
    words["run"] = shlex.join(command.argv)
    corrected = command.corrected()
    words["corrected"] = corrected if corrected != words["plain"] else ""
    words["shell"] = command.argv[-1] if command.argv and is_shell(command.argv[-1]) else "sh"
    words["sudo"] = command.with_sudo(layer)
    words["or_sudo"] = f", or run it with `sudo -n`: {words['sudo']}" if words["sudo"] else ""
    words["remove_tty"] = command.without_tty() or _FIND_TTY
    words["without_norouter"] = _without_norouter(command)
    words["replace_norouter"] = _replace_norouter(command)
    elevators = [x.program for x in command.layers if x.program in ELEVATORS]
    words["elevator"] = (elevators or ["sudo"])[0]
    words["program"] = words["target"] = words["base"] = command.words[0] if command.words else ""
    words["until_target"] = words["interactive"] = words["plain"]
    words["machine"] = "on this machine"
    words["find"], words["start_it"] = "correct the name in the command", "start it"
    words["resume_it"] = "resume it"
    if layer is not None:
        _add_layer(words, command, layer)
    words.update({name: value or "" for name, value in groups.items()})
    words["host_or_target"] = words["host"] or words["target"].rpartition("@")[2]
    return words


def _add_layer(words: defaultdict[str, str], command: ExecCommand, layer: Layer) -> None:
    words["program"] = layer.program
    words["noun"] = layer.grammar.noun or "host"
    words["target"] = layer.target or layer.program
    words["base"] = command.prefix(layer)
    words["until_target"] = shlex.join(command.words[: layer.end])
    words["interactive"] = command.interactive(layer)
    if outer := [x for x in command.layers if x.at < layer.at and x.grammar.joins_words]:
        words["machine"] = f"on the host `{outer[-1].target}`"
    if layer.target:
        where = "on" if words["noun"] == "host" else "in"
        words["place"] = f"{where} the {words['noun']} `{layer.target}`"
    quoted = words | {"target": shlex.quote(words["target"])}
    for name in ("list", "start", "resume"):
        template: str = getattr(layer.grammar, name)
        words[name] = template.format_map(quoted) or words["plain"]
    words["find"] = f"list what exists with `{words['list']}`, then {words['find']}"
    words["start_it"] = f"start it: {words['start']}"
    words["resume_it"] = f"resume it: {words['resume']}"
    words["beside"] = command.beside(layer)
    if words["beside"]:
        words["or_beside"] = f"; a container with one, in the same network: {words['beside']}"


def _without_norouter(command: ExecCommand) -> str:
    return (
        "remove `agent: norouter`, so that norouter sends its own agent, or install this norouter "
        f"there: {_install(command)}"
    )


def _replace_norouter(command: ExecCommand) -> str:
    return f"install this version there ({_install(command)}), or remove `agent: norouter`"


def _install(command: ExecCommand) -> str:
    words = command.words[:-1] if command.ends_in_norouter else command.words
    return f"norouter show-installer | {shlex.join((*words, 'sh'))}"


def last_meaningful_line(lines: tuple[str, ...]) -> str:
    """Return the last line that is more than chatter, shortened; empty if there is none."""
    last = next((line for line in reversed(lines) if not _CHATTER.search(line)), "")
    return shorten(last.strip())


def telling_line(stderr: tuple[str, ...], stdout: tuple[str, ...]) -> str:
    """Return the line that most likely names the cause, shortened: the last one that reports an
    error, or just the last meaningful one. stderr comes first.
    """
    for lines in (stderr, stdout):
        errors = tuple(x for x in lines if _REPORTS.search(x) and not _WARNS.search(x))
        if found := last_meaningful_line(errors):
            return found
    return last_meaningful_line(stderr) or last_meaningful_line(stdout)


def shorten(line: str, limit: int = 200) -> str:
    """Return a line without its end, if it is longer than `limit` characters."""
    return line if len(line) <= limit else f"{line[:limit]}..."


def strip_echo(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines without the echo of stage 0, which a TTY wraps into pieces."""
    first = next((i for i, line in enumerate(lines) if _ECHO_BEGINS in line), None)
    if first is None:
        return lines
    ends = (i for i, line in enumerate(lines[first:], first) if line.rstrip().endswith(_ECHO_ENDS))
    return lines[:first] + lines[next(ends, len(lines)) + 1 :]


def describe_exit(status: int | None) -> str:
    """Return how a command ended, as in `ended with exit status 137 (as after SIGKILL)`."""
    if status is None:
        return "did not end"
    if status < 0:
        return f"was killed by {_signal(-status)}"
    if status > 128 and (name := _signal(status - 128)).startswith("SIG"):
        return f"ended with exit status {status} (as after {name})"
    return f"ended with exit status {status}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def format_seconds(value: float) -> str:
    """Return a time span as in `1.5 s`."""
    return f"{round(value, 1):g} s"


def format_share(part: int, whole: int) -> str:
    """Return how much of something has come, as in `12 of 30 KiB (40 %)`."""
    return f"{part // 1024} of {-(-whole // 1024)} KiB ({part * 100 // max(1, whole)} %)"
