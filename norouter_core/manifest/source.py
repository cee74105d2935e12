"""A manifest's text: decoding, the limits on it, and where in it an index lies."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from functools import cached_property
from itertools import islice

from norouter_core.manifest.problems import ManifestError, Problem
from norouter_core.sanitize import escape_all

MAX_BYTES = 1024 * 1024
"""The largest manifest that is read; room for some 10,000 hosts."""

MAX_PROBLEMS = 100
"""How many errors, and how many warnings, one reading keeps."""

# What YAML 1.1 counts as a line break, so that our line numbers and the parser's agree.
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
# What YAML 1.1 lets a text hold, section 5.1 of its specification.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Source:
    """A text with a name, which can say where in it an index lies."""

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
        """The 1-based line and column of a character index (the text's length: its end)."""
        index = min(max(index, 0), len(self.text))
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def words(self, index: int) -> str:
        """A place for messages that point at a second one: `line LINE, column COLUMN`."""
        line, column = self.place(index)
        return f"line {line}, column {column}"

    def line_at(self, index: int) -> str:
        """The source line that holds a character index, without its line break."""
        return self._lines[self.place(index)[0] - 1]

    def line(self, number: int) -> str:
        """The text of a line, counted from 0, without its line break."""
        return self._lines[number]

    def above(self, number: int) -> int:
        """The number of the last line above `number` that is neither blank nor a comment; -1
        where there is none. Both are counted from 0."""
        lines = enumerate(self._lines[:number])
        said = (at for at, line in lines if line.strip() and not line.lstrip().startswith("#"))
        return max(said, default=-1)

    def index_of_line(self, number: int) -> int:
        """The character index at which a line begins; `number` is counted from 0."""
        return self._starts[number]

    def start_of_line(self, index: int) -> int:
        """The character index at which the line that holds `index` begins."""
        return self._starts[self.place(index)[0] - 1]

    def problem(self, index: int, message: str, hint: str = "") -> Problem:
        line, column = self.place(index)
        # Whatever a message quotes, here it becomes safe to print.
        message, hint = escape_all(message), escape_all(hint)
        return Problem(self.name, line, column, message, hint, self.line_at(index))


def read_source(data: str | bytes, name: str) -> Source:
    """The text of a manifest: decoded, without a byte order mark, checked for its size and
    for characters that YAML forbids.

    Raises:
        ManifestError: too large, not UTF-8 (or UTF-16 with its mark), control characters.
    """
    if len(data) > MAX_BYTES:
        message = f"the manifest is larger than {MAX_BYTES // 1024} KiB"
        hint = "split it up: one manifest per mesh; hostTemplate says once what all hosts share"
        raise ManifestError((Problem(escape_all(name), 0, 0, message, hint),))
    text = _decode(data, name) if isinstance(data, bytes) else data
    source = Source(text.removeprefix("\ufeff"), name)
    if source.text.count("\0") * 3 > len(source.text):
        message = "this is no UTF-8 text but UTF-16 or a binary file: every other byte is 0"
        problem = source.problem(source.text.index("\0"), message, "save the manifest as UTF-8")
        raise ManifestError((problem,))
    found = islice(_FORBIDDEN.finditer(source.text), MAX_PROBLEMS)
    problems = tuple(_forbidden(source, match.start()) for match in found)
    if problems:
        raise ManifestError(problems)
    return source


def unreadable(name: str, error: Exception) -> ManifestError:
    """The error for a file that could not be opened or read."""
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
    message = f"a control character, U+{code:04X}, which YAML does not allow"
    hint = "remove it, or write it as an escape inside double quotes"
    return source.problem(index, message, hint)
