"""From the exec command in a manifest to the command that is run (design decision D2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from norouter_core.model import AgentMode

_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"})
_PROGRAMS = frozenset({"norouter", "norouter.exe"})
AUTOMATED = ("agent", "--automated")


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to run: `argv`, and whether an installed agent answers or a shell."""

    argv: tuple[str, ...]
    installed: bool


def plan(argv: tuple[str, ...], mode: AgentMode) -> StartPlan:
    """How the agent gets onto the host behind an exec command.

    With zero install a bare `sh` is appended (unless a shell is named already), so nothing has to
    be quoted, whether the command hands on its arguments or joins them with spaces. A command for
    an installed `norouter` gets `agent --automated`; told to do without (`agent: python`), its
    last word gives way to the shell.
    """
    named = PurePosixPath(argv[-1]).name if argv else ""
    if mode is AgentMode.NOROUTER or (mode is AgentMode.AUTO and named in _PROGRAMS):
        return StartPlan((*argv, *AUTOMATED), installed=True)
    if named in _PROGRAMS:
        argv, named = argv[:-1], ""
    if named in _SHELLS and len(argv) > 1:
        return StartPlan(argv, installed=False)
    return StartPlan((*argv, "sh"), installed=False)


def shell_command(argv: tuple[str, ...]) -> tuple[str, ...]:
    """What leads to a bare shell on the host behind an exec command."""
    return plan(argv, AgentMode.PYTHON).argv
