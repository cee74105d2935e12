"""What stage, exit status and the shape of the command reveal about a failure.

Each rule takes a `Context` and returns None if it does not apply.
"""

from __future__ import annotations

import errno
import re
from collections import defaultdict
from dataclasses import dataclass, replace

from norouter_core.exec_commands.command import ExecCommand, is_shell, program_name
from norouter_core.exec_commands.lint import (
    USE_EXEC_COMMAND,
    explain_interactive,
    explain_shell_syntax,
    explain_shell_tail,
)
from norouter_core.exec_commands.problem import NO_PYTHON, Diagnosis, Evidence, ProblemKind, Stage
from norouter_core.exec_commands.templates import (
    INSTALL_IT,
    MAKE_EXECUTABLE,
    NO_SHELL_HINT,
    STDIN_MESSAGE,
    TRY_IT,
    TTY_MESSAGE,
    describe_exit,
    format_seconds,
    format_share,
    telling_line,
    template_values,
)

_NEEDS_PYTHON = "norouter needs Python 3.8 or newer there, with its standard library"
_COMPLETE_PYTHON = "install a complete Python there (Debian: `python3`, not `python3-minimal`)"
_NO_INTERPRETER = "end the command before the Python; norouter then looks for another agent there"
_RESTARTS = "norouter restarts it"
_SLOW_LINK = "the connection has stalled, or carries less than 2 kbit/s; norouter tries again"


@dataclass(frozen=True, slots=True)
class Context:
    """The evidence, the command in its parts, and the lines that it printed."""

    evidence: Evidence
    command: ExecCommand
    stderr: tuple[str, ...]
    stdout: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """Every line of stderr, and then of stdout."""
        return self.stderr + self.stdout

    @property
    def is_local(self) -> bool:
        """Whether no known program leads away from this machine, and no unknown one may."""
        return self.command.innermost() is None and len(self.command.words) < 2

    @property
    def values(self) -> defaultdict[str, str]:
        """What messages may name of the command and its target."""
        return template_values(self.command, self.command.innermost(), {})

    @property
    def place(self) -> str:
        """Where the command leads, as in `in the container web`."""
        return self.values["place"]

    @property
    def last_line(self) -> str:
        """`: LINE` with the line that most likely names the cause, or nothing."""
        line = telling_line(self.stderr, self.stdout)
        return f": {line}" if line else ""


# --- the command could not be started


_NOT_EXECUTABLE = frozenset({errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.EISDIR})


def check_spawn(context: Context) -> Diagnosis | None:
    error = context.evidence.os_error
    if error is None:
        return None
    program = context.evidence.argv[0] if context.evidence.argv else ""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        hint = INSTALL_IT
        if "/" in program:
            hint = (
                "correct the path; if the file exists, the interpreter in its first line does not"
            )
        message = f"`{program}` not found on this machine"
        return Diagnosis(ProblemKind.COMMAND_NOT_FOUND, message, hint)
    if error.errno in _NOT_EXECUTABLE:
        message = f"cannot run `{program}` on this machine: {error.strerror}"
        return Diagnosis(ProblemKind.NOT_EXECUTABLE, message, MAKE_EXECUTABLE)
    message = f"cannot start `{program}`: {error.strerror or error}"
    hint = "free up processes, open files or memory on this machine (`ulimit -a` shows the limits)"
    return Diagnosis(ProblemKind.NOT_STARTED, message, hint)


# --- what a shell reported of the agents it tried


_MISSING = re.compile(r"^(?P<path>[^:]+): no module named '?(?P<module>[\w.]+)'?", re.IGNORECASE)
_TOO_OLD = re.compile(r"^(?P<path>[^:]+): is (?P<version>[^,]+), too old")
_ABSENT = re.compile(r"^(?P<path>[^:]+): not found$")
_BROKEN = re.compile(r"^(?P<path>[^:]+): (?P<why>.+)")

_NATIVE_HINTS = (
    (
        r"there is no (native agent|chmod|rm)",
        "install Python 3.8 or newer there, which norouter uses as well",
    ),
    (
        r"(?m)^(?P<place>/[^\n:]+): no room for (?P<size>\d+ KiB)",
        "{place} needs {size}: free some space there, or enlarge it (docker and podman: "
        "`--tmpfs {place}:size=8m,exec`)",
    ),
    (r"no room for|could be written|No space left", "free some space in one of these directories"),
    (r"exit status 137\b", "give it more memory: the agent needs 16 MiB"),
    (
        r"",
        "allow files to be written and executed in one of these directories (docker and podman: "
        "`--tmpfs /tmp:exec`), or install Python 3.8 or newer there",
    ),
)
"""What to do about each kind of report: the first that fits, a template over its groups."""


