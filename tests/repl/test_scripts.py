"""`norouter repl` with commands from -c, a file or a pipe: the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from norouter_core.commands.tokenizer import join
from tests.engine.meshes import exec_command, vip
from tests.programs import Program, Start

SH = join(exec_command())


def script(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def test_commands_build_a_mesh_and_save_it(norouter: Program, tmp_path: Path) -> None:
    saved = tmp_path / "mesh.yaml"
    done = norouter(
        "repl",
        "-c",
        f"host add web --vip {vip()} --wait -- {SH}; port add web 8080:80; undo; "
        f"hosts --json; save {saved}; quit",
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["name"], row["state"]) for row in rows] == [("local", "ready"), ("web", "ready")]
    assert "\x1b" not in done.stdout + done.stderr
    assert "web" in saved.read_text() and "8080" not in saved.read_text()


def test_the_first_failure_ends_a_script_with_its_place(norouter: Program, tmp_path: Path) -> None:
    text = script("# nothing yet", "", "hosts --json; port add nowhere 80", f"save {tmp_path}/x")
    done = norouter("repl", input=text)
    assert done.returncode == 1
    place, line, caret, *more = done.stderr.partition("<stdin>:")[2].splitlines()
    assert place.startswith("3:24: ")
    assert (line, caret) == ("  port add nowhere 80", "           ^")
    assert any("hint: " in x for x in more)
    assert len(done.stdout.splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_the_problem_of_a_host_is_told_once(norouter: Program) -> None:
    done = norouter("repl", "-c", "host add web --wait -- /nonexistent/exec")
    assert done.returncode == 1
    assert done.stderr.count("`/nonexistent/exec` not found") == 1
    assert done.stderr.count("hint: ") == 1
    assert "-c:1:1: web has failed\n" in done.stderr


def test_a_script_file_is_named_and_an_unclosed_quote_placed(
    norouter: Program, tmp_path: Path
) -> None:
    path = tmp_path / "build.nr"
    path.write_text("hosts\nhost add 'web\n")
    done = norouter("repl", "-f", str(path))
    assert done.returncode == 1
    assert f"{path}:2:10: " in done.stderr
    missing = norouter("repl", "-f", str(tmp_path / "none.nr"))
    assert missing.returncode == 2
    assert "No such file" in missing.stderr and "Traceback" not in missing.stderr


def test_the_status_of_what_failed_is_that_of_the_script(norouter: Program) -> None:
    done = norouter("repl", "-c", "!exit 7\nhosts")
    assert (done.returncode, done.stdout) == (7, "")
    assert "-c:1:1: " in done.stderr


def test_what_a_command_writes_on_a_host_comes_through_as_it_is(norouter: Program) -> None:
    done = norouter(
        "repl",
        "-c",
        f"host add web --vip {vip()} --wait -- {SH}; "
        r"exec web -- sh -c 'printf \\033x; printf no >&2; exit 5'; hosts",
    )
    assert (done.returncode, done.stdout) == (5, "\x1bx"), done.stderr
    assert "no" in done.stderr


def test_a_shell_command_does_not_eat_the_script(norouter: Program) -> None:
    done = norouter("repl", input="!cat\nhosts --json\n")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_commands_of_a_pipe_are_run_as_they_come_until_a_signal_ends_all_in_order(
    start: Start, number: signal.Signals
) -> None:
    process = start("repl", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    for line in ("hosts --json", f"host add web --vip {vip()} --wait -- {SH}; status --json"):
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    assert process.wait(20) == 130
    assert not [child for child in children if child.is_running()]


def test_a_manifest_that_is_none_is_refused_with_places(norouter: Program, tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("hosts:\n  a: {vip: 1.2.3}\n")
    done = norouter("repl", str(path), "-c", "hosts")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}:2:12: " in done.stderr


def test_a_manifest_that_is_not_there_yet_is_made_by_save(
    norouter: Program, tmp_path: Path
) -> None:
    path = tmp_path / "new.yaml"
    done = norouter("repl", str(path), "-c", "port add local 8080:80; save")
    assert done.returncode == 0, done.stderr
    assert "8080:localhost:80" in path.read_text()
    lost = norouter("repl", str(tmp_path / "no" / "new.yaml"), "-c", "hosts")
    assert lost.returncode == 2
    assert "no such file or directory" in lost.stderr


def test_standard_input_that_cannot_be_waited_for(norouter: Program) -> None:
    nothing = norouter("repl", stdin=subprocess.DEVNULL)
    assert (nothing.returncode, nothing.stderr) == (0, "")
    closed = norouter("repl", preexec_fn=lambda: os.close(0))
    assert (closed.returncode, closed.stderr) == (2, "<stdin>: Bad file descriptor\n")
