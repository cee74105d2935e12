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
from norouter_core.exec_commands.templates import ending, seconds, telling, words_for

_NEEDS_PYTHON = "Python 3.8 or newer is needed there, with its standard library"
_WHOLE_PYTHON = "install the whole Python there (Debian: `python3`, not `python3-minimal`)"
_LEAD_TO_A_HOST = (
    "name a command that leads to a host and runs the words put after it, such as "
    "`docker exec -i web` or `ssh web`"
)
_AGAIN = "it is started again by itself"


@dataclass(frozen=True, slots=True)
class Context:
    """The evidence, the command taken apart, and every line that came, clean: stderr's first."""

    evidence: Evidence
    command: ExecCommand
    lines: tuple[str, ...]

    @property
    def front(self) -> Layer | None:
        return self.command.innermost()

    @property
    def is_local(self) -> bool:
        """Whether no known program leads away from this machine, and no unknown one may."""
        return self.front is None and len(self.command.words) < 2

    @property
    def place(self) -> str:
        return words_for(self.command, self.front, {})["place"]

    @property
    def run(self) -> str:
        return words_for(self.command, None, {})["run"]

    @property
    def no_norouter(self) -> str:
        return words_for(self.command, None, {})["no_norouter"]

    @property
    def told(self) -> str:
        """`: LINE` of the last telling line, or nothing."""
        line = telling(self.lines)
        return f": {line}" if line else ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    kind: ProblemKind
    message: str
    hint: str


# --- the command could not be started


_NOT_EXECUTABLE = frozenset({errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.EISDIR})


def not_started(case: Context) -> Diagnosis | None:
    error = case.evidence.os_error
    if error is None:
        return None
    program = case.evidence.argv[0] if case.evidence.argv else ""
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


def reported(case: Context) -> Diagnosis | None:
    """A report names every Python tried; the one that came nearest is told of."""
    report = [line.strip() for line in case.evidence.report.splitlines() if line.strip()]
    if found := _in(report, _MISSING):
        message = f"{found['path']} {case.place} lacks the module `{found['module']}`"
        return Diagnosis(ProblemKind.PYTHON_CRIPPLED, message, _WHOLE_PYTHON)
    if found := _in(report, _TOO_OLD):
        message = f"{found['path']} {case.place} is {found['version']}: too old"
        return Diagnosis(
            ProblemKind.PYTHON_TOO_OLD, message, f"{_NEEDS_PYTHON}; install a newer one"
        )
    if found := _in(report, _BROKEN):
        message = f"{found['path']} {case.place} is not whole: {found['why'][:200]}"
        return Diagnosis(ProblemKind.PYTHON_CRIPPLED, message, _WHOLE_PYTHON)
    if not report:
        return None
    message = f"there is no Python {case.place}"
    if report != ["no python"]:
        message = f"no Python {case.place} can be used: {'; '.join(report)[:200]}"
    return Diagnosis(
        ProblemKind.NO_PYTHON, message, f"{_NEEDS_PYTHON}: install it, or use an image with it"
    )


def _in(report: list[str], pattern: re.Pattern[str]) -> re.Match[str] | None:
    return next((found for line in report if (found := pattern.search(line))), None)


# --- terminals, stdin, noise


def echoed(case: Context) -> Diagnosis | None:
    if not case.evidence.echoed:
        return None
    message = f"there is a terminal {case.place}, which no link passes: what was sent came back"
    return Diagnosis(ProblemKind.TTY, message, words_for(case.command, None, {})["untty"])


def deaf(case: Context) -> Diagnosis | None:
    """Stdin is not passed on: the shell there sees its end at once, and ends in order."""
    evidence = case.evidence
    phrase, mended = case.command.with_stdin()
    silent_ssh = any(x.program == "ssh" and x.given(("-N",)) for x in case.command.layers)
    quiet_end = evidence.exit_status == 0 or evidence.stage is Stage.HELLO
    if not phrase or not (silent_ssh or (quiet_end and evidence.timed_out is None)):
        return None
    message = "the command does not pass its stdin on, so nothing can be sent there"
    return Diagnosis(ProblemKind.STDIN_NOT_ATTACHED, message, f"{phrase}: {mended}")


def waiting_terminal(case: Context) -> Diagnosis | None:
    """`docker exec -t` without `-i` shows a prompt for ever."""
    if case.evidence.timed_out is None or not any(x.makes_tty for x in case.command.layers):
        return None
    message = "the command makes a terminal, which no link passes"
    return Diagnosis(ProblemKind.TTY, message, words_for(case.command, None, {})["untty"])


def noisy(case: Context) -> Diagnosis | None:
    if not case.evidence.noise:
        return None
    message = f"output without end came instead of an answer {case.place}"
    if case.is_local:
        program = case.command.words[0] if case.command.words else "sh"
        message = f"`{program}` writes without end and does not run the `sh` put after it"
        return Diagnosis(ProblemKind.NOISE, message, _LEAD_TO_A_HOST)
    hint = f"make its login files (.profile, .bashrc) quiet; see what comes: {case.run}"
    return Diagnosis(ProblemKind.NOISE, message, hint)


# --- time-outs


def _time_hint(case: Context) -> str:
    if any(x.program == "ssh" for x in case.command.layers):
        ssh = words_for(case.command, case.command.innermost(frozenset({"ssh"})), {})["ssh"]
        return f"see that `{ssh} true` works by hand at once and asks nothing"
    return f"try it by hand in a shell: {case.run}"