def check_no_program(context: Context) -> Diagnosis | None:
    """Explain that this machine lacks the native agent, whatever the host is like."""
    why = context.evidence.no_program
    if not why:
        return None
    go = "install Go on this machine (or run `make agents`), or " if "no Go" in why else ""
    if context.evidence.stage is Stage.COPIED:
        message = f"`{context.values['shell']}` not found {context.place}, and {why}"
        found = no_shell(context, message)
        hint = f"{go}give the host a shell: {found.hint}"
        return replace(found, kind=ProblemKind.NO_NATIVE_AGENT, hint=hint)
    hint = f"{go}install Python 3.8 or newer on the host"
    return Diagnosis(ProblemKind.NO_NATIVE_AGENT, f"{_without_python(context)}{why}", hint)


def check_report(context: Context) -> Diagnosis | None:
    """Explain a report, which names every Python tried: the most promising one counts."""
    report = _report_lines(context.evidence.report)
    if context.evidence.stage is Stage.COPIED:
        return None
    if report and context.evidence.stage is Stage.NATIVE:
        return _explain_native(context, report)
    if found := _search(report, _MISSING):
        message = f"{found['path']} {context.place} lacks the module `{found['module']}`"
        return Diagnosis(ProblemKind.PYTHON_INCOMPLETE, message, _COMPLETE_PYTHON)
    if found := _search(report, _TOO_OLD):
        message = f"{found['path']} {context.place} is {found['version']}, which is too old"
        return Diagnosis(
            ProblemKind.PYTHON_TOO_OLD, message, f"{_NEEDS_PYTHON}; install a newer one"
        )
    if found := _search(report, _ABSENT):
        message = f"{found['path']} not found {context.place}"
        hint = "correct the host's `python`, or leave it out to use any Python there"
        return Diagnosis(ProblemKind.NO_PYTHON, message, hint)
    if found := _search(report, _BROKEN):
        message = f"{found['path']} {context.place} does not work: {found['why'][:200]}"
        return Diagnosis(ProblemKind.PYTHON_INCOMPLETE, message, _COMPLETE_PYTHON)
    if not report:
        return None
    message = f"Python not found {context.place}"
    if report != [NO_PYTHON]:
        message = f"no usable Python {context.place}: {'; '.join(report)[:200]}"
    hint = f"{_NEEDS_PYTHON}: install it, or use an image that has it"
    return Diagnosis(ProblemKind.NO_PYTHON, message, hint)


def _explain_native(context: Context, report: list[str]) -> Diagnosis:
    message = f"the native agent cannot run {context.place}: {_by_reason(report)[:600]}"
    message = f"{_without_python(context)}{message}"
    text = "\n".join(report)
    searches = ((re.search(pattern, text), hint) for pattern, hint in _NATIVE_HINTS)
    hint = next(hint.format_map(found.groupdict()) for found, hint in searches if found)
    return Diagnosis(ProblemKind.NO_NATIVE_AGENT, message, hint)


def _without_python(context: Context) -> str:
    """Return why the native agent was tried, as in `no Python on the host web, and `."""
    pythons = _report_lines(context.evidence.pythons)
    if pythons == [NO_PYTHON]:
        return f"no Python {context.place}, and "
    reasons = "; ".join(pythons)[:300]
    return f"no usable Python {context.place} ({reasons}), and " if pythons else ""


def _by_reason(report: list[str]) -> str:
    """Return `/run, /dev: Read-only file system; /tmp: no room`, in order."""
    places: dict[str, list[str]] = {}
    for line in report:
        place, colon, reason = line.partition(": ")
        places.setdefault(reason if colon else line, []).append(place if colon else "")
    return "; ".join(
        f"{', '.join(names)}: {reason}" if all(names) else reason
        for reason, names in places.items()
    )


def _report_lines(report: str) -> list[str]:
    return [line.strip() for line in report.splitlines() if line.strip()]


def _search(report: list[str], pattern: re.Pattern[str]) -> re.Match[str] | None:
    return next((found for line in report if (found := pattern.search(line))), None)


