"""From what was seen of a failed start to what the user reads about it.

What is certain comes first: the command did not start, the hub's own line came back, stage 1
reported its Pythons. Then come the tables of what known programs print (`stderr_patterns`), and
last what stage, exit status and the shape of the command reveal (`rules`). Programs that print in
the user's language are recognized by the shape of their lines and by exit statuses, never by
English text.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from norouter_core.exec_commands import rules
from norouter_core.exec_commands.command import ExecCommand, program_name
from norouter_core.exec_commands.problem import (
    PERMANENT,
    Diagnosis,
    Evidence,
    HostProblem,
    ProblemKind,
    Stage,
)
from norouter_core.exec_commands.rules import Context
from norouter_core.exec_commands.stderr_patterns import find_match
from norouter_core.exec_commands.templates import shorten, strip_echo, template_values
from norouter_core.sanitize import strip_lines

SHOWN_LINES = 8
"""How many of the last lines a `HostProblem` keeps; each is shortened to 200 characters."""

_STDOUT_READ = 16 * 1024
_MAX_LINE = 500
"""Characters of a line that the patterns see: more than any known program's message has."""

_Rule = Callable[[Context], Diagnosis | None]


def _check_question(context: Context) -> Diagnosis | None:
    return diagnose_question(context.evidence.unanswered, context.evidence.cancelled)


def diagnose_question(
    unanswered: str, cancelled: bool, again: str = "host restart"
) -> Diagnosis | None:
    """Return why a command got no answer; `again` is the verb that runs it once more."""
    if cancelled:
        return Diagnosis(
            ProblemKind.CANCELLED, "cancelled by the user", f"`{again}` asks the question again"
        )
    if not unanswered:
        return None
    asked = shorten(unanswered.splitlines()[-1].strip().removesuffix(":"))
    message = f"the command asks a question, and nobody is there to answer: {asked}"
    hint = (
        f"answer it on a terminal (`norouter attach`, then `{again}`), or make the command ask "
        "nothing: a key that ssh-agent holds, a known host key, `NOPASSWD:` in sudoers"
    )
    return Diagnosis(ProblemKind.NOBODY_TO_ASK, message, hint)


_RUNNING_RULES: tuple[_Rule, ...] = (rules.check_protocol, rules.check_lost_link)
_CERTAIN_RULES: tuple[_Rule, ...] = (
    _check_question,
    rules.check_shell_syntax,
    rules.check_spawn,
    rules.check_echo,
    rules.check_container_state,
    rules.check_no_program,
    rules.check_report,
)
"""What the system and our own lines report outweighs every text that others print."""
_FALLBACK_RULES: tuple[_Rule, ...] = (
    rules.check_copied,
    rules.check_remote_program,
    rules.check_script,
    rules.check_noise,
    rules.check_agent_crash,
    rules.check_stdin,
    rules.check_waiting_tty,
    rules.check_protocol,
    rules.check_version,
    rules.check_timeout,
    rules.check_installed_agent,
    rules.check_shell_tail,
    rules.check_interactive,
    rules.check_interpreter,
    rules.check_shell,
    rules.check_own_program,
)


def diagnose(evidence: Evidence) -> HostProblem:
    """Return what happened to a host's start or link, and what to do about it.

    Uses only the evidence, and never raises. The problem keeps the last lines of stderr, or of
    stdout if stderr is empty, because container runtimes print their errors there.
    """
    stderr = tuple(line for text in evidence.stderr for line in strip_lines(text).splitlines())
    stdout = strip_echo(_lines(evidence.stdout))
    seen = (tuple(line[:_MAX_LINE] for line in lines) for lines in (stderr, stdout))
    context = Context(evidence, ExecCommand.parse(evidence.argv), *seen)
    diagnosis = _diagnose(context)
    shown = stderr if any(line.strip() for line in stderr) else stdout
    return HostProblem(
        kind=diagnosis.kind,
        message=_one_line(diagnosis.message),
        hint=_one_line(diagnosis.hint),
        command=shlex.join(evidence.argv),
        exit_status=evidence.exit_status,
        stderr=tuple(map(shorten, shown[-SHOWN_LINES:])),
        permanent=diagnosis.kind in PERMANENT or context.command.adds_containers,
        instead=_one_line(diagnosis.instead),
    )


def _diagnose(context: Context) -> Diagnosis:
    if context.evidence.stage is Stage.RUNNING:
        return _first(_RUNNING_RULES, context) or rules.diagnose_exit(context)
    return (
        _first(_CERTAIN_RULES, context)
        or _check_verb(context)
        or _match_stderr(context)
        or _first(_FALLBACK_RULES, context)
        or rules.diagnose_exit(context)
    )


def _first(rules: tuple[_Rule, ...], context: Context) -> Diagnosis | None:
    return next((diagnosis for rule in rules if (diagnosis := rule(context))), None)


_UNKNOWN_VERB = re.compile(
    r"(?i)unknown (?:shorthand )?flag|(?:unknown|unrecognized) command|is not a \w+ command"
)


def _check_verb(context: Context) -> Diagnosis | None:
    """Look for a misspelt `exec`, for which docker rejects the option after it instead."""
    if not any(_UNKNOWN_VERB.search(line) for line in context.lines):
        return None
    verb, instead = context.command.misspelt_exec()
    if not verb:
        return None
    message = f"{context.command.layers[-1].program} has no command `{verb}`"
    return Diagnosis(ProblemKind.USAGE, message, f"did you mean `exec`? {instead}", instead)


def _match_stderr(context: Context) -> Diagnosis | None:
    evidence, command = context.evidence, context.command
    found = find_match(context.lines, command, evidence.stage, evidence.exit_status)
    if found is None:
        return None
    row, match = found
    layer = command.innermost(frozenset((row.about or row.printed_by).split()))
    values = template_values(command, layer, match.groupdict())
    values["line"] = shorten(match.string.strip())
    # Of what an unknown program leads to, only the line itself is known.
    template = "{line}" if layer is None and "{noun}" in row.message else row.message
    message = template.format_map(values)
    if evidence.stage is Stage.HELLO and program_name(values["missing"]) == "norouter":
        return Diagnosis(ProblemKind.NOROUTER_MISSING, message, values["without_norouter"])
    texts = (text.format_map(values) for text in (row.hint, row.instead))
    return Diagnosis(row.kind, message, *texts)


def _lines(stdout: bytes) -> tuple[str, ...]:
    text = strip_lines(stdout[-_STDOUT_READ:].decode("utf-8", "replace"))
    return tuple(line for line in text.splitlines() if line.strip())


def _one_line(text: str) -> str:
    return " ".join(strip_lines(text).split())
