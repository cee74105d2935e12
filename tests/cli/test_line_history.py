"""The file of the lines that were typed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prompt_toolkit.history import History, InMemoryHistory

from norouter_tui.run.history import history_path, open_history


def loaded(history: History) -> list[str]:
    return list(history.load_history_strings())


def test_it_is_the_users_own_and_lasts(tmp_path: Path) -> None:
    path = tmp_path / "state" / "norouter" / "repl-history"
    history = open_history(path)
    for line in ("hosts", "hosts", " secret", "undo", ""):
        history.append_string(line)
    assert loaded(open_history(path)) == ["undo", "hosts"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_file_gets_no_line_that_may_be_a_password(tmp_path: Path) -> None:
    path = tmp_path / "repl-history"
    history = open_history(path)
    for line in ("hunter2", "hosts", "correct horse", "!ls"):
        history.append_string(line)
    assert loaded(open_history(path)) == ["!ls", "hosts"]


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "repl-history"
    path.touch(0o644)
    open_history(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_oldest_lines_go(tmp_path: Path) -> None:
    path = tmp_path / "repl-history"
    history = open_history(path)
    for number in range(21):
        history.append_string(f"ping host{number}")
    assert loaded(open_history(path, 10)) == [f"ping host{n}" for n in range(20, 10, -1)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["repl-history"]


def test_a_place_that_cannot_be_written_costs_the_history_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = open_history(tmp_path / "file" / "repl-history")
    history.append_string("hosts")
    assert isinstance(history, InMemoryHistory)


def test_it_lies_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_path().name == "repl-history"
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert history_path() == tmp_path / "norouter" / "repl-history"
