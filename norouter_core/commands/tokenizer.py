"""Splits text into commands and words as a POSIX shell does, and keeps their positions.

Quotes and backslashes work as in `sh`. `;` and newlines separate commands, and `#` at the start of
a word starts a comment. Nothing is expanded: no variables, no globs, no pipes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from norouter_core.errors import NorouterError

MAX_LINE = 64 * 1024
"""The longest command, in characters."""

_BLANK = " \t\r"
_SEPARATORS = ";\n"
_DOUBLE_ESCAPES = '"\\$`\n'
_SPECIAL = frozenset(_BLANK + _SEPARATORS + "'\"\\")
_FORBIDDEN = re.compile("[\0\ud800-\udfff]")


class TokenError(NorouterError):
    """A malformed line; `index` is the position, counted from 0."""

    def __init__(self, index: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.index, self.message, self.hint = index, message, hint


@dataclass(frozen=True, slots=True)
class Word:
    """A word without its quotes; `start` and `end` are indices in its line."""

    text: str
    start: int
    end: int
    plain: int | None = None
    """How many characters of the text come before the first quote; None without quotes."""

    @property
    def quoted(self) -> bool:
        return self.plain is not None

    def index(self, offset: int) -> int:
        """Return where in the line a character of the text is; the start if quotes precede it."""
        behind_quote = self.plain is not None and offset > self.plain
        return self.start if behind_quote else min(self.start + offset, self.end)


@dataclass(frozen=True, slots=True)
class CommandText:
    """One command of a text: its words, where it starts, and the whole text."""

    words: tuple[Word, ...]
    start: int
    text: str = field(repr=False)

    @property
    def line(self) -> str:
        """The command alone."""
        return self.text[self.start : self.words[-1].end]


def split_commands(text: str) -> Iterator[CommandText]:
    """Yield the commands of a text, without comments and blanks.

    Those before a mistake come first.

    Raises:
        TokenError: A quote is not closed, or no command can contain a character.
    """
    words: list[Word] = []
    for word in _scan(text):
        if word is not None:
            words.append(word)
        elif words:
            yield CommandText(tuple(words), words[0].start, text)
            words = []
    if words:
        yield CommandText(tuple(words), words[0].start, text)


def tokenize(line: str) -> tuple[Word, ...]:
    """Return the words of the one command in a line; none for a blank line or a comment.

    Raises:
        TokenError: As `split_commands`, and for a second command.
    """
    if len(line) > MAX_LINE:
        raise TokenError(MAX_LINE, f"the line is longer than {MAX_LINE // 1024} KiB")
    found = list(split_commands(line))
    if len(found) > 1:
        hint = "give one command at a time, or quote the `;`"
        raise TokenError(found[1].start, "a second command starts here", hint)
    return found[0].words if found else ()


def join(words: Iterable[str]) -> str:
    """Return words as a line that a shell and `tokenize` read back as the same words."""
    return shlex.join(words)


def quote_word(text: str) -> str:
    """Return `text` as a word of a line. `>` and `*` need no quotes here, unlike in a shell."""
    needs_quotes = not text or text[0] == "#" or not _SPECIAL.isdisjoint(text)
    return shlex.quote(text) if needs_quotes else text


class Continuation:
    """Follows a text line by line, and says whether a command goes on in the next line.

    Each line is read once: a text may have as many lines as characters.
    """

    def __init__(self) -> None:
        self._quote = ""
        self._is_in_word = False

    def follows(self, line: str) -> bool:
        """Return whether the next line, with its newline, ends inside quotes, or with a backslash
        that joins another line to it.
        """
        if _FORBIDDEN.search(line):
            return False
        at = 0
        while at < len(line):
            char = line[at]
            if char == self._quote:
                self._quote = ""
            elif char == "\\" and self._quote != "'":
                if not self._quote and line[at + 1 : at + 2] in ("", "\n"):
                    return True
                # In double quotes it may be a plain character, but then the next one is, too.
                self._is_in_word = True
                at += 1
            elif self._quote:
                pass
            elif char in "'\"":
                self._quote = char
                self._is_in_word = True
            elif char == "#" and not self._is_in_word:
                return False
            else:
                self._is_in_word = char not in _BLANK + _SEPARATORS
            at += 1
        return bool(self._quote)


@dataclass(frozen=True, slots=True)
class Tail:
    """What is before a cursor: the words before the current one, and the start of that one.

    With `comment`, the cursor is in a comment.
    """

    words: tuple[Word, ...]
    prefix: str
    start: int
    comment: bool = False


def tail(line: str, cursor: int) -> Tail:
    """Return the last command before the cursor, as far as it is typed. Never raises."""
    text = line[: max(cursor, 0)]
    for closing in ("", "'", '"'):
        try:
            scanned = list(_scan(text + closing))
        except TokenError:
            continue
        last = [word for word in scanned if word is not None][-1:]
        parted = bool(scanned) and scanned[-1] is None
        begun = len(scanned) - 1 - scanned[::-1].index(None) if None in scanned else -1
        words = tuple(word for word in scanned[begun + 1 :] if word is not None)
        at_word = bool(last) and not parted and last[0].end >= len(text)
        if at_word and words:
            return Tail(words[:-1], words[-1].text, words[-1].start)
        rest = text[last[0].end if last else 0 :]
        comment = "#" in rest.rpartition("\n")[2]
        return Tail(() if parted else words, "", len(text), comment=comment)
    return Tail((), "", len(text), comment=True)


def _scan(text: str) -> Iterator[Word | None]:
    """Yield words, and None where a command ends."""
    bad = _FORBIDDEN.search(text)
    stop = bad.start() if bad else len(text)
    at = 0
    while at < stop:
        char = text[at]
        if char in _BLANK:
            at += 1
        elif char in _SEPARATORS:
            yield None
            at += 1
        elif char == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("\\\n", at):
            at += 2
        else:
            word = _word(text, at)
            at = word.end
            if at <= stop:
                yield word
    if bad:
        what = "a NUL character" if bad[0] == "\0" else "half a surrogate pair"
        raise TokenError(stop, f"the line contains {what}", "remove it")


def _word(text: str, start: int) -> Word:
    parts: list[str] = []
    at = start
    plain: int | None = None
    while at < len(text) and text[at] not in _BLANK + _SEPARATORS:
        char = text[at]
        if plain is None and char in "'\"\\":
            plain = len(parts)
        if char in "'\"":
            part, at = _quoted(text, at)
        elif char == "\\":
            if at + 1 == len(text):
                raise TokenError(at, "nothing follows the backslash", "write \\\\ for a backslash")
            part = text[at + 1].replace("\n", "")
            at += 2
        else:
            part = char
            at += 1
        parts.append(part)
    return Word("".join(parts), start, at, plain)


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote, at = text[start], start + 1
    parts: list[str] = []
    while at < len(text):
        char = text[at]
        if char == quote:
            return "".join(parts), at + 1
        escaped = char == "\\" and quote == '"' and text[at + 1 : at + 2] in tuple(_DOUBLE_ESCAPES)
        if escaped:
            at += 1
            char = text[at].replace("\n", "")
        parts.append(char)
        at += 1
    raise TokenError(start, f"the quote {quote} is not closed", f"close it with another {quote}")
