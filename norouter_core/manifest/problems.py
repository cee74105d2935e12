"""A manifest's text, with the places in it, and the problems found while it is read.

All problems are collected, so that a user sees all of them at once. They are values that any front
end can show.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from yaml.nodes import Node

from norouter_core.errors import NorouterError
from norouter_core.sanitize import escape_all

MAX_BYTES = 1024 * 1024
"""The size of the largest manifest that is read; room for some 10,000 hosts."""

MAX_PROBLEMS = 100
"""The number of errors, and of warnings, that one reading keeps."""

# What YAML 1.1 counts as a line break, so that our line numbers and the parser's agree.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# What YAML 1.1 does not allow in a text, section 5.1 of its specification.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

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


class Source:
    """A text with a name, which maps character indices to lines and columns."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = escape_all(name)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _BREAK.finditer(self.text))]

    @cached_property
    def _lines(self) -> list[str]:
        # Split once and kept: problems of one line share the string, however long it is.
        return _BREAK.split(self.text)

    def place(self, index: int) -> tuple[int, int]:
        """Return the 1-based line and column of a character index (the text's length: its end)."""
        index = min(max(index, 0), len(self.text))
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def place_text(self, index: int) -> str:
        """Return a place for messages that point at a second one: `line LINE, column COLUMN`."""
        line, column = self.place(index)
        return f"line {line}, column {column}"

    def line_at(self, index: int) -> str:
        """Return the line that holds a character index, without its line break."""
        return self._lines[self.place(index)[0] - 1]

    def line(self, number: int) -> str:
        """Return the line of a number, counted from 0, without its line break."""
        return self._lines[number]

    def line_above(self, number: int) -> int:
        """Return the number of the last line above `number` that is not blank or a comment.

        Both are counted from 0; -1 means that there is none.
        """
        lines = enumerate(self._lines[:number])
        found = (at for at, line in lines if line.strip() and not line.lstrip().startswith("#"))
        return max(found, default=-1)

    def index_of_line(self, number: int) -> int:
        """Return the character index at which a line begins; `number` is counted from 0."""
        return self._starts[number]

    def problem(self, index: int, message: str, hint: str = "") -> Problem:
        """Return a problem at a character index; what it quotes becomes safe to print."""
        line, column = self.place(index)
        message, hint = escape_all(message), escape_all(hint)
        return Problem(self.name, line, column, message, hint, self.line_at(index))


def read_source(data: str | bytes, name: str) -> Source:
    """Return the text of a manifest, decoded and without a byte order mark.

    Raises:
        ManifestError: It is too large, is not UTF-8 (or UTF-16 with its mark), or contains
            characters that YAML forbids.
    """
    if len(data) > MAX_BYTES:
        message = f"the manifest is larger than {MAX_BYTES // 1024} KiB"
        hint = "split it: one manifest per mesh; hostTemplate holds what all hosts share"
        raise ManifestError((Problem(escape_all(name), 0, 0, message, hint),))
    text = _decode(data, name) if isinstance(data, bytes) else data
    source = Source(text.removeprefix("\ufeff"), name)
    if source.text.count("\0") * 3 > len(source.text):
        message = "not UTF-8 text but UTF-16 or a binary file: every other byte is 0"
        problem = source.problem(source.text.index("\0"), message, "save the manifest as UTF-8")
        raise ManifestError((problem,))
    found = islice(_FORBIDDEN.finditer(source.text), MAX_PROBLEMS)
    problems = tuple(_forbidden(source, match.start()) for match in found)
    if problems:
        raise ManifestError(problems)
    return source


