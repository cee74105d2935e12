"""Splits typed, pasted or scripted text into commands, and keeps their positions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import MAX_LINE, Continuation, TokenError, split_commands
from norouter_core.errors import NorouterError


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One command. It starts at `row` and `column`, 1-based, or at index `start` of the whole text.

    A `shell` step is a command for a shell of this machine, without its `!`.
    """

    line: str
    row: int
    column: int
    start: int
    shell: bool = False

    def place(self, column: int) -> tuple[int, int]:
        """Return the row and column in the whole text of a 1-based column of `line`."""
        before = self.line[: max(column, 1) - 1]
        if "\n" not in before:
            return self.row, self.column + len(before)
        return self.row + before.count("\n"), len(before) - before.rfind("\n")


class BadStep(NorouterError):
    """Text that cannot be split; nothing after it is read."""

    def __init__(self, failure: Failure, row: int, column: int) -> None:
        super().__init__(failure.message)
        self.failure, self.row, self.column = failure, row, column


class StepReader:
    """Takes text line by line, and yields each command as soon as it is complete.

    A line that starts with `!` is a command for a shell. Otherwise `;` and newlines separate
    commands; a line continues after an open quote or a backslash at its end.
    """

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._size = 0
        self._continuation = Continuation()
        self._row = 1
        self._start = 0

    def feed(self, line: str) -> Iterator[ScriptStep]:
        """Yield the commands that `line`, with its newline, completes.

        Raises:
            BadStep: It is malformed.
        """
        if not self._waiting and line.lstrip().startswith("!"):
            bang = line.index("!")
            step = ScriptStep(
                line[bang + 1 :].strip(), self._row, bang + 1, self._start + bang, shell=True
            )
            self._pass(line)
            yield step
            return
        self._waiting.append(line)
        self._size += len(line)
        if not self._continuation.follows(line) or self._size > MAX_LINE:
            yield from self.finish()

    def finish(self) -> Iterator[ScriptStep]:
        """Yield the commands in what is left, at the end of the text.

        Raises:
            BadStep: A quote is not closed, say.
        """
        text = "".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        self._continuation = Continuation()
        row, start = self._row, self._start
        self._pass(text)
        down = done = line_start = 0
        try:
            for piece in split_commands(text):
                down += text.count("\n", done, piece.start)
                line_start = max(line_start, text.rfind("\n", done, piece.start) + 1)
                done = piece.start
                line, shell = piece.line, piece.line.startswith("!")
                line = line[1:].strip() if shell else line
                column = piece.start - line_start + 1
                yield ScriptStep(line, row + down, column, start + piece.start, shell)
        except TokenError as bad:
            before = text[: bad.index]
            place = row + before.count("\n"), len(before) - before.rfind("\n")
            raise BadStep(Failure(bad.message, hint=bad.hint), *place) from None

    def _pass(self, text: str) -> None:
        self._row += text.count("\n")
        self._start += len(text)


def steps(text: str) -> Iterator[ScriptStep]:
    """Yield all commands of a text.

    Raises:
        BadStep: The next command is malformed.
    """
    reader = StepReader()
    for line in lines_of(text):
        yield from reader.feed(line)
    yield from reader.finish()


def lines_of(text: str) -> list[str]:
    """Return the lines of a text with their ends; only a newline ends one."""
    return [line for line in re.split(r"(?<=\n)", text) if line]
