"""Undo and redo, and the saved point among them."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.history import History


def spec(number: int) -> MeshSpec:
    return MeshSpec((HostSpec(f"h{number}", "127.0.42.101"),))


def test_undo_and_redo_name_the_command() -> None:
    history = History(spec(0))
    assert (history.undo(), history.redo(), history.undo_name, history.redo_name) == (
        *(None, None),
        *("", ""),
    )
    history.push("host add a", spec(1))
    history.push("host rm a", spec(2))
    assert history.undo_name == "host rm a"
    assert (history.undo(), history.spec) == ("host rm a", spec(1))
    assert (history.undo_name, history.redo_name) == ("host add a", "host rm a")
    assert (history.undo(), history.spec) == ("host add a", spec(0))
    assert history.undo() is None and history.spec == spec(0)
    assert (history.redo(), history.spec) == ("host add a", spec(1))
    assert (history.redo(), history.spec) == ("host rm a", spec(2))
    assert history.redo() is None and history.spec == spec(2)


def test_what_was_undone_is_gone_once_something_else_is_done() -> None:
    history = History(spec(0))
    history.push("one", spec(1))
    history.undo()
    history.push("two", spec(2))
    assert history.redo() is None
    assert (history.undo(), history.spec) == ("two", spec(0))


def test_no_change_is_no_step() -> None:
    history = History(spec(0))
    history.push("one", spec(1))
    history.undo()
    history.push("nothing", spec(0))
    assert (history.undo_name, history.redo_name) == ("", "one")


def test_the_saved_point() -> None:
    history = History(spec(0))
    history.push("one", spec(1))
    history.push("two", spec(2))
    assert " ".join(history.names) == "one two"
    history.mark_saved()
    assert not history.names
    history.push("three", spec(3))
    assert " ".join(history.names) == "three"
    history.undo()
    history.undo()
    assert history.names == ("one",)


def test_a_saved_point_that_was_left_behind_is_none() -> None:
    history = History(spec(0))
    history.push("one", spec(1))
    history.mark_saved()
    history.undo()
    history.push("two", spec(2))
    assert history.names == ("two",)


@given(st.lists(st.one_of(st.integers(0, 3), st.sampled_from("ur"))))
def test_it_is_a_line_with_a_cursor(moves: list[int | str]) -> None:
    history = History(spec(0))
    line, at = [0], 0
    for move in moves:
        if move == "u":
            assert (history.undo() is None) == (at == 0)
            at = max(0, at - 1)
        elif move == "r":
            assert (history.redo() is None) == (at == len(line) - 1)
            at = min(len(line) - 1, at + 1)
        elif move != line[at]:
            history.push("x", spec(int(move)))
            line[at + 1 :] = [int(move)]
            at += 1
        assert history.spec == spec(line[at])


def test_entries_share_what_did_not_change() -> None:
    hosts = tuple(HostSpec(f"h{n}", f"127.0.43.{n}") for n in range(100))
    history = History(MeshSpec(hosts))
    for number in range(1000):
        changed = history.spec.with_host(HostSpec("h5", "127.0.43.5", f"cmd {number}"))
        history.push(f"set {number}", changed)
    history.undo()
    before = history.spec
    history.redo()
    assert sum(a is b for a, b in zip(before.hosts, history.spec.hosts, strict=True)) == 99
    assert sys.getsizeof(before.hosts) < 1000
