"""Why a host is not ready, as values: what was seen, and what the user reads about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """How far a start came before it failed."""

    SPAWN = "spawn"
    """The exec command itself could not be started on this machine."""
    SHELL = "shell"
    """The command runs and the stage-0 line is written; no marker has come back."""
    INTERPRETER = "interpreter"
    """The command runs a Python, and stage 1 is written; no marker has come back."""
    PYTHON = "python"
    """The marker came and the agent was sent; its hello has not come."""
    NATIVE = "native"
    """The marker came and the native agent was sent; its hello has not come."""
    COPIED = "copied"
    """There is no shell; the native agent is copied into the container, and its hello is due."""
    HELLO = "hello"
    """An installed `norouter agent --automated` was started; its hello has not come."""
    RUNNING = "running"
    """The link was up."""


NO_PYTHON = "no python"
"""The report of a host on which no Python was found."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything seen of a start that failed, or of a link that ended."""

    argv: tuple[str, ...]
    """The command as it ran."""
    stage: Stage
    exit_status: int | None = None
    """None if the hub gave up on a command that was still running."""
    os_error: OSError | None = None
    stdout: bytes = b""
    """What came before the marker, within bounds."""
    stderr: tuple[str, ...] = ()
    """The last lines, decoded, without control characters."""
    report: str = ""
    """Why each Python that stage 0 found, or each directory for the native agent, does not do, one
    `PATH: REASON` per line."""
    pythons: str = ""
    """The report of the Pythons, if the native agent was tried after them."""
    no_program: str = ""
    """Why this machine has no native agent to send."""
    container_state: str = ""
    """The state of a container that does not run, by its engine's word, such as `exited`."""
    echoed: bool = False
    """The hub's own line came back, as from a TTY."""
    noise: bool = False
    """More came before the marker than any login prints."""
    timed_out: float | None = None
    """After how many seconds the hub gave up."""
    violation: str = ""
    """How the agent broke the protocol."""
    version: str = ""
    """How the version of an installed agent differs from this program's."""
    unanswered: str = ""
    """What the command asked while nobody was there to answer."""
    cancelled: bool = False
    """Whether the user chose not to answer what the command asked."""
    received: int = 0
    """How many bytes of an agent the host is known to have received."""
    size: int = 0
    """The size of that agent; 0 if the start had not come so far."""


class ProblemKind(StrEnum):
    """The stable words for why a host is not ready."""

    COMMAND_NOT_FOUND = "command-not-found"
    """A program of the exec command is not on the machine that should run it."""
    NOT_EXECUTABLE = "not-executable"
    NOT_STARTED = "not-started"
    """This machine lacks the resources to start the command (processes, descriptors, memory)."""
    USAGE = "usage"
    """The exec program rejects its arguments or its configuration."""
    NO_SUCH_CONTAINER = "no-such-container"
    """Also: no such pod, instance, service or namespace."""
    NO_SUCH_IMAGE = "no-such-image"
    CONTAINER_NOT_RUNNING = "container-not-running"
    ENGINE_DOWN = "engine-down"
    PERMISSION_DENIED = "permission-denied"
    SUDO_PASSWORD = "sudo-password"
    LOGIN_FAILED = "login-failed"
    HOST_KEY = "host-key"
    NOBODY_TO_ASK = "nobody-to-ask"
    """The command asks a question, and no front end is there to pass it on."""
    CANCELLED = "cancelled"
    """The user chose not to answer what the command asked."""
    UNREACHABLE = "unreachable"
    NETWORK_GONE = "network-gone"
    """The host still runs in a network namespace whose interfaces have vanished."""
    NO_SHELL = "no-shell"
    WINDOWS_SHELL = "windows-shell"
    """The command leads to PowerShell or cmd.exe."""
    NO_NATIVE_AGENT = "no-native-agent"
    """The native agent cannot run there, or there is none for that machine."""
    NO_PYTHON = "no-python"
    PYTHON_TOO_OLD = "python-too-old"
    PYTHON_INCOMPLETE = "python-incomplete"
    TTY = "tty"
    STDIN_NOT_ATTACHED = "stdin-not-attached"
    NOISE = "noise"
    TIMEOUT = "timeout"
    NOROUTER_GO = "norouter-go"
    NOROUTER_MISSING = "norouter-missing"
    NOROUTER_REFUSED = "norouter-refused"
    NOROUTER_VERSION = "norouter-version"
    """An installed agent of another version, which this hub cannot use."""
    AGENT_DIED = "agent-died"
    PROTOCOL = "protocol"
    LINK_LOST = "link-lost"
    EXITED = "exited"
    """Anything else."""


PERMANENT = frozenset(
    {
        ProblemKind.COMMAND_NOT_FOUND,
        ProblemKind.NOT_EXECUTABLE,
        ProblemKind.USAGE,
        ProblemKind.PERMISSION_DENIED,
        ProblemKind.SUDO_PASSWORD,
        ProblemKind.LOGIN_FAILED,
        ProblemKind.HOST_KEY,
        ProblemKind.NOBODY_TO_ASK,
        ProblemKind.CANCELLED,
        ProblemKind.NO_SHELL,
        ProblemKind.WINDOWS_SHELL,
        ProblemKind.NO_NATIVE_AGENT,
        ProblemKind.NO_PYTHON,
        ProblemKind.PYTHON_TOO_OLD,
        ProblemKind.PYTHON_INCOMPLETE,
        ProblemKind.TTY,
        ProblemKind.STDIN_NOT_ATTACHED,
        ProblemKind.NOROUTER_GO,
        ProblemKind.NOROUTER_MISSING,
        ProblemKind.NOROUTER_VERSION,
    }
)
"""The kinds that another start cannot fix: the user has to change something first."""

LOGIN_PROBLEMS = frozenset(
    {
        ProblemKind.SUDO_PASSWORD,
        ProblemKind.LOGIN_FAILED,
        ProblemKind.HOST_KEY,
        ProblemKind.NOBODY_TO_ASK,
        ProblemKind.CANCELLED,
    }
)
"""The kinds after which another login must not follow by itself: too many lock an account."""


@dataclass(frozen=True, slots=True)
class HostProblem:
    """Why a host is not ready, in words that help the user to fix it."""

    kind: str
    """A stable word: a `ProblemKind`, or `internal`."""
    message: str
    """One line: what happened."""
    hint: str
    """One line: what to do."""
    command: str = ""
    """The command as it ran, quoted for a shell."""
    exit_status: int | None = None
    """Negative for the signal that ended the command; None if it was still running."""
    stderr: tuple[str, ...] = ()
    """The last lines, without control characters."""
    permanent: bool = False
    """Whether another start cannot help."""
    instead: str = ""
    """A command that is likely to work instead, quoted for a shell; the hint contains it."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a rule or a pattern concludes."""

    kind: ProblemKind
    message: str
    hint: str
    instead: str = ""
    """A command to use instead, if there is one; the hint contains it."""
