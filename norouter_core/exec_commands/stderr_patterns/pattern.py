"""What the lines of known programs mean: the shape of a clue, and how one is found.

The tables themselves are beside this: `clues_engines` (containers, pods, instances),
`clues_login` (ssh and clusters), `clues_local` (this machine, shells, namespaces, wrappers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.problem import ProblemKind, Stage


@dataclass(frozen=True, slots=True)
class StderrPattern:
    """A line that tells why a start failed.

    `pattern` is searched in each line, which a hostile host may have written: no two repeating
    parts of it may match the same text, or one line could take quadratic time. `message` and
    `hint` are templates over its named groups and over
    `norouter_core.exec_commands.templates.words_for`. `programs` are those that print it (none:
    the text is telling by itself), `about` those that it is about, `stages` and `statuses` where
    it counts (none: everywhere).
    """

    kind: ProblemKind
    pattern: re.Pattern[str]
    message: str
    hint: str
    programs: frozenset[str] = frozenset()
    about: frozenset[str] = frozenset()
    stages: frozenset[Stage] = frozenset()
    statuses: frozenset[int] = frozenset()

    def applies_to(self, command: ExecCommand, stage: Stage, status: int | None) -> bool:
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
    """A `Clue` as a table writes it; `of` and `about` are parted by spaces, and the
    second is as the first where it is left out."""
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
    """The first clue of the table that fits and is in a line; of its lines, the last."""
    for candidate in patterns:
        if not candidate.applies_to(command, stage, status):
            continue
        for line in reversed(lines):
            if match := candidate.pattern.search(line):
                return PatternMatch(candidate, match, line)
    return None
