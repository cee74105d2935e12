"""Changes to a text by place, and what lies around a place: lines, comments, blank lines."""

from __future__ import annotations

import re

from norouter_core.errors import NorouterError

_BREAK = re.compile(r"\r\n|[\r\n]")


class EditConflict(NorouterError):
    """A change that cannot be made in place; the text is to be written anew."""


class TextEdits:
    """Replacements in a text, collected and then made at once.

    Insertions at one place come out in the order in which they were asked for.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._todo: list[tuple[int, int, str]] = []
        found = _BREAK.search(text)
        self.newline = found[0] if found else "\n"

    def __bool__(self) -> bool:
        return bool(self._todo)

    def put(self, start: int, end: int, new: str) -> None:
        self._todo.append((start, end, new))

    def covers(self, at: int) -> bool:
        """Whether the character at `at` goes."""
        return any(start <= at < end for start, end, _ in self._todo)

    def made(self) -> str:
        """
        Raises:
            EditConflict: two replacements overlap.
        """
        pieces: list[str] = []
        done = 0
        for start, end, new in sorted(self._todo, key=lambda each: each[:2]):
            if start < done:
                raise EditConflict
            pieces += self.text[done:start], new
            done = end
        return "".join(pieces) + self.text[done:]

    # What lies around a place

    def line_start(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        """Where the line break, or the end of the text, is."""
        found = _BREAK.search(self.text, at)
        return found.start() if found else len(self.text)

    def next_line(self, at: int) -> int:
        """Where the line after the one that holds `at` begins; the text's length after the last."""
        found = _BREAK.search(self.text, at)
        return found.end() if found else len(self.text)

    def line(self, at: int) -> str:
        """The line that holds `at`, without its break."""
        return self.text[self.line_start(at) : self.line_end(at)]

    def indent(self, at: int) -> int:
        """How far right in its line `at` is."""
        return at - self.line_start(at)

    def leads(self, at: int, column: int) -> int:
        """Where the comments begin that stand right above the line of `at`, at `column`. Those at
        the very top of a text are about the whole of it and belong to nothing below."""
        start = here = self.line_start(at)
        while here:
            here = self.line_start(self._above(here))
            if not _is_comment(self.line(here), column):
                return start
            start = here
        return self.line_start(at)

    def trails(self, at: int, column: int) -> int:
        """The end of the last line of an entry that ends at `at`: comments below it that are
        indented further than its `column` are still its own."""
        end = self.line_end(at)
        while (start := self.next_line(end)) > end:
            line = self.text[start : self.line_end(start)]
            if not _is_comment(line) or len(line) - len(line.lstrip()) <= column:
                break
            end = self.line_end(start)
        return end

    def cut_lines(self, start: int, end: int) -> None:
        """Takes the lines from the one that begins at `start` to the one that ends at `end`; of two
        blank lines that would meet then, the upper one goes too."""
        after = self.next_line(end)
        is_blank_below = after == len(self.text) or not self.line(after).strip()
        if start and is_blank_below and not self.line(self._above(start)).strip():
            start = self.line_start(self._above(start))
        if start == 0:
            self.put(0, after, "")
            return
        # With the break above and not the one below, so that lines may still be put at `end`.
        self.put(self._above(start), end, "")

    def _above(self, start: int) -> int:
        """The end of the line above the one that begins at `start`."""
        return start - (2 if self.text[start - 2 : start] == "\r\n" else 1)

    def put_lines(self, at: int, lines: str) -> None:
        """Puts lines below the line that ends at `at`."""
        self.put(at, at, self.newline + self.newline.join(lines.splitlines()))

    def put_lines_above(self, at: int, lines: str) -> None:
        """Puts lines above the line that begins at `at`."""
        if at:
            self.put_lines(self._above(at), lines)
        else:
            self.put(0, 0, self.newline.join(lines.splitlines()) + self.newline)


def _is_comment(line: str, column: int | None = None) -> bool:
    bare = line.lstrip(" ")
    return bare.startswith("#") and column in (None, len(line) - len(bare))
