"""Untrusted text made safe to show.

Text from hosts, agents, proxy clients and manifests may hold escape sequences, control characters
and characters that reorder or hide what a terminal shows. There are two remedies. Stripping
removes them, for what is kept and passed on. Escaping shows them (`\\x1b`), for what is printed.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LINE = 500
"""The number of characters that `strip_line` keeps."""

_SEQUENCES = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC with its terminator
)
_INVISIBLE = (
    r"\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""Characters that hide or reorder others, and halves of surrogate pairs."""
_UNSAFE_IN_LINES = re.compile(rf"{_SEQUENCES}|[\x00-\x08\x0b-\x1f\x7f-\x9f{_INVISIBLE}]")
_UNSAFE_IN_LINE = re.compile(rf"{_SEQUENCES}|[\x00-\x1f\x7f-\x9f{_INVISIBLE}]")

# Cf holds the bidirectional overrides, which reorder what a terminal shows; Cs are halves of
# surrogate pairs, which no output encoding can write.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def strip_line(text: str) -> str:
    """Return `text` as one line of at most `MAX_LINE` characters, without unsafe characters."""
    # Text of 1 MiB must not cost more than text that could be kept.
    return _UNSAFE_IN_LINE.sub("", text[: 8 * MAX_LINE])[:MAX_LINE]


def strip_lines(text: str) -> str:
    """Return `text` without escape sequences and control characters; tabs and newlines stay."""
    return _UNSAFE_IN_LINES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def escape(text: str) -> str:
    """Return `text` with unsafe characters as `\\x1b`, `\\u202e` and so on, for output.

    Newlines are escaped too, so the result is one line. Tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escape_unsafe, text))


def escape_all(text: str) -> str:
    """Return `text` with everything escaped that is not printable, also tabs and odd spaces.

    For messages about the text itself, where a no-break space may be the mistake.
    """
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() else _escaped(ch) for ch in text)


def quote(text: str, limit: int = 60) -> str:
    """Return `text` in double quotes, through `escape_all`, cut to about `limit` characters."""
    return f'"{escape_all(text[:limit])}{"..." if len(text) > limit else ""}"'


def _escape_unsafe(char: str) -> str:
    is_safe = char == "\t" or unicodedata.category(char) not in _UNSAFE_CATEGORIES
    return char if is_safe else _escaped(char)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
