"""Errors and warnings of a manifest, and their places, as values that any front end can show."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from norouter_core.errors import NorouterError
from norouter_core.sanitize import escape_all

_WINDOW = 76
"""The number of characters of a source line that `render` shows."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning.

    `line` and `column` are 1-based and count characters; line 0 means that the problem has no
    place in the file (it could not be read). `message` is one printable line, `hint` says what
    to do (it may be empty), and `excerpt` is the raw source line.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class ManifestError(NorouterError):
    """A manifest that cannot be used.

    `problems` holds at least one error, sorted by place; `warnings` the other findings.
    """

    def __init__(self, problems: tuple[Problem, ...], warnings: tuple[Problem, ...] = ()) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.warnings = warnings


class ValidationError(NorouterError, ValueError):
    """A value that breaks a rule. `message` says which rule, `hint` how to fix it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint


def render(problem: Problem) -> str:
    """Return a problem as lines: the place, the source line with a caret, and the hint.

    Control characters are escaped, and a long line is cut around the column. There is no final
    newline.
    """
    lines = [str(problem)]
    if problem.line and problem.excerpt:
        number = str(problem.line)
        shown, caret = _cut(problem.excerpt, problem.column - 1)
        lines.append(f"  {number} | {shown}")
        lines.append(f"  {' ' * len(number)} | {' ' * caret}^")
    if problem.hint:
        lines.append(f"  hint: {problem.hint}")
    return "\n".join(lines)


def _cut(line: str, at: int) -> tuple[str, int]:
    """Return the part of `line` around index `at`, and the number of cells left of that index."""
    start = max(0, min(at - _WINDOW // 2, len(line) - _WINDOW))
    left, right = line[start:at], line[at : start + _WINDOW]
    before = ("..." if start else "") + escape_all(left)
    after = escape_all(right) + ("..." if start + _WINDOW < len(line) else "")
    return before + after, sum(map(_cell_width, before))


def _cell_width(ch: str) -> int:
    if unicodedata.combining(ch):
        return 0
    return 2 if unicodedata.east_asian_width(ch) in "WF" else 1
