"""From what was seen of a failed start to what a person is told.

What is sure goes first: that the command could not be started, that our own line came back,
what the shell there reported of its Pythons. Then come the tables of what known programs print
(`norouter_core.exec_commands.stderr_patterns`), and last what stage, exit status and the shape
of the command tell by themselves. Programs that speak the user's language are known by the shape
of their lines and by exit statuses, never by `strerror`'s English.
"""

from __future__ import annotations

import shlex

from norouter_core.exec_commands import rules
from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.problem import PERMANENT, Evidence, HostProblem, ProblemKind, Stage
from norouter_core.exec_commands.rules import Context, Diagnosis, Rule
from norouter_core.exec_commands.stderr_patterns import engines, local, login
from norouter_core.exec_commands.stderr_patterns.matching import StderrPattern, find
from norouter_core.exec_commands.templates import cut, without_echo, words_for
from norouter_core.sanitize import strip_lines

__all__ = ["CLUES", "PERMANENT", "SHOWN_LINES", "ProblemKind", "diagnose"]

SHOWN_LINES = 8
"""How many of the last lines a `HostProblem` keeps; each is cut to about 200 characters."""

_STDOUT_READ = 16 * 1024
_MAX_LINE = 500
"""Characters of a line that the patterns see: more than any known program's message has."""

CLUES: tuple[StderrPattern, ...] = (
    *login.HOST_KEYS,
    *login.LOGINS,
    *login.NETWORK,
    *local.SUDO,
    *engines.MISSING_PROGRAMS,
    *engines.WRONG_WORDS,
    *engines.PERMISSIONS,
    *engines.ABSENT,
    *engines.NOT_RUNNING,
    *engines.ENGINE_DOWN,
    *engines.CUT,
    *local.NAMESPACES,
    *local.STARTERS,
    *login.NO_LOGIN_SHELL,
    *local.SHELLS,
    *login.USAGE,
    *engines.USAGE,
    *engines.NOT_A_TTY,
)
"""Every clue in the order they are tried: the cause before what follows from it. kubectl goes on
without the terminal that it misses, so that clue comes last."""


def diagnose(evidence: Evidence) -> HostProblem:
    """What happened to a host's start or link, and what to do about it.

    Pure: looks at nothing but the evidence. Never raises. The lines kept are the last of stderr,
    or of stdout where stderr is empty (container runtimes complain there).
    """
    stderr = tuple(line for text in evidence.stderr for line in strip_lines(text).splitlines())
    stdout = _lines(evidence.stdout)
    lines = tuple(line[:_MAX_LINE] for line in stderr + stdout)
    case = Context(evidence, ExecCommand.parse(evidence.argv), lines)
    finding = _finding(case)
    shown = stderr if any(line.strip() for line in stderr) else without_echo(stdout)
    return HostProblem(
        kind=finding.kind,
        message=_one_line(finding.message),
        hint=_one_line(finding.hint),
        command=shlex.join(evidence.argv),
        exit_status=evidence.exit_status,
        stderr=tuple(map(cut, shown[-SHOWN_LINES:])),
        permanent=finding.kind in PERMANENT,
    )


def _finding(case: Context) -> Diagnosis:
    if case.evidence.stage is Stage.RUNNING:
        return _first(rules.RUNNING, case) or rules.ended(case)
    return (
        _first(rules.BEFORE_CLUES, case)
        or _first(rules.CERTAIN, case)
        or _clue(case)
        or _first(rules.AFTER_CLUES, case)
        or rules.ended(case)
    )


def _first(rules: tuple[Rule, ...], case: Context) -> Diagnosis | None:
    return next((finding for rule in rules if (finding := rule(case))), None)


def _clue(case: Context) -> Diagnosis | None:
    evidence, command = case.evidence, case.command
    found = find(CLUES, case.lines, command, evidence.stage, evidence.exit_status)
    if found is None:
        return None
    layer = command.innermost(found.clue.about)
    words = words_for(command, layer, found.match.groupdict())
    words["line"] = cut(found.line.strip())
    message, hint = (t.format_map(words) for t in (found.clue.message, found.clue.hint))
    return Diagnosis(found.clue.kind, message, hint)


def _lines(stdout: bytes) -> tuple[str, ...]:
    text = strip_lines(stdout[-_STDOUT_READ:].decode("utf-8", "replace"))
    return tuple(line for line in text.splitlines() if line.strip())


def _one_line(text: str) -> str:
    return " ".join(strip_lines(text).split())
