"""Untrusted text, stripped or escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest

from norouter_core.sanitize import MAX_LINE, escape, escape_all, quote, strip_line, strip_lines

HOSTILE = "a\x1b[31mred\x1b[0m \x1b]0;title\x07b\x7f\u202e\u2028c"


def test_strip_line_removes_sequences_controls_and_newlines() -> None:
    assert strip_line(HOSTILE) == "ared bc"
    assert strip_line("two\r\nlines\tof") == "twolinesof"


def test_strip_line_removes_halves_of_surrogate_pairs() -> None:
    """They come from JSON, and nothing could encode them."""
    assert strip_line("half \ud800 a \udfff pair \U0001f600") == "half  a  pair \U0001f600"


@pytest.mark.parametrize("strip", [strip_line, strip_lines])
def test_nothing_invisible_is_left(strip: Callable[[str], str]) -> None:
    """What reorders or hides text has its place in no name, reason or line of a host."""
    invisible = {"Cf", "Cs", "Zl", "Zp"}
    numbers = (*range(0x20000), *range(0xE0000, 0xE0100))
    every = [ch for ch in map(chr, numbers) if unicodedata.category(ch) in invisible]
    left = "".join(strip(ch) for ch in every)
    # Signs of Arabic, Syriac, Kaithi and Egyptian script and of shorthand, which are visible.
    visible = [(0x600, 0x605), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2)]
    visible += [(0x110BD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3)]
    assert all(any(first <= ord(ch) <= last for first, last in visible) for ch in left)


def test_strip_line_is_bounded() -> None:
    assert len(strip_line("x" * 10 * MAX_LINE)) == MAX_LINE


def test_strip_lines_keeps_tabs_and_newlines() -> None:
    assert strip_lines("one\ttab\r\n\x1b[1mtwo\rthree\x00") == "one\ttab\ntwo\nthree"


def test_an_escape_sequence_without_its_end_hides_nothing() -> None:
    assert strip_lines("\x1b]0;title\nwhy it failed") == "]0;title\nwhy it failed"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("naïve 日本 🙂\tx", "naïve 日本 🙂\tx"),
        ("\x1b[1m\n", "\\x1b[1m\\n"),
        ("\u202e\U000e0001", "\\u202e\\U000e0001"),
        ("half a pair: \ud800", "half a pair: \\ud800"),
        ("no\xa0break", "no\xa0break"),
    ],
)
def test_escape_shows_what_would_steer_a_terminal(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_escape_all_shows_odd_spaces_too() -> None:
    assert escape_all("8080\xa0:80\t") == "8080\\xa0:80\\t"


def test_quote_cuts() -> None:
    assert quote("x" * 61) == f'"{"x" * 60}..."'
    assert quote("a\nb") == '"a\\nb"'
