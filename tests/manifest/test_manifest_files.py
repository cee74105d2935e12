"""Files, bytes and encodings, and the rendering of problems."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from norouter_core.manifest import ManifestError, Problem, load_file, load_text, render
from tests.manifest.manifests import load_error, places

GOOD = "hosts: {wéb-file: }"


def _error_of(path: str | os.PathLike[str]) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        load_file(path)
    return caught.value


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("hosts: {web: }")
    loaded = load_file(path)
    assert loaded.spec.hosts[0].name == "web"
    assert loaded.name == str(path) == load_file(str(path)).name


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hosts: {web: 1}")))
    error = _error_of("-")
    assert str(error).startswith("<stdin>:1:14: ")
    monkeypatch.setattr(sys, "stdin", None)
    assert str(_error_of("-")) == "<stdin>: cannot read the manifest: standard input is closed"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "mesh.yaml"
    assert (
        str(_error_of(missing)) == f"{missing}: cannot read the manifest: No such file or directory"
    )
    assert "Is a directory" in str(_error_of(tmp_path))
    assert "null byte" in str(_error_of("a\0b"))
    looped = tmp_path / "loop"
    looped.symlink_to(looped)
    assert "symbolic links" in str(_error_of(looped))
    assert "larger than" in str(_error_of("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.touch(mode=0)
    assert "Permission denied" in str(_error_of(path))


def test_a_file_name_cannot_forge_lines() -> None:
    error = _error_of("no\nsuch\x1b[31m\udcff")
    assert str(error).startswith("no\\nsuch\\x1b[31m\\udcff: cannot read")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(codec: str) -> None:
    assert places(load_error(GOOD.encode(codec))) == [(1, 9)]
    assert load_text("hosts: {web: }".encode(codec), "m").spec.hosts[0].name == "web"


def test_bytes_that_are_not_text() -> None:
    error = load_error("hosts:\n  é: {}\n  ".encode() + b"\xe9t\xe9: {}\n")
    assert places(error) == [(3, 3)]
    assert "not UTF-8 text: 0xe9" in error.problems[0].message
    assert error.problems[0].excerpt == r"  \xe9t\xe9: {}"
    assert places(load_error(b"\xff\xfea\0b\0\n\0\x00\xd8c")) == [(2, 1)]
    assert places(load_error(b"\xef\xbb\xbfab\xff")) == [(1, 3)]


def test_control_characters_are_told_each() -> None:
    error = load_error("hosts: {}\n# \0\x1b[31m\r\n\x7f\ud800\ufffe")
    assert places(error) == [(2, 3), (2, 4), (3, 1), (3, 2), (3, 3)]
    assert "U+0000" in error.problems[0].message
    assert "surrogate" in error.problems[3].message
    assert len(load_error(b"\x01" * 5000).problems) == 100


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_one_problem(codec: str) -> None:
    (problem,) = load_error("hosts:\n  web:\n".encode(codec)).problems
    assert "UTF-16" in problem.message
    assert problem.hint == "save the manifest as UTF-8"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_are_counted_as_yaml_counts_them(newline: str) -> None:
    last = '    {"\ufeff": 1, vip: 5}'
    error = load_error(newline.join(["hosts:", "  web:", last]))
    assert places(error) == [(3, 19)]
    assert error.problems[0].excerpt == last


def test_a_problem_as_text() -> None:
    problem = Problem("mesh.yaml", 3, 9, "no", "do", "    vip: x")
    assert str(problem) == "mesh.yaml:3:9: no"
    assert str(Problem("mesh.yaml", 0, 0, "no")) == "mesh.yaml: no"
    assert render(Problem("mesh.yaml", 0, 0, "no", "do")) == "mesh.yaml: no\n  hint: do"


def _shown(line: str, at: int) -> tuple[str, str]:
    """Return the source line and the caret line of `render`, without their margins."""
    lines = render(Problem("m", 12, at + 1, "no", "", line)).split("\n")
    assert lines[1].startswith("  12 | ") and lines[2].startswith("     | ")
    return lines[1][7:], lines[2][7:]


def test_the_caret_stands_under_the_column() -> None:
    assert _shown("    vip: x", 9) == ("    vip: x", "         ^")
    assert _shown("a\tb\x1b[31mc", 8) == (r"a\tb\x1b[31mc", "            ^")
    assert _shown("日本: x", 4) == ("日本: x", "      ^")
    assert _shown("e\u0301: x", 4) == ("e\u0301: x", "   ^")
    assert _shown("a\u202eb", 2) == (r"a\u202eb", "       ^")
    assert _shown("ab", 2) == ("ab", "  ^")


@pytest.mark.parametrize("at", [0, 10, 75, 76, 5000, 9990, 10_000])
def test_long_lines_are_cut_around_the_column(at: int) -> None:
    line = "." * at + "X" + "." * (10_000 - at)
    shown, caret = _shown(line, at)
    assert len(shown) <= 82
    assert shown[len(caret) - 1] == "X"
    assert (shown.startswith("....") and shown.endswith("...")) or at in (0, 10_000)