def check_container_state(context: Context) -> Diagnosis | None:
    """Explain a container that the engine reports as stopped, paused or the like."""
    state, values = context.evidence.container_state, context.values
    if not state:
        return None
    container = f"the {values['noun']} `{values['target']}`"
    if state == "paused":
        message, hint = f"{container} is paused", values["resume_it"]
    else:
        message, hint = f"{container} is not running (its state: {state})", values["start_it"]
    return Diagnosis(ProblemKind.CONTAINER_NOT_RUNNING, message, hint)


_UNCHANGEABLE = re.compile(r"(?i)rootfs is marked read-only|read-only file ?system")


def check_copied(context: Context) -> Diagnosis | None:
    """Explain why the native agent could not be copied into a container without a shell."""
    evidence = context.evidence
    if evidence.stage is not Stage.COPIED or evidence.timed_out is not None:
        return None
    why = f"the native agent could not be copied and started there{context.last_line}"
    if evidence.report:
        why = f"the native agent cannot be copied there: {evidence.report}"
    elif any(_UNCHANGEABLE.search(line) for line in context.lines):
        why = "the native agent cannot be copied there: the root file system is read-only"
    message = f"`{context.values['shell']}` not found {context.place}, and {why}"
    return no_shell(context, message)


# --- TTYs, stdin, noise


def check_echo(context: Context) -> Diagnosis | None:
    if not context.evidence.echoed:
        return None
    message = f"the command allocates a TTY {context.place}; norouter needs a raw pipe"
    return _remove_tty(context, message)


def _remove_tty(context: Context, message: str) -> Diagnosis:
    values = context.values
    return Diagnosis(ProblemKind.TTY, message, values["remove_tty"], values["corrected"])


def check_stdin(context: Context) -> Diagnosis | None:
    """Look for a shell without stdin, which sees its end at once and exits normally."""
    evidence = context.evidence
    correction = context.command.with_stdin()
    silent_ssh = any(x.program == "ssh" and x.given(("-N",)) for x in context.command.layers)
    quiet_end = evidence.exit_status == 0 or evidence.stage is Stage.HELLO
    if not correction or not (silent_ssh or (quiet_end and evidence.timed_out is None)):
        return None
    return Diagnosis(
        ProblemKind.STDIN_NOT_ATTACHED, STDIN_MESSAGE, correction, context.values["corrected"]
    )


def check_waiting_tty(context: Context) -> Diagnosis | None:
    """`docker exec -t` without `-i` waits at a prompt for ever."""
    if context.evidence.timed_out is None or not any(x.makes_tty for x in context.command.layers):
        return None
    return _remove_tty(context, TTY_MESSAGE)


def check_noise(context: Context) -> Diagnosis | None:
    if not context.evidence.noise:
        return None
    message = f"endless output instead of an answer {context.place}"
    if context.is_local:
        program = context.command.words[0] if context.command.words else "sh"
        message = f"`{program}` prints without end and does not run the `sh` appended to it"
        return Diagnosis(ProblemKind.NOISE, message, USE_EXEC_COMMAND)
    hint = (
        f"silence its login files (.profile, .bashrc); to see the output: {context.values['run']}"
    )
    return Diagnosis(ProblemKind.NOISE, message, hint)


# --- time-outs


def _timeout_hint(context: Context) -> str:
    if any(x.program == "ssh" for x in context.command.layers):
        layer = context.command.innermost(frozenset({"ssh"}))
        values = template_values(context.command, layer, {})
        command = f"{values['until_target']} true"
        return f"check that `{command}` works in a shell, at once and without a prompt"
    return TRY_IT.format_map(context.values)


