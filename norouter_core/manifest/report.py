"""Collects errors and warnings while a manifest is read, so that all are told at once."""

from __future__ import annotations

from collections.abc import Callable

from yaml.nodes import Node

from norouter_core.manifest.problems import ManifestError, Problem, ValidationError
from norouter_core.manifest.source import MAX_PROBLEMS, Source

Hint = str | Callable[[], str]
"""What to do; a function where finding that out takes time, called only if it is shown."""


class Report:
    """The errors and warnings of one reading.

    What an anchor holds is read at each of its aliases, so the same problem at the same place
    is kept once. Both lists are bounded; what passes the bound is counted.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._errors = _Bounded()
        self._warnings = _Bounded()

    def error(self, node: Node, message: str, hint: Hint = "") -> None:
        self.error_at(node.start_mark.index, message, hint)

    def error_at(self, index: int, message: str, hint: Hint = "") -> None:
        self._errors.add(self.source, index, message, hint)

    def refuse(self, node: Node, refused: ValidationError, where: str = "") -> None:
        """An error for a value that broke a rule; `where` says what the value is for."""
        self.error(node, f"{where}: {refused.message}" if where else refused.message, refused.hint)

    def warn(self, node: Node, message: str, hint: Hint = "") -> None:
        self.warn_at(node.start_mark.index, message, hint)

    def warn_at(self, index: int, message: str, hint: Hint = "") -> None:
        self._warnings.add(self.source, index, message, hint)

    def place(self, node: Node) -> str:
        """Where a node is, in words, for messages that point at a second place."""
        return self.source.words(node.start_mark.index)

    def warnings(self) -> tuple[Problem, ...]:
        return self._warnings.sorted("warnings")

    @property
    def is_bad(self) -> bool:
        return bool(self._errors.kept)

    def raise_if_bad(self) -> None:
        """
        Raises:
            ManifestError: at least one error was reported.
        """
        if self.is_bad:
            raise ManifestError(self._errors.sorted("errors"), self.warnings())


class _Bounded:
    def __init__(self) -> None:
        self.kept: dict[tuple[int, str], Problem] = {}
        self.dropped = 0

    def add(self, source: Source, index: int, message: str, hint: Hint) -> None:
        if (index, message) in self.kept:
            return
        if len(self.kept) == MAX_PROBLEMS:
            self.dropped += 1
            return
        told = hint if isinstance(hint, str) else hint()
        self.kept[index, message] = source.problem(index, message, told)

    def sorted(self, kind: str) -> tuple[Problem, ...]:
        found = sorted(self.kept.values(), key=lambda problem: (problem.line, problem.column))
        if self.dropped:
            last = found[-1]
            message = f"{self.dropped} more {kind} are not shown"
            found.append(Problem(last.file, last.line, last.column, message, "mend these first"))
        return tuple(found)
