"""`norouter run` asks at its terminal what exec commands ask."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.text import Text

from norouter_core.engine.engine import Engine
from norouter_core.engine.questions import Questions
from norouter_core.model import MeshSpec
from norouter_core.prompts.prompt import Prompt
from norouter_tui.run.headless import HeadlessRun, RunOptions
from norouter_tui.run.questions import TerminalAsker, answer_questions
from tests.programs import Program
from tests.prompts.fake_ssh import FakeSsh
from tests.run.terminals import OnTerminal, on_terminal
from tests.servers import TIMEOUT, eventually

# As nohup does it.
_IGNORES_HANG_UP = """\
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, "-m", "norouter_tui", *sys.argv[1:]])
"""

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


def test_a_run_that_was_stopped_asks_again_without_echo(tmp_path: Path, vip: str) -> None:
    ssh = FakeSsh.make(tmp_path / "bin")
    with on_terminal(tmp_path, "run", manifest(tmp_path, vip, ssh), "--headless") as terminal:
        terminal.shows(ASKED)
        terminal.stop_and_continue()
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


@pytest.mark.anyio
async def test_the_time_limit_of_a_run_stands_still_while_the_user_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_ASKPASS", raising=False)
    ssh, lines, limit = FakeSsh.make(tmp_path / "bin"), list[Text](), 0.1
    async with Engine() as engine:
        prompts = engine.questions.prompts
        with prompts.attend():
            await engine.apply(MeshSpec((ssh.host("web"),)))
            await eventually(lambda: prompts.shown, "web asks")
            run = HeadlessRun(RunOptions(wait_ready=limit), [], lines.append)
            bringing_up = asyncio.create_task(run._bring_up(engine))
            until = time.monotonic() + 3 * limit
            await eventually(lambda: time.monotonic() > until, "the limit is over")
            assert not bringing_up.done()
        assert await asyncio.wait_for(bringing_up, TIMEOUT) != 0
    assert lines, "the run says why it ends"


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


def test_after_the_terminal_has_gone_nobody_is_asked(tmp_path: Path, vip: str) -> None:
    ssh = FakeSsh.make(tmp_path / "bin", "touch")
    words = ("run", manifest(tmp_path, vip, ssh), "--headless", "--wait-ready", "20")
    program = ("-c", _IGNORES_HANG_UP)
    with on_terminal(tmp_path, *words, stdin=subprocess.DEVNULL, program=program) as terminal:
        terminal.shows("Confirm user presence")
        terminal.hang_up()
        Path(f"{ssh.log}.touched").touch()
        assert terminal.process.wait(TIMEOUT) == 1
    assert ssh.sent == []


@pytest.mark.anyio
async def test_an_asker_without_a_terminal_leaves_the_questions_to_others() -> None:
    questions = Questions(lambda event: None)
    prompts = questions.prompts
    start, answers = prompts.begin("web"), list[tuple[str | None, bool]]()

    class Source:
        def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
            return questions.follow()

        async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
            raise AssertionError("there is no answer")

    leader, follower = os.openpty()  # not the terminal of this process
    try:
        with prompts.attend():
            prompts.ask(start.token, "Password: ", "", 1, lambda *reply: answers.append(reply))
            await asyncio.wait_for(answer_questions(Source(), TerminalAsker(follower)), TIMEOUT)
        assert answers == [(None, True)]
    finally:
        os.close(leader)
        os.close(follower)


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