def check_timeout(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.timed_out is None:
        return None
    waited = format_seconds(evidence.timed_out)
    if evidence.stage is Stage.HELLO and not evidence.stdout:
        message = (
            f"the norouter {context.place} sent nothing within {waited}, like the agent of "
            "NoRouter itself (Go), which is not supported"
        )
        return Diagnosis(ProblemKind.NOROUTER_GO, message, context.values["without_norouter"])
    if evidence.received < evidence.size:
        share = format_share(evidence.received, evidence.size)
        message = (
            f"the agent did not arrive {context.place} in time: {share}, then nothing for {waited}"
        )
        return Diagnosis(ProblemKind.TIMEOUT, message, _SLOW_LINK)
    missing = {
        Stage.SPAWN: "the command did not start",
        Stage.SHELL: f"no shell answered {context.place}",
        Stage.INTERPRETER: f"no Python answered {context.place}",
        Stage.PYTHON: f"Python runs {context.place}, but the agent sent to it did not answer",
        Stage.NATIVE: f"the native agent sent {context.place} did not answer",
        Stage.COPIED: f"the native agent copied {context.place} did not answer",
        Stage.HELLO: f"the norouter {context.place} sent no hello",
    }
    message = f"{missing[evidence.stage]} within {waited}{context.last_line}"
    return Diagnosis(ProblemKind.TIMEOUT, message, _timeout_hint(context))


# --- a side that breaks the protocol, or ends


def check_protocol(context: Context) -> Diagnosis | None:
    if not context.evidence.violation:
        return None
    message = f"the output is not the agent's protocol: {context.evidence.violation}"
    hint = "make sure that only the agent writes to the command's stdout, and that versions match"
    return Diagnosis(ProblemKind.PROTOCOL, message, hint)


def check_agent_crash(context: Context) -> Diagnosis | None:
    if context.evidence.stage is not Stage.PYTHON:
        return None
    if not any(line.startswith("Traceback (most recent call last)") for line in context.lines):
        return None
    message = f"the agent crashed {context.place}{context.last_line}"
    hint = "this is a bug, or a damaged Python: please report it with the lines shown"
    return Diagnosis(ProblemKind.AGENT_DIED, message, hint)


def check_version(context: Context) -> Diagnosis | None:
    if not context.evidence.version:
        return None
    message = f"the norouter {context.place} is of another version: it {context.evidence.version}"
    return Diagnosis(ProblemKind.NOROUTER_VERSION, message, context.values["replace_norouter"])


def check_installed_agent(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.stage is not Stage.HELLO:
        return None
    if evidence.exit_status == 127:
        message = f"norouter not found {context.place}{context.last_line}"
        return Diagnosis(ProblemKind.NOROUTER_MISSING, message, context.values["without_norouter"])
    message = f"the norouter {context.place} did not start an agent{context.last_line}"
    if not context.last_line:
        message += f" (it {describe_exit(evidence.exit_status)})"
    return Diagnosis(ProblemKind.NOROUTER_REFUSED, message, context.values["without_norouter"])


def check_shell_tail(context: Context) -> Diagnosis | None:
    """`bash -l` and the like take the appended `sh` for a script."""
    tail = context.command.shell_tail
    failed = context.evidence.exit_status in (1, 2, 126, 127)
    if not tail or not failed or context.evidence.stage is not Stage.SHELL:
        return None
    found = explain_shell_tail(context.command)
    return replace(found, message=f"{found.message}{context.last_line}")


def check_shell_syntax(context: Context) -> Diagnosis | None:
    if context.evidence.stage not in (Stage.SPAWN, Stage.SHELL):
        return None
    return explain_shell_syntax(context.command)


def check_interactive(context: Context) -> Diagnosis | None:
    if context.evidence.stage is not Stage.SHELL or not context.command.interactive_layers():
        return None
    return explain_interactive(context.command)


def check_remote_program(context: Context) -> Diagnosis | None:
    """Look for a program that is missing behind ssh, whose shell ends with the same status as one
    that finds no `sh`.
    """
    if context.evidence.exit_status != 127:
        return None
    found = context.command.program_not_found(context.lines)
    if found is None:
        return None
    remote, layer = found
    place = template_values(context.command, remote, {})["place"]
    message = f"`{context.command.words[layer.at]}` not found {place}"
    return Diagnosis(ProblemKind.COMMAND_NOT_FOUND, message, INSTALL_IT)


_NOT_FOUND_BY_SCRIPT = re.compile(
    r"^(?P<script>[^:]+): (?:line )?\d+: (?P<program>[^\s:]+): (?:command )?not found\s*"
)


def check_script(context: Context) -> Diagnosis | None:
    """Look for a program that is missing for the script which the command is."""
    script = context.command.words[0] if context.command.opaque else ""
    if not script or context.evidence.exit_status != 127:
        return None
    for line in reversed(context.lines):
        found = _NOT_FOUND_BY_SCRIPT.fullmatch(line)
        if found and program_name(found["script"]) == program_name(script):
            if is_shell(found["program"]):
                return None
            message = f"`{found['program']}` not found on this machine, where `{script}` runs it"
            return Diagnosis(ProblemKind.COMMAND_NOT_FOUND, message, INSTALL_IT)
    return None


def check_interpreter(context: Context) -> Diagnosis | None:
    """Explain the failure of a command that ends in a Python, which is missing or too old."""
    evidence = context.evidence
    if evidence.stage is not Stage.INTERPRETER:
        return None
    python = context.command.words[-1] if context.command.words else "python3"
    if evidence.exit_status in (126, 127):
        message = f"no working `{python}` {context.place}{context.last_line}"
        return Diagnosis(ProblemKind.NO_PYTHON, message, _NO_INTERPRETER)
    if any(line.startswith("Unknown option: -I") for line in context.lines):
        message = f"`{python}` {context.place} is too old"
        return Diagnosis(ProblemKind.PYTHON_TOO_OLD, message, _NO_INTERPRETER)
    return None


def check_shell(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.stage is not Stage.SHELL or evidence.exit_status not in (126, 127):
        return None
    if evidence.exit_status == 126 and context.last_line:
        return None
    shell = context.values["shell"]
    return no_shell(context, f"no working `{shell}` {context.place}{context.last_line}")


def check_own_program(context: Context) -> Diagnosis | None:
    """Ssh reports 255 for its own failures; any other end is that of what the account runs."""
    evidence, layer = context.evidence, context.command.innermost()
    if evidence.stage is not Stage.SHELL or layer is None or layer.program != "ssh":
        return None
    if context.command.opaque or evidence.exit_status not in range(126):
        return None
    message = (
        f"{layer.target} did not run `sh` but another program, which "
        f"{describe_exit(evidence.exit_status)}{context.last_line}"
    )
    hint = (
        "that account runs a program of its own (ForceCommand, `command=` in authorized_keys, the "
        "login shell), or its login files end the shell: log in as another user, or change that"
    )
    return Diagnosis(ProblemKind.NO_SHELL, message, hint)


def no_shell(context: Context, message: str) -> Diagnosis:
    """Return that there is no shell, and how else the host's network is reached."""
    values = context.values
    hint = NO_SHELL_HINT.format_map(values)
    return Diagnosis(ProblemKind.NO_SHELL, message, hint, values["beside"])


_ENDED_WHILE_SENT = {
    (Stage.PYTHON, 4): "lost its stdin",
    (Stage.PYTHON, 142): "received nothing for two minutes",
    **dict.fromkeys(
        [(stage, 137) for stage in (Stage.PYTHON, Stage.NATIVE, Stage.COPIED)],
        "was killed (stopped, or out of memory)",
    ),
}
"""How the first stage of an agent ends."""


def diagnose_exit(context: Context) -> Diagnosis:
    evidence = context.evidence
    doing = {
        Stage.SPAWN: "before it started",
        Stage.SHELL: "before a shell answered",
        Stage.INTERPRETER: "before Python answered",
        Stage.PYTHON: "while the agent was starting",
        Stage.NATIVE: "while the native agent was starting",
        Stage.COPIED: "while the copied agent was starting",
        Stage.HELLO: "before norouter answered",
        Stage.RUNNING: "while the link was up",
    }
    if evidence.received < evidence.size:
        share = format_share(evidence.received, evidence.size)
        doing[evidence.stage] = f"while the agent was being sent ({share} had arrived)"
    how = _ENDED_WHILE_SENT.get((evidence.stage, evidence.exit_status or 0), "")
    how = how or describe_exit(evidence.exit_status)
    message = f"the command {how} {doing[evidence.stage]}{context.last_line}"
    hint = TRY_IT.format_map(context.values)
    if evidence.stage is Stage.SHELL and evidence.exit_status == 0 and not context.last_line:
        hint = "make sure that the command runs what is appended to it, and passes its stdin on"
    return Diagnosis(ProblemKind.EXITED, message, hint)


# --- a link that was up


_ENDED_BY = {
    0: "the command exited normally",
    137: "the agent or its container was killed (stopped, or out of memory)",
    143: "the agent or its container was asked to end",
}


def check_lost_link(context: Context) -> Diagnosis | None:
    evidence = context.evidence
    if evidence.stage is not Stage.RUNNING:
        return None
    status = evidence.exit_status
    if evidence.timed_out is not None:
        reason = f"the host sent nothing for {format_seconds(evidence.timed_out)}"
    elif status == 255 and any(x.program == "ssh" for x in context.command.layers):
        reason = "ssh lost its connection or was killed (exit status 255)"
    elif status in _ENDED_BY:
        reason = f"{_ENDED_BY[status]} (exit status {status})"
    else:
        reason = f"the command {describe_exit(status)}"
    return Diagnosis(
        ProblemKind.LINK_LOST, f"the link was lost: {reason}{context.last_line}", _RESTARTS
    )
