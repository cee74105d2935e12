"""What is said where no clue tells more: by the stage, the exit status and the command's shape.

Each function takes a `Case` and answers None where it has nothing to say.
"""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from norouter_core.exec_commands.command import ExecCommand, Layer
from norouter_core.exec_commands.problem import Evidence, ProblemKind, Stage
from norouter_core.exec_commands.templates import (
    describe_exit,
    format_seconds,
    last_meaningful_line,
    template_values,
)

_NEEDS_PYTHON = "Python 3.8 or newer is needed there, with its standard library"
_COMPLETE_PYTHON = "install the whole Python there (Debian: `python3`, not `python3-minimal`)"
_USE_EXEC_COMMAND = (
    "name a command that leads to a host and runs the words put after it, such as "
    "`docker exec -i web` or `ssh web`"
)
_RESTARTS = "it is started again by itself"


@dataclass(frozen=True, slots=True)
class Context:
    """The evidence, the command taken apart, and every line that came, clean: stderr's first."""

    evidence: Evidence
    command: ExecCommand
    lines: tuple[str, ...]

    @property
    def target_layer(self) -> Layer | None:
        return self.command.innermost()

    @property
    def is_local(self) -> bool:
        """Whether no known program leads away from this machine, and no unknown one may."""
        return self.target_layer is None and len(self.command.words) < 2

    @property
    def place(self) -> str:
        return template_values(self.command, self.target_layer, {})["place"]

    @property
    def run(self) -> str:
        return template_values(self.command, None, {})["run"]

    @property
    def no_norouter(self) -> str:
        return template_values(self.command, None, {})["no_norouter"]

    @property
    def last_line(self) -> str:
        """`: LINE` of the last telling line, or nothing."""
        line = last_meaningful_line(self.lines)
        return f": {line}" if line else ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    kind: ProblemKind
    message: str
    hint: str


# --- the command could not be started


_NOT_EXECUTABLE = frozenset({errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.EISDIR})


def check_spawn(context: Context) -> Diagnosis | None:
    error = context.evidence.os_error
    if error is None:
        return None
    program = context.evidence.argv[0] if context.evidence.argv else ""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        hint = "install it, correct the name in the command, or give its full path"
        if "/" in program:
            hint = (
                "correct the path; if the file is there, the interpreter in its first line is not"
            )
        message = f"`{program}` is not found on this machine"
        return Diagnosis(ProblemKind.COMMAND_NOT_FOUND, message, hint)
    if error.errno in _NOT_EXECUTABLE:
        message = f"`{program}` cannot be run on this machine: {error.strerror}"
        hint = "make it executable (chmod +x), or name the program that runs it"
        return Diagnosis(ProblemKind.NOT_EXECUTABLE, message, hint)
    message = f"`{program}` cannot be started: {error.strerror or error}"
    hint = "free processes, open files or memory on this machine (`ulimit -a` shows the limits)"
    return Diagnosis(ProblemKind.NOT_STARTED, message, hint)


# --- what the shell or the first stage reported


_MISSING = re.compile(r"^(?P<path>[^:]+): no module named '?(?P<module>[\w.]+)'?", re.IGNORECASE)
_TOO_OLD = re.compile(r"^(?P<path>[^:]+): is (?P<version>[^,]+), too old")
_BROKEN = re.compile(r"^(?P<path>[^:]+): (?!\[errno)(?P<why>.+)", re.IGNORECASE)


def check_report(context: Context) -> Diagnosis | None:
    """A report names every Python tried; the one that came nearest is told of."""
    report = [line.strip() for line in context.evidence.report.splitlines() if line.strip()]
    if found := _search(report, _MISSING):
        message = f"{found['path']} {context.place} lacks the module `{found['module']}`"
        return Diagnosis(ProblemKind.PYTHON_CRIPPLED, message, _COMPLETE_PYTHON)
    if found := _search(report, _TOO_OLD):
        message = f"{found['path']} {context.place} is {found['version']}: too old"
        return Diagnosis(
            ProblemKind.PYTHON_TOO_OLD, message, f"{_NEEDS_PYTHON}; install a newer one"
        )
    if found := _search(report, _BROKEN):
        message = f"{found['path']} {context.place} is not whole: {found['why'][:200]}"
        return Diagnosis(ProblemKind.PYTHON_CRIPPLED, message, _COMPLETE_PYTHON)
    if not report:
        return None
    message = f"there is no Python {context.place}"
    if report != ["no python"]:
        message = f"no Python {context.place} can be used: {'; '.join(report)[:200]}"
    return Diagnosis(
        ProblemKind.NO_PYTHON, message, f"{_NEEDS_PYTHON}: install it, or use an image with it"
    )


