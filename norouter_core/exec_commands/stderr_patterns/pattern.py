"""The shape of a row in the tables of what programs print, and how one is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.problem import ProblemKind, Stage


@dataclass(frozen=True, slots=True)
class StderrPattern:
    """A line that explains why a start failed.

    A hostile host may have written the line that `pattern` is searched in. No two repeating parts
    of it may match the same text, or one line could take quadratic time.
    """

    kind: ProblemKind
    pattern: re.Pattern[str]
    message: str
    """A template over the pattern's named groups and `templates.template_values`."""
    hint: str
    """A template as well."""
    programs: frozenset[str] = frozenset()
    """The programs that print it; empty if the text is unmistakable."""
    about: frozenset[str] = frozenset()
    """The programs whose target it is about; empty for the innermost."""
    stages: frozenset[Stage] = frozenset()
    """The stages in which it counts; empty for all."""
    statuses: frozenset[int] = frozenset()
    """The exit statuses with which it counts; empty for all."""

    def applies_to(self, command: ExecCommand, stage: Stage, status: int | None) -> bool:
        """Return whether the row counts for this failure."""
        return (
            command.may_run(self.programs)
            and (not self.stages or stage in self.stages)
            and (not self.statuses or status in self.statuses)
        )


def stderr_pattern(
    kind: ProblemKind,
    pattern: str,
    message: str,
    hint: str,
    *,
    printed_by: str = "",
    about: str = "",
    stages: Iterable[Stage] = (),
    statuses: Iterable[int] = (),
) -> StderrPattern:
    """Return a row of a table. Programs are separated by spaces; without `about` the row is about
    the programs that print it.
    """
    return StderrPattern(
        kind,
        re.compile(pattern),
        message,
        hint,
        frozenset(printed_by.split()),
        frozenset((about or printed_by).split()),
        frozenset(stages),
        frozenset(statuses),
    )


@dataclass(frozen=True, slots=True)
class PatternMatch:
    """A row and the line that it matches."""

    pattern: StderrPattern
    match: re.Match[str]
    line: str


def find_match(
    patterns: Iterable[StderrPattern],
    lines: Sequence[str],
    command: ExecCommand,
    stage: Stage,
    status: int | None,
) -> PatternMatch | None:
    """Return the first row that applies and matches a line; of its lines, the last."""
    for candidate in patterns:
        if not candidate.applies_to(command, stage, status):
            continue
        for line in reversed(lines):
            if match := candidate.pattern.search(line):
                return PatternMatch(candidate, match, line)
    return None
