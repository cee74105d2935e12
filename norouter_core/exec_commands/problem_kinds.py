"""The words for why a host is not ready."""

from __future__ import annotations

from enum import StrEnum


class ProblemKind(StrEnum):
    """Every word that `HostProblem.kind` can hold."""

    COMMAND_NOT_FOUND = "command-not-found"
    """A program of the exec command is not on the machine that should run it."""
    NOT_EXECUTABLE = "not-executable"
    NOT_STARTED = "not-started"
    """This machine had no means to start the command just now (processes, descriptors, memory)."""
    USAGE = "usage"
    """The exec program does not understand its words or its configuration."""
    NO_SUCH_CONTAINER = "no-such-container"
    """Also: no such pod, instance, service or namespace."""
    NO_SUCH_IMAGE = "no-such-image"
    CONTAINER_NOT_RUNNING = "container-not-running"
    ENGINE_DOWN = "engine-down"
    PERMISSION_DENIED = "permission-denied"
    SUDO_PASSWORD = "sudo-password"
    LOGIN_FAILED = "login-failed"
    HOST_KEY = "host-key"
    UNREACHABLE = "unreachable"
    NO_SHELL = "no-shell"
    NO_PYTHON = "no-python"
    PYTHON_TOO_OLD = "python-too-old"
    PYTHON_CRIPPLED = "python-crippled"
    TTY = "tty"
    STDIN_NOT_ATTACHED = "stdin-not-attached"
    NOISE = "noise"
    TIMEOUT = "timeout"
    NOROUTER_GO = "norouter-go"
    NOROUTER_MISSING = "norouter-missing"
    NOROUTER_REFUSED = "norouter-refused"
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
        ProblemKind.NO_SHELL,
        ProblemKind.NO_PYTHON,
        ProblemKind.PYTHON_TOO_OLD,
        ProblemKind.PYTHON_CRIPPLED,
        ProblemKind.TTY,
        ProblemKind.STDIN_NOT_ATTACHED,
        ProblemKind.NOROUTER_GO,
        ProblemKind.NOROUTER_MISSING,
    }
)
"""The kinds that starting again does not mend: someone has to change something first."""
