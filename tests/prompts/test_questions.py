"""Real commands that ask, through the program that they run and its socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import QuestionAsked, QuestionEnded
from norouter_core.engine.questions import NotAnswered
from norouter_core.engine.status import HostState
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.private_sockets import socket_directories
from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.prompts.server import _login_of
from tests.engine.meshes import TIMING, Mesh, children, local, mesh
from tests.prompts.fake_ssh import FakeSsh
from tests.servers import eventually

pytestmark = pytest.mark.anyio

QUICK = replace(TIMING, first_retry=0.05, grace=5.0)


_ANSWERED = (PromptKind.SECRET, PromptKind.YES_NO, PromptKind.CONFIRM)


class User:
    """Somebody who can be asked."""

    def __init__(self, engine: Engine) -> None:
        self.prompts = engine.questions.prompts

    async def asked(self, host: str) -> Prompt:
        """Wait for the question of a host that needs an answer."""

        def found() -> list[Prompt]:
            return [p for p in self.prompts.shown if p.host == host and p.kind in _ANSWERED]

        await eventually(found, f"{host} asks")
        return found()[0]

    async def answer(self, host: str, text: str, *, remember: bool = False) -> Prompt:
        prompt = await self.asked(host)
        assert self.prompts.answer(prompt.number, text, remember=remember)
        return prompt


@asynccontextmanager
async def attended(*hosts: HostSpec) -> AsyncIterator[tuple[Mesh, User]]:
    async with Engine(QUICK) as engine:
        user = User(engine)
        made = Mesh(engine)
        with user.prompts.attend():
            await engine.apply(MeshSpec((local(), *hosts)))
            yield made, user
    await eventually(lambda: not children(), f"no process is left: {children()}")


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        prompt = await user.answer("web", "right")
        assert (prompt.text, prompt.kind) == ("me@jump's password:", PromptKind.SECRET)
        await made.ready()
        kinds = [event for event in made.events() if isinstance(event, QuestionAsked)]
        assert [event.question for event in kinds] == [prompt]
        assert ssh.sent == ["right"]
        (start,) = user.prompts._starts.values()
        assert (start._given, start._accepted) == ({}, {}), "what needs no answer keeps none"


async def test_the_user_has_as_many_tries_as_ssh_gives(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        first = await user.answer("web", "wrong", remember=True)
        await eventually(lambda: user.prompts.shown and user.prompts.shown[0] != first, "again")
        second = await user.answer("web", "right", remember=True)
        assert (first.refused, second.refused) == (False, True)
        await made.ready()
        assert ssh.sent == ["wrong", "right"]


async def test_a_refused_login_is_not_repeated(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):

        def is_gone(number: int) -> bool:
            return all(prompt.number != number for prompt in user.prompts.shown)

        for answer in ("one", "two", "three"):
            number = (await user.asked("web")).number
            await user.answer("web", answer, remember=True)
            await eventually(partial(is_gone, number), "the answer arrives")
        host = await made.in_state("web", HostState.FAILED)
        assert host.problem is not None and host.problem.kind == "login-failed"
        await made.engine.restart("web")
        await user.asked("web")
        assert ssh.sent == ["one", "two", "three"], "nothing wrong is remembered"


async def test_a_host_key_is_shown_and_confirmed(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "key")
    async with attended(ssh.host("web")) as (made, user):
        prompt = await user.answer("web", "y")
        assert prompt.kind is PromptKind.YES_NO
        assert "SHA256:abc" in prompt.text
        await user.answer("web", "right")
        await made.ready()


async def test_the_use_of_a_key_is_confirmed(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "confirm")
    async with attended(ssh.host("web")) as (made, user):
        assert (await user.answer("web", "yes")).kind is PromptKind.CONFIRM
        await user.answer("web", "right")
        await made.ready()


async def test_what_fails_after_a_declined_confirmation_is_not_cancelled(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "confirm")
    async with attended(ssh.host("web")) as (made, user):
        await user.answer("web", "no")
        problem = (await made.in_state("web", HostState.BACKING_OFF)).problem
        assert problem is not None and problem.kind != "cancelled"


async def test_a_question_in_another_encoding_is_asked(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "latin-1")
    async with attended(ssh.host("web")) as (made, user):
        prompt = await user.answer("web", "anything")
        assert prompt.text == "(me@jump) Contrase\ufffda:"
        await user.answer("web", "right")
        await made.ready()


async def test_a_notice_goes_when_ssh_takes_it_back(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "touch")
    async with attended(ssh.host("web")) as (made, user):
        await eventually(lambda: user.prompts.shown, "a notice")
        assert [prompt.kind for prompt in user.prompts.shown] == [PromptKind.NOTICE]
        Path(f"{ssh.log}.touched").touch()
        assert (await user.answer("web", "right")).kind is PromptKind.SECRET
        await made.ready()


async def test_cancelling_fails_the_start_and_sends_nothing(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        assert user.prompts.cancel((await user.asked("web")).number)
        host = await made.in_state("web", HostState.FAILED)
        assert host.problem is not None
        assert (host.problem.kind, host.problem.message) == ("cancelled", "cancelled by the user")
        assert ssh.sent == [], "no empty password either"
        await made.engine.restart("web")
        await user.answer("web", "right")
        await made.ready()


async def test_nobody_is_asked_and_the_start_fails_at_once(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with mesh(local(), ssh.host("web"), timing=QUICK, wait=False) as made:
        host = await made.in_state("web", HostState.FAILED)
        assert host.problem is not None
        assert host.problem.kind == "nobody-to-ask"
        assert "me@jump's password" in host.problem.message
        assert "norouter attach" in host.problem.hint
        assert (ssh.sent, host.attempt) == ([], 1)


async def test_a_stop_withdraws_the_question_at_once(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        await user.asked("web")
        async with asyncio.timeout(4):  # less than the grace that a command has to end
            await made.engine.stop_host("web")
        assert user.prompts.shown == ()
        assert [x for x in made.events() if isinstance(x, QuestionEnded)]
        assert ssh.sent == []


async def test_one_answer_serves_all_hosts_behind_one_account(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(*(ssh.host(f"h{n}") for n in range(5))) as (made, user):
        made.engine.questions.prompts.shares = True
        await eventually(lambda: user.prompts.shown, "a question")
        (prompt,) = user.prompts.shown
        await user.answer(prompt.host, "right", remember=True)
        await made.ready()
        asked = [x for x in made.events() if isinstance(x, QuestionAsked)]
        assert [x.question for x in asked] == [prompt]
        assert ssh.sent == ["right"] * 5


async def test_a_wrong_answer_for_many_hosts_is_sent_once(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(*(ssh.host(f"h{n}") for n in range(4))) as (made, user):
        made.engine.questions.prompts.shares = True
        await eventually(lambda: user.prompts.shown, "a question")
        (first,) = user.prompts.shown
        await user.answer(first.host, "wrong", remember=True)
        await eventually(lambda: user.prompts.shown not in ((), (first,)), "it is asked again")
        assert ssh.sent == ["wrong"]


async def test_the_program_of_the_user_answers_if_nobody_else_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own askpass"
    own.write_text('#!/bin/sh\necho "$1" >"$0.asked"; echo right\n')
    own.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(own))
    ssh = FakeSsh.make(tmp_path / "bin")
    async with mesh(local(), ssh.host("web")):
        assert Path(f"{own}.asked").read_text() == "me@jump's password: \n"
    own.write_text("#!/bin/sh\nexit 1\n")
    async with mesh(local(), ssh.host("web"), wait=False) as made:
        host = await made.in_state("web", HostState.FAILED)
        assert host.problem is not None and host.problem.kind == "nobody-to-ask"
    assert ssh.sent == ["right"], "nothing empty follows"


async def test_a_command_run_on_a_host_asks_as_well(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        await user.answer("web", "right")
        await made.ready()
        output: list[bytes] = []
        running = asyncio.create_task(
            made.engine.exec("web", ["echo", "hello"], lambda _, data: output.append(data))
        )
        await user.answer("web", "right")
        assert await running == 0
        assert b"".join(output) == b"hello\n"


async def test_an_answer_to_a_command_run_on_a_host_can_be_remembered(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        await user.answer("web", "right")
        await made.ready()
        running = asyncio.create_task(made.engine.exec("web", ["false"], lambda *_: None))
        await user.answer("web", "right", remember=True)
        assert await running == 1, "the login was right, whatever the command reports"
        assert await made.engine.exec("web", ["true"], lambda *_: None) == 0
        assert ssh.sent == ["right"] * 3


async def test_a_wrong_answer_to_a_command_run_on_a_host_is_not_remembered(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (made, user):
        await user.answer("web", "right")
        await made.ready()
        ssh.path.write_text(ssh.path.read_text().replace("for try in 1 2 3;", "for try in 1;"))
        running = asyncio.create_task(made.engine.exec("web", ["true"], lambda *_: None))
        await user.answer("web", "wrong", remember=True)
        assert await running == 255
        assert user.prompts.forget() == 0


async def test_a_command_run_on_a_host_fails_if_its_question_gets_no_answer(
    tmp_path: Path,
) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with mesh(local(), ssh.host("web"), timing=QUICK, wait=False) as made:
        await made.in_state("web", HostState.FAILED)
        with pytest.raises(NotAnswered) as failed:
            await made.engine.exec("web", ["true"], lambda *_: None)
        assert failed.value.message.endswith("nobody is there to answer: me@jump's password")
        assert "`exec`" in failed.value.hint
        user = User(made.engine)
        with user.prompts.attend():
            running = asyncio.create_task(made.engine.exec("web", ["true"], lambda *_: None))
            assert user.prompts.cancel((await user.asked("web")).number)
            with pytest.raises(NotAnswered, match="cancelled by the user"):
                await running


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs procfs")
async def test_the_process_that_asks_shows_where_it_logs_in() -> None:
    sleep = shutil.which("sleep")
    with subprocess.Popen(["ssh", "1000"], executable=sleep) as process:
        try:
            # The kernel shows the words a moment after it has closed what `Popen` waits for.
            await eventually(lambda: _login_of(process.pid), "the words of the process")
            assert _login_of(process.pid) == "ssh 1000"
        finally:
            process.kill()
    assert _login_of(os.getpid()) == _login_of(-1) == ""


async def test_answers_are_nowhere_but_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "hunter-2-never-shown"
    ssh = FakeSsh.make(tmp_path / "bin", password=secret)
    async with attended(ssh.host("web")) as (made, user):
        await user.answer("web", secret, remember=True)
        await made.ready()
        events = [event.to_json() for event in made.events()]
        status = repr(made.engine.status())
        assert secret not in json.dumps(events) + status + caplog.text
        assert secret not in repr(user.prompts.__dict__) + repr(user.prompts._waiting)
        for child in children():
            assert secret not in " ".join(child.cmdline() + list(child.environ().values()))
    for directory in socket_directories():
        for path in directory.rglob("*") if directory.exists() else ():
            if path.is_file():
                assert secret not in path.read_text()


async def test_nothing_is_left_of_the_program_and_its_socket(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)

    def left() -> list[Path]:
        found = (x.glob(f"ask-{os.getpid()}-*") for x in socket_directories() if x.exists())
        return [path for paths in found for path in paths]

    async with attended(ssh.host("web")) as (_, user):
        await user.asked("web")
        (directory,) = left()
        assert directory.stat().st_mode & 0o777 == 0o700
    assert left() == []


async def test_what_talks_nonsense_at_the_socket_is_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with attended(ssh.host("web")) as (_, user):
        prompt = await user.asked("web")
        made = (x.glob(f"ask-{os.getpid()}-*/socket") for x in socket_directories())
        (path,) = [path for paths in made for path in paths]
        for line in (b"\xff\n", b"{}\n", b"[]\n", b"x" * 100_000):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(sock, str(path))
                with contextlib.suppress(OSError):
                    await loop.sock_sendall(sock, line)
                with contextlib.suppress(ConnectionResetError):
                    assert await loop.sock_recv(sock, 100) == b""
        assert user.prompts.shown == (prompt,)
        reasons = [record.getMessage() for record in caplog.records]
        assert sum(text.startswith("cannot read a question: ") for text in reasons) == 3
        assert "a question of more than 65536 bytes is refused" in reasons
