"""A text into the commands it holds, each with its place: what is typed, pasted or scripted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import MAX_LINE, TokenError, split_commands
from norouter_core.errors import NorouterError


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """One command. `row` and `column` are where it begins, 1-based; `start` is the same as an index
    of the whole text. A `shell` step is a command for a shell of this machine, without its `!`."""

    line: str
    row: int
    column: int
    start: int
    shell: bool = False

    def place(self, column: int) -> tuple[int, int]:
        """The row and column, in the whole text, of a 1-based column of `line`."""
        before = self.line[: max(column, 1) - 1]
        if "\n" not in before:
            return self.row, self.column + len(before)
        return self.row + before.count("\n"), len(before) - before.rfind("\n")


class BadStep(NorouterError):
    """What cannot be taken apart; nothing after it is read."""

    def __init__(self, failure: Failure, row: int, column: int) -> None:
        super().__init__(failure.message)
        self.failure, self.row, self.column = failure, row, column


class StepReader:
    """Takes a text line by line and gives each command as soon as it is complete.

    A line that begins with `!` is one for a shell, whatever it holds; else `;` and the ends of
    lines part commands, and a quoted word or a backslash at its end carries a line on.
    """

    def __init__(self) -> None:
        self._waiting = ""
        self._row = 1
        self._start = 0

    def feed(self, line: str) -> Iterator[ScriptStep]:
        """The commands that `line`, with its newline if it has one, completes.

        Raises:
            BadStep: something in it cannot be read.
        """
        if not self._waiting and line.lstrip().startswith("!"):
            bang = line.index("!")
            step = ScriptStep(
                line[bang + 1 :].strip(), self._row, bang + 1, self._start + bang, shell=True
            )
            self._pass(line)
            yield step
            return
        self._waiting += line
        if len(self._waiting) <= MAX_LINE and _goes_on(self._waiting):
            return
        yield from self.finish()

    def finish(self) -> Iterator[ScriptStep]:
        """The commands of what is left; to be called at the end of the text.

        Raises:
            BadStep: A quote is not closed, say.
        """
        text, self._waiting = self._waiting, ""
        row, start = self._row, self._start
        self._pass(text)
        try:
            for piece in split_commands(text):
                down, column = piece.place()
                line, shell = piece.line, piece.line.startswith("!")
                line = line[1:].strip() if shell else line
                yield ScriptStep(line, row + down - 1, column, start + piece.start, shell)
        except TokenError as bad:
            before = text[: bad.index]
            place = row + before.count("\n"), len(before) - before.rfind("\n")
            raise BadStep(Failure(bad.message, hint=bad.hint), *place) from None

    def _pass(self, text: str) -> None:
        self._row += text.count("\n")
        self._start += len(text)


def steps(text: str) -> Iterator[ScriptStep]:
    """All commands of a text.

    Raises:
        BadStep: when it comes to something that cannot be read.
    """
    reader = StepReader()
    for line in lines_of(text):
        yield from reader.feed(line)
    yield from reader.finish()


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends; only a newline ends one."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _goes_on(text: str) -> bool:
    """Whether the end of a line is inside a quoted word, or carried on by a backslash."""
    if text.endswith("\\\n"):
        return True
    return not _is_whole(text) and any(_is_whole(text + quote) for quote in "'\"")


def _is_whole(text: str) -> bool:
    try:
        for _ in split_commands(text):
            pass
    except TokenError:
        return False
    return True
