"""`norouter run` asks at its terminal what exec commands ask."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import Program
from tests.prompts.fake_ssh import FakeSsh
from tests.run.terminals import OnTerminal, on_terminal

ASKED = "web asks: me@jump's password: "


def manifest(folder: Path, vip: str, ssh: FakeSsh) -> str:
    path = folder / "mesh.yaml"
    path.write_text(f"hosts:\n  web:\n    vip: {vip}.2\n    cmd: [{ssh.path}, web]\n")
    return str(path)


def answer(terminal: OnTerminal, text: str, *, remember: str = "") -> None:
    terminal.shows(ASKED)
    terminal.type(f"{text}\n")
    terminal.shows("remember it until norouter ends? [y/N] ")
    terminal.type(f"{remember}\n")


def test_a_run_asks_at_its_terminal_and_does_not_show_the_answer(tmp_path: Path, vip: str) -> None:
    ssh = FakeSsh.make(tmp_path / "bin")
    with on_terminal(tmp_path, "run", manifest(tmp_path, vip, ssh), "--headless") as terminal:
        answer(terminal, "right")
        terminal.shows("ready: 1 host")
        assert "right" not in terminal.text
        assert ssh.sent == ["right"]


def test_a_run_whose_stdin_is_a_pipe_asks_as_well(tmp_path: Path, vip: str) -> None:
    ssh = FakeSsh.make(tmp_path / "bin")
    words = ("run", manifest(tmp_path, vip, ssh), "--", "cat")
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as pipe:
        assert pipe.stdout is not None
        with on_terminal(tmp_path, *words, stdin=pipe.stdout.fileno()) as terminal:
            answer(terminal, "right")
            assert terminal.ends() == 0
    assert ssh.sent == ["right"]


def test_ctrl_d_gives_up(tmp_path: Path, vip: str) -> None:
    ssh = FakeSsh.make(tmp_path / "bin")
    words = ("run", manifest(tmp_path, vip, ssh), "--headless", "--wait-ready", "20")
    with on_terminal(tmp_path, *words) as terminal:
        terminal.shows(ASKED)
        terminal.type("\n")
        terminal.shows(ASKED)
        terminal.type("\x04")
        terminal.shows("cancelled by the user")
        assert terminal.ends() == 1
    assert ssh.sent == []


def test_a_script_asks_at_the_terminal(tmp_path: Path, vip: str) -> None:
    ssh = FakeSsh.make(tmp_path / "bin")
    line = f"host add web --vip {vip}.2 --wait -- {ssh.path} web"
    with on_terminal(tmp_path, "repl", "-c", line) as terminal:
        answer(terminal, "wrong", remember="y")
        terminal.shows("web asks again: ")
        terminal.type("right\n")
        terminal.shows("[y/N] ")
        terminal.type("\n")
        assert terminal.ends() == 0
    assert ssh.sent == ["wrong", "right"]


def test_without_a_terminal_nobody_is_asked(tmp_path: Path, vip: str, norouter: Program) -> None:
    ssh = FakeSsh.make(tmp_path / "bin")
    words = ("run", manifest(tmp_path, vip, ssh), "--headless", "--json", "--wait-ready", "20")
    done = norouter(*words, start_new_session=True)
    assert done.returncode == 1
    hosts = [json.loads(line).get("host") for line in done.stdout.splitlines()]
    kinds = [host["problem"]["kind"] for host in hosts if host and host["problem"]]
    assert kinds[-1:] == ["nobody-to-ask"]
    assert ssh.sent == []


@pytest.mark.skipif(sys.platform == "darwin", reason="ps prints no environment there")
def test_the_answer_is_in_no_file_and_no_process(tmp_path: Path, vip: str) -> None:
    secret = "hunter-2-never-shown"
    ssh = FakeSsh.make(tmp_path / "bin", password=secret)
    words = ("run", manifest(tmp_path, vip, ssh), "--headless", "--debug", "--json")
    state, output = tmp_path / "state", tmp_path / "output"
    with on_terminal(state, *words) as terminal:
        answer(terminal, secret, remember="y")
        terminal.shows('"event":"ready"')
        output.write_text(terminal.text)
        found = subprocess.run(["ps", "axeww"], capture_output=True, check=True).stdout
        assert secret.encode() not in found
    left = [path for path in (*state.rglob("*"), output, tmp_path / "mesh.yaml") if path.is_file()]
    assert [path for path in left if secret in path.read_text(errors="replace")] == []