def timed_out(case: Context) -> Diagnosis | None:
    evidence = case.evidence
    if evidence.timed_out is None:
        return None
    waited = seconds(evidence.timed_out)
    if evidence.stage is Stage.HELLO and not evidence.stdout:
        message = (
            f"the norouter {case.place} said nothing within {waited}, as NoRouter's own "
            "(Go) agent does, which is not supported"
        )
        return Diagnosis(ProblemKind.NOROUTER_GO, message, case.no_norouter)
    missing = {
        Stage.SPAWN: "the command did not start",
        Stage.SHELL: f"no shell answered {case.place}",
        Stage.PYTHON: f"Python runs {case.place}, but the agent sent to it did not answer",
        Stage.HELLO: f"the norouter {case.place} did not greet",
    }
    message = f"{missing[evidence.stage]} within {waited}{case.told}"
    return Diagnosis(ProblemKind.TIMEOUT, message, _time_hint(case))


# --- a side that breaks the protocol, or ends


def protocol(case: Context) -> Diagnosis | None:
    if not case.evidence.violation:
        return None
    message = f"what came is not the agent's protocol: {case.evidence.violation}"
    hint = "see that nothing but the agent writes to the command's stdout, and that versions match"
    return Diagnosis(ProblemKind.PROTOCOL, message, hint)


def agent_died(case: Context) -> Diagnosis | None:
    if case.evidence.stage is not Stage.PYTHON:
        return None
    if not any(line.startswith("Traceback (most recent call last)") for line in case.lines):
        return None
    message = f"the agent died {case.place}{case.told}"
    hint = "this is a bug, or a Python that is damaged: report it with the lines shown"
    return Diagnosis(ProblemKind.AGENT_DIED, message, hint)


def norouter_ended(case: Context) -> Diagnosis | None:
    evidence = case.evidence
    if evidence.stage is not Stage.HELLO:
        return None
    if evidence.exit_status == 127:
        message = f"there is no norouter {case.place}{case.told}"
        return Diagnosis(ProblemKind.NOROUTER_MISSING, message, case.no_norouter)
    message = f"the norouter {case.place} refused to be an agent{case.told}"
    if not case.told:
        message += f" (it {ending(evidence.exit_status)})"
    return Diagnosis(ProblemKind.NOROUTER_REFUSED, message, case.no_norouter)


def shell_options(case: Context) -> Diagnosis | None:
    """`bash -l` and the like: the `sh` put after it is taken for a script."""
    tail = case.command.shell_tail
    failed = case.evidence.exit_status in (1, 2, 126, 127)
    if not tail or not failed or case.evidence.stage is not Stage.SHELL:
        return None
    message, hint = shell_first(case.command)
    return Diagnosis(ProblemKind.USAGE, f"{message}{case.told}", hint)


def shell_first(command: ExecCommand) -> tuple[str, str]:
    """What is wrong with a command that has a `shell_tail`, and what to do."""
    tail, before = shlex.join(command.shell_tail), command.before_shell()
    message = f"the command ends in `{tail}`, which takes the `sh` put after it for a script"
    if not before:
        return message, _LEAD_TO_A_HOST
    return message, f"end the command before the shell: {before}"


def no_shell(case: Context) -> Diagnosis | None:
    evidence = case.evidence
    if evidence.stage is not Stage.SHELL or evidence.exit_status not in (126, 127):
        return None
    if evidence.exit_status == 126 and case.told:
        return None
    message = f"there is no `sh` that runs {case.place}{case.told}"
    return Diagnosis(ProblemKind.NO_SHELL, message, "a POSIX `sh` and a Python are needed there")


def ended(case: Context) -> Diagnosis:
    evidence = case.evidence
    doing = {
        Stage.SPAWN: "before it was started",
        Stage.SHELL: "before a shell answered",
        Stage.PYTHON: "while the agent was being started",
        Stage.HELLO: "before a norouter answered",
        Stage.RUNNING: "while the link was up",
    }
    message = f"the command {ending(evidence.exit_status)} {doing[evidence.stage]}{case.told}"
    hint = f"try it by hand in a shell: {case.run}"
    if evidence.stage is Stage.SHELL and evidence.exit_status == 0 and not case.told:
        hint = "see that the command runs the words put after it, and passes its stdin on to them"
    return Diagnosis(ProblemKind.EXITED, message, hint)


# --- a link that was up


_ENDED_BY = {
    0: "the command ended in order",
    137: "the agent or its container was killed (stopped, or out of memory)",
    143: "the agent or its container was told to end",
}


def link_lost(case: Context) -> Diagnosis | None:
    evidence = case.evidence
    if evidence.stage is not Stage.RUNNING:
        return None
    status = evidence.exit_status
    if evidence.timed_out is not None:
        reason = f"nothing was heard from the host for {seconds(evidence.timed_out)}"
    elif status == 255 and any(x.program == "ssh" for x in case.command.layers):
        reason = "ssh lost its connection, or was ended (exit status 255)"
    elif status in _ENDED_BY:
        reason = f"{_ENDED_BY[status]} (exit status {status})"
    else:
        reason = f"the command {ending(status)}"
    return Diagnosis(ProblemKind.LINK_LOST, f"the link was lost: {reason}{case.told}", _AGAIN)


Rule = Callable[[Context], Diagnosis | None]

BEFORE_CLUES: tuple[Rule, ...] = (not_started,)
RUNNING: tuple[Rule, ...] = (protocol, link_lost)
CERTAIN: tuple[Rule, ...] = (echoed, reported)
"""What our own lines tell outweighs every text that others print."""
AFTER_CLUES: tuple[Rule, ...] = (
    noisy,
    agent_died,
    deaf,
    waiting_terminal,
    protocol,
    timed_out,
    norouter_ended,
    shell_options,
    no_shell,
)
