"""`norouter -e`, with editors that are small shell scripts."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest

from tests.programs import Program, Start

MESH = "hosts:\n  local: {vip: NET.1}\n  far: {vip: NET.2, cmd: env A=1, ports: ['18080:x:9']}\n"


@pytest.fixture
def editor(tmp_path: Path) -> dict[str, str]:
    """An editor that saves `1` at its first use, `2` at the second, of a folder `texts`; where
    that is missing it saves nothing. `seen` gets what it was shown, each time."""
    script = tmp_path / "editor"
    script.write_text(
        "#!/bin/sh\n"
        f'cd {tmp_path}/texts && echo >> uses && cat "$2" >> seen && echo "$2" > path || exit\n'
        'text=$(wc -l < uses | tr -d " ")\n'
        'if [ -f "$text" ]; then cat "$text" > "$2"; fi\n'
        'if [ -f "fail$text" ]; then exit 5; fi\n'
    )
    script.chmod(0o755)
    (tmp_path / "texts").mkdir()
    (tmp_path / "tmp").mkdir()
    return {"VISUAL": f"{script} --wait", "TMPDIR": str(tmp_path / "tmp"), "EDITOR": "false"}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return tmp_path / "texts"


def _mesh() -> str:
    return MESH.replace("NET", f"127.{random.randint(50, 250)}.{random.randint(0, 255)}")


def _until(pipe: IO[str] | None, words: str) -> str:
    assert pipe is not None
    for line in pipe:
        if words in line:
            return line
    raise AssertionError(f"no line with {words!r}")


def test_an_example_that_is_left_as_it_is_runs_nothing_and_leaves_nothing(
    norouter: Program, editor: dict[str, str], texts: Path
) -> None:
    done = norouter("-e", env=editor)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "the example was not changed; nothing is kept\n"
    seen = (texts / "seen").read_text()
    assert seen.startswith("# yaml-language-server: $schema=file:///")
    assert seen.partition("\n")[2] == norouter("show-example").stdout
    assert not Path((texts / "path").read_text().strip()).exists()


def test_a_change_is_run_and_return_opens_it_again(
    start: Start, editor: dict[str, str], texts: Path
) -> None:
    (texts / "1").write_text(first := _mesh())
    (texts / "2").write_text(_mesh() + "  # again\n")
    process = start("--open-editor", env=editor, stdin=subprocess.PIPE)
    assert process.stdin is not None
    path = (_until(process.stderr, "running ").split()[1]).rstrip(":")
    _until(process.stdout, "ready: 2 hosts, 1 port")
    process.stdin.write("\n")
    process.stdin.flush()
    _until(process.stdout, "stopped")
    _until(process.stdout, "ready: 2 hosts, 1 port")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"the manifest is kept in {path}\n" in err and "Traceback" not in err
    assert (texts / "seen").read_text().endswith(first)
    assert Path(path).read_text().endswith("# again\n")


def test_a_broken_manifest_is_told_of_and_can_be_mended(
    start: Start, editor: dict[str, str], texts: Path
) -> None:
    (texts / "1").write_text("hosts: {a: {vip: 1.2.3}}\n")
    (texts / "2").write_text("hosts: {}\n")
    (texts / "3").write_text(_mesh())
    process = start("-e", env=editor, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("\n\n")
    process.stdin.flush()
    assert ":1:18: " in _until(process.stderr, "1.2.3")
    assert "RETURN edits it again" in _until(process.stderr, "not run; ")
    assert "RETURN edits it again" in _until(process.stderr, "not run; ")
    _until(process.stdout, "ready: 2 hosts, 1 port")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_a_broken_manifest_is_never_lost(
    norouter: Program, editor: dict[str, str], texts: Path
) -> None:
    (texts / "1").write_text("hosts: [\n")
    done = norouter("-e", env=editor, input="")
    path = (texts / "path").read_text().strip()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"the manifest is kept in {path}"
    assert Path(path).read_text() == "hosts: [\n"


def test_an_interrupt_while_it_waits_for_return_loses_nothing(
    start: Start, editor: dict[str, str], texts: Path
) -> None:
    (texts / "1").write_text("hosts: [\n")
    process = start("-e", env=editor, stdin=subprocess.PIPE)
    _until(process.stderr, "not run; ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == f"the manifest is kept in {(texts / 'path').read_text()}"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"VISUAL": "/nowhere/vi"},
            "cannot start the editor /nowhere/vi: No such file or directory",
        ),
        ({"VISUAL": "", "EDITOR": "false"}, "the editor false exited with status 1"),
        ({"VISUAL": "'vi"}, "VISUAL is not a valid command"),
        ({"VISUAL": "", "EDITOR": "", "PATH": "/nowhere"}, "no editor found; set VISUAL"),
    ],
)
def test_an_editor_that_does_not_work_is_told_of(
    norouter: Program, editor: dict[str, str], variables: dict[str, str], words: str
) -> None:
    done = norouter("-e", env={**editor, **variables})
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "the example was not changed; nothing is kept"


def test_what_was_saved_by_an_editor_that_failed_is_kept_and_not_run(
    norouter: Program, editor: dict[str, str], texts: Path
) -> None:
    (texts / "1").write_text(mesh := _mesh())
    (texts / "fail1").touch()
    done = norouter("-e", env=editor)
    path = (texts / "path").read_text().strip()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"the manifest is kept in {path}"
    assert Path(path).read_text() == mesh


def test_the_flag_takes_no_words(norouter: Program, tmp_path: Path) -> None:
    mesh = tmp_path / "mesh.yaml"
    mesh.write_text(json.dumps({"hosts": {"local": None}}))
    for words in (["-e", "run", str(mesh)], ["-e", "check", str(mesh)]):
        done = norouter(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "creates its own manifest" in done.stderr