def _search(report: list[str], pattern: re.Pattern[str]) -> re.Match[str] | None:
    return next((found for line in report if (found := pattern.search(line))), None)


# --- terminals, stdin, noise


def check_echo(context: Context) -> Diagnosis | None:
    if not context.evidence.echoed:
        return None
    message = f"there is a terminal {context.place}, which no link passes: what was sent came back"
    return Diagnosis(ProblemKind.TTY, message, template_values(context.command, None, {})["untty"])


def check_stdin(context: Context) -> Diagnosis | None:
    """Stdin is not passed on: the shell there sees its end at once, and ends in order."""
    evidence = context.evidence
    phrase, mended = context.command.with_stdin()
    silent_ssh = any(x.program == "ssh" and x.given(("-N",)) for x in context.command.layers)
    quiet_end = evidence.exit_status == 0 or evidence.stage is Stage.HELLO
    if not phrase or not (silent_ssh or (quiet_end and evidence.timed_out is None)):
        return None
    message = "the command does not pass its stdin on, so nothing can be sent there"
    return Diagnosis(ProblemKind.STDIN_NOT_ATTACHED, message, f"{phrase}: {mended}")


def check_waiting_tty(context: Context) -> Diagnosis | None:
    """`docker exec -t` without `-i` shows a prompt for ever."""
    if context.evidence.timed_out is None or not any(x.makes_tty for x in context.command.layers):
        return None
    message = "the command makes a terminal, which no link passes"
    return Diagnosis(ProblemKind.TTY, message, template_values(context.command, None, {})["untty"])


def check_noise(context: Context) -> Diagnosis | None:
    if not context.evidence.noise:
        return None
    message = f"output without end came instead of an answer {context.place}"
    if context.is_local:
        program = context.command.words[0] if context.command.words else "sh"
        message = f"`{program}` writes without end and does not run the `sh` put after it"
        return Diagnosis(ProblemKind.NOISE, message, _USE_EXEC_COMMAND)
    hint = f"make its login files (.profile, .bashrc) quiet; see what comes: {context.run}"
    return Diagnosis(ProblemKind.NOISE, message, hint)


# --- time-outs


def _timeout_hint(context: Context) -> str:
    if any(x.program == "ssh" for x in context.command.layers):
        ssh = template_values(context.command, context.command.innermost(frozenset({"ssh"})), {})[
            "ssh"
        ]
        return f"see that `{ssh} true` works by hand at once and asks nothing"
    return f"try it by hand in a shell: {context.run}"


