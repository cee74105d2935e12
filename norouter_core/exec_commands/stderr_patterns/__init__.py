"""What known programs print when they fail, and what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.problem import Stage
from norouter_core.exec_commands.stderr_patterns.base import StderrPattern
from norouter_core.exec_commands.stderr_patterns.containers import CONTAINERS
from norouter_core.exec_commands.stderr_patterns.logins import LOGINS
from norouter_core.exec_commands.stderr_patterns.programs import PROGRAMS

STDERR_PATTERNS = (*LOGINS, *CONTAINERS, *PROGRAMS)
"""Every pattern in the order in which they are tried: a cause before its consequences."""


def find_match(
    lines: Sequence[str], command: ExecCommand, stage: Stage, status: int | None
) -> tuple[StderrPattern, re.Match[str]] | None:
    """Return the first row that applies and matches a line, and the last match."""
    for candidate in STDERR_PATTERNS:
        if candidate.applies_to(command, stage, status):
            for line in reversed(lines):
                if match := re.search(candidate.pattern, line):
                    return candidate, match
    return None
