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
from norouter_core.exec_commands.stderr_patterns.pattern import StderrPattern, find_match
from norouter_core.exec_commands.templates import shorten, strip_echo, template_values
from norouter_core.sanitize import strip_lines

__all__ = ["STDERR_PATTERNS", "PERMANENT", "SHOWN_LINES", "ProblemKind", "diagnose"]

SHOWN_LINES = 8
"""How many of the last lines a `HostProblem` keeps; each is cut to about 200 characters."""

_STDOUT_READ = 16 * 1024
_MAX_LINE = 500
"""Characters of a line that the patterns see: more than any known program's message has."""

STDERR_PATTERNS: tuple[StderrPattern, ...] = (
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
    context = Context(evidence, ExecCommand.parse(evidence.argv), lines)
    finding = _diagnose(context)
    shown = stderr if any(line.strip() for line in stderr) else strip_echo(stdout)
    return HostProblem(
        kind=finding.kind,
        message=_one_line(finding.message),
        hint=_one_line(finding.hint),
        command=shlex.join(evidence.argv),
        exit_status=evidence.exit_status,
        stderr=tuple(map(shorten, shown[-SHOWN_LINES:])),
        permanent=finding.kind in PERMANENT,
    )


def _diagnose(context: Context) -> Diagnosis:
    if context.evidence.stage is Stage.RUNNING:
        return _first(rules.RUNNING_RULES, context) or rules.diagnose_exit(context)
    return (
        _first(rules.SPAWN_RULES, context)
        or _first(rules.CERTAIN_RULES, context)
        or _match_stderr(context)
        or _first(rules.FALLBACK_RULES, context)
        or rules.diagnose_exit(context)
    )


def _first(rules: tuple[Rule, ...], context: Context) -> Diagnosis | None:
    return next((finding for rule in rules if (finding := rule(context))), None)


def _match_stderr(context: Context) -> Diagnosis | None:
    evidence, command = context.evidence, context.command
    found = find_match(
        STDERR_PATTERNS, context.lines, command, evidence.stage, evidence.exit_status
    )
    if found is None:
        return None
    layer = command.innermost(found.pattern.about)
    words = template_values(command, layer, found.match.groupdict())
    words["line"] = shorten(found.line.strip())
    message, hint = (t.format_map(words) for t in (found.pattern.message, found.pattern.hint))
    return Diagnosis(found.pattern.kind, message, hint)


def _lines(stdout: bytes) -> tuple[str, ...]:
    text = strip_lines(stdout[-_STDOUT_READ:].decode("utf-8", "replace"))
    return tuple(line for line in text.splitlines() if line.strip())


def _one_line(text: str) -> str:
    return " ".join(strip_lines(text).split())
