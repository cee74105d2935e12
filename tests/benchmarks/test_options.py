from __future__ import annotations

import pytest

from benchmarks.__main__ import parse, plan
from benchmarks.measures import MEASURES
from benchmarks.processes import is_agent


def test_defaults() -> None:
    how = plan(parse([]))
    assert (how.runs, how.size, how.only) == (5, 512 << 20, frozenset(MEASURES))


def test_names_are_put_in_the_order_of_the_table() -> None:
    options = parse(["--paths", "ours, direct", "--only", "pingpong,bulk", "--runs", "3"])
    assert options.paths == ["direct", "ours"]
    assert plan(options).only == {"bulk", "pingpong"}
    assert plan(options).runs == 3


@pytest.mark.parametrize("words", [["--only", "speed"], ["--runs", "0"], ["--size", "1.5"]])
def test_wrong_options_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(words)
    assert refused.value.code == 2
    assert words[1] in capsys.readouterr().err


def test_uvloop_is_left_to_the_hub_unless_said() -> None:
    assert parse([]).uvloop is None
    assert parse(["--no-uvloop"]).uvloop is False


def test_an_agent_is_a_python_with_its_program_in_the_command() -> None:
    assert is_agent(["/usr/bin/python3", "-c", "import sys"])
    assert is_agent(["pypy3", "-E", "-c", "import sys"])
    assert not is_agent(["ssh", "host", "sh"])
    assert not is_agent(["sh", "-c", "python3"])
    assert not is_agent([])
