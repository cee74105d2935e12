"""A text into commands, each with the place where it stands."""

from __future__ import annotations

import pytest

from norouter_tui.repl.steps import BadStep, ScriptStep, StepReader, steps


def places(text: str) -> list[tuple[str, int, int]]:
    return [(step.line, step.row, step.column) for step in steps(text)]


def test_semicolons_and_lines_part_commands_and_comments_are_left_out() -> None:
    text = "# a mesh\nhosts; ports web # both\n\n  undo"
    assert places(text) == [("hosts", 2, 1), ("ports web", 2, 8), ("undo", 4, 3)]


def test_a_quoted_word_and_a_backslash_carry_a_line_on() -> None:
    text = "host add a -- sh -c 'x;\ny'\nhost add b \\\n  -- ssh b\nundo\n"
    assert places(text) == [
        ("host add a -- sh -c 'x;\ny'", 1, 1),
        ("host add b \\\n  -- ssh b", 3, 1),
        ("undo", 5, 1),
    ]
    first, second, _ = steps(text)
    assert (first.place(24), first.place(25)) == ((1, 24), (2, 1))
    assert second.place(second.line.index("ssh") + 1) == (4, 6)


def test_a_line_for_the_shell_is_taken_whole() -> None:
    assert list(steps("hosts\n !a; b | c 'd\nhosts; !e f; undo")) == [
        ScriptStep("hosts", 1, 1, 0),
        ScriptStep("a; b | c 'd", 2, 2, 7, shell=True),
        ScriptStep("hosts", 3, 1, 20),
        ScriptStep("e f", 3, 8, 27, shell=True),
        ScriptStep("undo", 3, 14, 33),
    ]


@pytest.mark.parametrize(
    ("text", "done", "place"),
    [
        ("hosts\nport 'add\nundo\n", ["hosts"], (2, 6)),
        ("hosts; port add \0\n", ["hosts", "port add"], (1, 17)),
        ("undo \\", ["undo"], (1, 6)),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    text: str, done: list[str], place: tuple[int, int]
) -> None:
    found: list[str] = []
    with pytest.raises(BadStep) as caught:
        found.extend(step.line for step in steps(text))
    assert found == done[: len(found)]
    assert (caught.value.row, caught.value.column) == place
    assert caught.value.failure.hint


def test_a_command_is_given_as_soon_as_its_line_has_come() -> None:
    reader = StepReader()
    assert [step.line for step in reader.feed("hosts\n")] == ["hosts"]
    assert list(reader.feed("host add 'a\n")) == []
    assert [(step.line, step.row) for step in reader.feed("b'\n")] == [("host add 'a\nb'", 2)]
    assert list(reader.finish()) == []