def check_timeout(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.timed_out is None:
        return None
    waited = format_seconds(evidence.timed_out)
    if evidence.stage is Stage.HELLO and not evidence.stdout:
        message = (
            f"the norouter {context.place} said nothing within {waited}, as NoRouter's own "
            "(Go) agent does, which is not supported"
        )
        return Diagnosis(ProblemKind.NOROUTER_GO, message, context.no_norouter)
    missing = {
        Stage.SPAWN: "the command did not start",
        Stage.SHELL: f"no shell answered {context.place}",
        Stage.PYTHON: f"Python runs {context.place}, but the agent sent to it did not answer",
        Stage.HELLO: f"the norouter {context.place} did not greet",
    }
    message = f"{missing[evidence.stage]} within {waited}{context.last_line}"
    return Diagnosis(ProblemKind.TIMEOUT, message, _timeout_hint(context))


# --- a side that breaks the protocol, or ends


def check_protocol(context: Context) -> Diagnosis | None:
    if not context.evidence.violation:
        return None
    message = f"what came is not the agent's protocol: {context.evidence.violation}"
    hint = "see that nothing but the agent writes to the command's stdout, and that versions match"
    return Diagnosis(ProblemKind.PROTOCOL, message, hint)


def check_agent_crash(context: Context) -> Diagnosis | None:
    if context.evidence.stage is not Stage.PYTHON:
        return None
    if not any(line.startswith("Traceback (most recent call last)") for line in context.lines):
        return None
    message = f"the agent died {context.place}{context.last_line}"
    hint = "this is a bug, or a Python that is damaged: report it with the lines shown"
    return Diagnosis(ProblemKind.AGENT_DIED, message, hint)


def check_installed_agent(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.stage is not Stage.HELLO:
        return None
    if evidence.exit_status == 127:
        message = f"there is no norouter {context.place}{context.last_line}"
        return Diagnosis(ProblemKind.NOROUTER_MISSING, message, context.no_norouter)
    message = f"the norouter {context.place} refused to be an agent{context.last_line}"
    if not context.last_line:
        message += f" (it {describe_exit(evidence.exit_status)})"
    return Diagnosis(ProblemKind.NOROUTER_REFUSED, message, context.no_norouter)


def check_shell_tail(context: Context) -> Diagnosis | None:
    """`bash -l` and the like: the `sh` put after it is taken for a script."""
    tail = context.command.shell_tail
    failed = context.evidence.exit_status in (1, 2, 126, 127)
    if not tail or not failed or context.evidence.stage is not Stage.SHELL:
        return None
    message, hint = explain_shell_tail(context.command)
    return Diagnosis(ProblemKind.USAGE, f"{message}{context.last_line}", hint)


def explain_shell_tail(command: ExecCommand) -> tuple[str, str]:
    """What is wrong with a command that has a `shell_tail`, and what to do."""
    tail, before = shlex.join(command.shell_tail), command.before_shell()
    message = f"the command ends in `{tail}`, which takes the `sh` put after it for a script"
    if not before:
        return message, _USE_EXEC_COMMAND
    return message, f"end the command before the shell: {before}"


def check_shell(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.stage is not Stage.SHELL or evidence.exit_status not in (126, 127):
        return None
    if evidence.exit_status == 126 and context.last_line:
        return None
    message = f"there is no `sh` that runs {context.place}{context.last_line}"
    return Diagnosis(ProblemKind.NO_SHELL, message, "a POSIX `sh` and a Python are needed there")


def diagnose_exit(context: Context) -> Diagnosis:
    evidence = context.evidence
    doing = {
        Stage.SPAWN: "before it was started",
        Stage.SHELL: "before a shell answered",
        Stage.PYTHON: "while the agent was being started",
        Stage.HELLO: "before a norouter answered",
        Stage.RUNNING: "while the link was up",
    }
    message = f"the command {describe_exit(evidence.exit_status)} {doing[evidence.stage]}{context.last_line}"
    hint = f"try it by hand in a shell: {context.run}"
    if evidence.stage is Stage.SHELL and evidence.exit_status == 0 and not context.last_line:
        hint = "see that the command runs the words put after it, and passes its stdin on to them"
    return Diagnosis(ProblemKind.EXITED, message, hint)


# --- a link that was up


_ENDED_BY = {
    0: "the command ended in order",
    137: "the agent or its container was killed (stopped, or out of memory)",
    143: "the agent or its container was told to end",
}


def check_lost_link(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.stage is not Stage.RUNNING:
        return None
    status = evidence.exit_status
    if evidence.timed_out is not None:
        reason = f"nothing was heard from the host for {format_seconds(evidence.timed_out)}"
    elif status == 255 and any(x.program == "ssh" for x in context.command.layers):
        reason = "ssh lost its connection, or was ended (exit status 255)"
    elif status in _ENDED_BY:
        reason = f"{_ENDED_BY[status]} (exit status {status})"
    else:
        reason = f"the command {describe_exit(status)}"
    return Diagnosis(
        ProblemKind.LINK_LOST, f"the link was lost: {reason}{context.last_line}", _RESTARTS
    )


Rule = Callable[[Context], Diagnosis | None]

SPAWN_RULES: tuple[Rule, ...] = (check_spawn,)
RUNNING_RULES: tuple[Rule, ...] = (check_protocol, check_lost_link)
CERTAIN_RULES: tuple[Rule, ...] = (check_echo, check_report)
"""What our own lines tell outweighs every text that others print."""
FALLBACK_RULES: tuple[Rule, ...] = (
    check_noise,
    check_agent_crash,
    check_stdin,
    check_waiting_tty,
    check_protocol,
    check_timeout,
    check_installed_agent,
    check_shell_tail,
    check_shell,
)