def unreadable(name: str, error: Exception) -> ManifestError:
    """Return the error for a file that could not be opened or read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    hint = ""
    if isinstance(error, FileNotFoundError):
        hint = "check the path"
    elif isinstance(error, IsADirectoryError):
        hint = "name the manifest file inside it"
    message = f"cannot read the manifest: {escape_all(reason)}"
    return ManifestError((Problem(escape_all(name), 0, 0, message, hint),))


def _decode(data: bytes, name: str) -> str:
    codec = _UTF16.get(data[:2], "utf-8")
    body = data[2:] if codec != "utf-8" else data.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        source = Source(body.decode(codec, "backslashreplace"), name)
        index = len(body[: error.start].decode(codec))
        bad = " ".join(f"0x{byte:02x}" for byte in body[error.start : error.end])
        message = f"not {codec.upper()} text: {bad} ({error.reason})"
        problem = source.problem(index, message, "save the file as UTF-8")
        raise ManifestError((problem,)) from None


def _forbidden(source: Source, index: int) -> Problem:
    code = ord(source.text[index])
    if 0xD800 <= code < 0xE000:
        return source.problem(index, f"half a surrogate pair, U+{code:04X}", "remove it")
    message = f"control character U+{code:04X}, which YAML does not allow"
    hint = "remove it, or write it as an escape inside double quotes"
    return source.problem(index, message, hint)


Hint = str | Callable[[], str]
"""What to do; a function if that takes time to find out, called only if it is shown."""


class Report:
    """The errors and warnings of one reading.

    What an anchor holds is read at each of its aliases, so the same problem at the same place
    is kept once. Both lists are bounded; what exceeds the bound is counted.

    Attributes:
        peers: The entries of all `allowFrom`, to be checked once all hosts are known.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.peers: list[tuple[str, Node]] = []
        self._errors = _Problems()
        self._warnings = _Problems()

    def error(self, node: Node, message: str, hint: Hint = "") -> None:
        self.error_at(node.start_mark.index, message, hint)

    def error_at(self, index: int, message: str, hint: Hint = "") -> None:
        self._errors.add(self.source, index, message, hint)

    def invalid(self, node: Node, error: ValidationError, what: str = "") -> None:
        """Add an error for a value that breaks a rule; `what` says what the value is for."""
        self.error(node, f"{what}: {error.message}" if what else error.message, error.hint)

    def warn(self, node: Node, message: str, hint: Hint = "") -> None:
        self.warn_at(node.start_mark.index, message, hint)

    def warn_at(self, index: int, message: str, hint: Hint = "") -> None:
        self._warnings.add(self.source, index, message, hint)

    def place(self, node: Node) -> str:
        """Return where a node is, for messages that point at a second place."""
        return self.source.place_text(node.start_mark.index)

    def warnings(self) -> tuple[Problem, ...]:
        return self._warnings.sorted("warnings")

    @property
    def is_full(self) -> bool:
        """Whether further errors are only counted."""
        return len(self._errors.kept) == MAX_PROBLEMS

    @property
    def has_errors(self) -> bool:
        return bool(self._errors.kept)

    def raise_errors(self) -> None:
        """Raise what was reported, if there is an error.

        Raises:
            ManifestError: At least one error was reported.
        """
        if self.has_errors:
            raise ManifestError(self._errors.sorted("errors"), self.warnings())


class _Problems:
    def __init__(self) -> None:
        self.kept: dict[tuple[int, str], Problem] = {}
        self.dropped = 0

    def add(self, source: Source, index: int, message: str, hint: Hint) -> None:
        if (index, message) in self.kept:
            return
        if len(self.kept) == MAX_PROBLEMS:
            self.dropped += 1
            return
        shown = hint if isinstance(hint, str) else hint()
        self.kept[index, message] = source.problem(index, message, shown)

    def sorted(self, kind: str) -> tuple[Problem, ...]:
        found = sorted(self.kept.values(), key=lambda problem: (problem.line, problem.column))
        if self.dropped:
            last = found[-1]
            message = f"{self.dropped} more {kind} are not shown"
            found.append(Problem(last.file, last.line, last.column, message, "fix these first"))
        return tuple(found)
