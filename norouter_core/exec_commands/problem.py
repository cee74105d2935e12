"""Why a host could not be brought up, as values: what was seen, and what a person is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """How far a start had come when it ended."""

    SPAWN = "spawn"
    """The exec command itself could not be started on this machine."""
    SHELL = "shell"
    """The command runs, the stage-0 line is written, no marker has come back."""
    PYTHON = "python"
    """The marker came and the agent was sent; its hello has not come."""
    HELLO = "hello"
    """An installed `norouter agent --automated` was started; its hello has not come."""
    RUNNING = "running"
    """The link was up."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything seen of a start that failed, or of a link that ended.

    `argv` is the command as it was run; `stdout` what came before the marker (bounded);
    `stderr` the last lines, decoded and clean of control characters; `report` what stage 0 or 1
    said of the Pythons it tried, one `PATH: REASON` per line, empty if it said nothing;
    `echoed` is True when our own line came back, as a terminal does; `noise` when more came
    before the marker than anyone's login banner; `timed_out` after how many seconds we gave up;
    `violation` how the other side broke the protocol.
    """

    argv: tuple[str, ...]
    stage: Stage
    exit_status: int | None = None
    os_error: OSError | None = None
    stdout: bytes = b""
    stderr: tuple[str, ...] = ()
    report: str = ""
    echoed: bool = False
    noise: bool = False
    timed_out: float | None = None
    violation: str = ""


@dataclass(frozen=True, slots=True)
class HostProblem:
    """Why a host is not ready, told so that a person can mend it.

    `kind` is a stable word (all of them are in `norouter_core.exec_commands.diagnosis`), `message`
    one line of what happened, `hint` one line of what to do, `command` the command as it was run
    and as a shell would read it, `exit_status` its status (negative: the signal that ended it;
    None: still running when given up), `stderr` its last lines, clean of control characters.
    `permanent` says that starting again will not mend it.
    """

    kind: str
    message: str
    hint: str
    command: str = ""
    exit_status: int | None = None
    stderr: tuple[str, ...] = ()
    permanent: bool = False
