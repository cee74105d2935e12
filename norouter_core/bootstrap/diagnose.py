"""From what was seen of a failed start to what a person is told.

What is sure goes first: that the command could not be started, that our own line came back,
what the shell there reported of its Pythons. Then come the clues, tables of what known programs
print (`norouter_core.bootstrap.diagnosis.clues`), and last what stage, exit status and the shape
of the command tell by themselves. Programs that speak the user's language are known by the shape
of their lines and by exit statuses, never by `strerror`'s English.
"""

from __future__ import annotations

import shlex

from norouter_core.bootstrap.diagnosis import (
    clues_engines,
    clues_local,
    clues_login,
    endings,
)
from norouter_core.bootstrap.diagnosis.clues import Clue, find
from norouter_core.bootstrap.diagnosis.command import Command
from norouter_core.bootstrap.diagnosis.endings import Case, Finding, Rule
from norouter_core.bootstrap.diagnosis.kinds import PERMANENT, Kind
from norouter_core.bootstrap.diagnosis.wording import clean, cut, without_echo, words_for
from norouter_core.bootstrap.problem import Evidence, HostProblem, Stage

__all__ = ["CLUES", "PERMANENT", "SHOWN_LINES", "Kind", "diagnose"]

SHOWN_LINES = 8
"""How many of the last lines a `HostProblem` keeps; each is cut to about 200 characters."""

_STDOUT_READ = 16 * 1024

CLUES: tuple[Clue, ...] = (
    *clues_login.HOST_KEYS,
    *clues_login.LOGINS,
    *clues_login.NETWORK,
    *clues_local.SUDO,
    *clues_engines.MISSING_PROGRAMS,
    *clues_engines.WRONG_WORDS,
    *clues_engines.PERMISSIONS,
    *clues_engines.ABSENT,
    *clues_engines.NOT_RUNNING,
    *clues_engines.ENGINE_DOWN,
    *clues_engines.CUT,
    *clues_local.NAMESPACES,
    *clues_local.STARTERS,
    *clues_login.NO_LOGIN_SHELL,
    *clues_local.SHELLS,
    *clues_login.USAGE,
    *clues_engines.USAGE,
    *clues_engines.NOT_A_TTY,
)
"""Every clue in the order they are tried: the cause before what follows from it. kubectl goes on
without the terminal that it misses, so that clue comes last."""


def diagnose(evidence: Evidence) -> HostProblem:
    """What happened to a host's start or link, and what to do about it.

    Pure: looks at nothing but the evidence. Never raises. The lines kept are the last of stderr,
    or of stdout where stderr is empty (container runtimes complain there).
    """
    stderr = tuple(line for text in evidence.stderr for line in clean(text).splitlines())
    stdout = _lines(evidence.stdout)
    case = Case(evidence, Command.parse(evidence.argv), stderr + stdout)
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


def _finding(case: Case) -> Finding:
    if case.evidence.stage is Stage.RUNNING:
        return _first(endings.RUNNING, case) or endings.ended(case)
    return (
        _first(endings.BEFORE_CLUES, case)
        or _first(endings.CERTAIN, case)
        or _clue(case)
        or _first(endings.AFTER_CLUES, case)
        or endings.ended(case)
    )


def _first(rules: tuple[Rule, ...], case: Case) -> Finding | None:
    return next((finding for rule in rules if (finding := rule(case))), None)


def _clue(case: Case) -> Finding | None:
    evidence, command = case.evidence, case.command
    found = find(CLUES, case.lines, command, evidence.stage, evidence.exit_status)
    if found is None:
        return None
    layer = command.layer(found.clue.about)
    words = words_for(command, layer, found.match.groupdict())
    words["line"] = cut(found.line.strip())
    message, hint = (t.format_map(words) for t in (found.clue.message, found.clue.hint))
    return Finding(found.clue.kind, message, hint)


def _lines(stdout: bytes) -> tuple[str, ...]:
    text = clean(stdout[-_STDOUT_READ:].decode("utf-8", "replace"))
    return tuple(line for line in text.splitlines() if line.strip())


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())
