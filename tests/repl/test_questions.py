"""The REPL asks what the commands of hosts ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.history import InMemoryHistory

from norouter_core.control import ControlServer, RemoteClient
from norouter_core.session.session import Session
from norouter_tui.repl import asker
from tests.engine.meshes import vip
from tests.prompts.fake_ssh import FakeSsh
from tests.repl.repl_driver import CTRL_C, ENTER, drive_client, drive_repl
from tests.servers import eventually

pytestmark = pytest.mark.anyio

CTRL_R = "\x12"


@pytest.fixture(autouse=True)
def quick_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker, "REACTION_TIME", 0.0)
    monkeypatch.setattr(asker, "TYPING_PAUSE", 0.0)


def add(ssh: FakeSsh, name: str = "web") -> str:
    return f"host add {name} --vip {vip()} -- {ssh.path} {name}{ENTER}"


async def test_a_password_is_asked_above_the_prompt(tmp_path: Path) -> None:
    ssh, history = FakeSsh.make(tmp_path), InMemoryHistory()
    async with drive_repl(history=history) as at:
        at.type(add(ssh))
        await at.shows("web asks: me@jump's password:")
        at.type("right" + ENTER)
        await at.shows("host web ready")
        assert "right" not in at.text, "it is masked"
        assert "rates" not in at.text
        await at.says("hosts", "ready")
        assert "right" not in "".join(history.get_strings())
        assert ssh.sent == ["right"]


async def test_a_question_waits_while_a_command_is_typed(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        at.type(add(ssh))
        at.type("host")
        await at.shows("web has a question, which waits")
        assert at.repl._asker._app is None
        await at.says("s", "local")
        await at.shows("web asks: me@jump's password:")
        at.type("right" + ENTER)
        await at.shows("host web ready")
        assert ssh.sent == ["right"]


async def test_a_question_waits_for_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asker, "TYPING_PAUSE", 3600.0)
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        at.type(add(ssh))
        await eventually(lambda: at.repl._asker._free.locked(), "there is a question")
        await at.says("hosts", "local")
        assert at.repl._asker._app is None
        monkeypatch.setattr(asker, "TYPING_PAUSE", 0.0)
        await at.shows("web asks: me@jump's password:")
        at.type("right" + ENTER)
        await at.shows("host web ready")


async def test_keys_that_came_too_soon_answer_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asker, "REACTION_TIME", 3600.0)
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        at.type(add(ssh))
        await at.shows("web asks: me@jump's password:")
        app = at.repl._asker._app
        assert app is not None
        pressed: list[object] = []
        app.key_processor.after_key_press += pressed.append
        at.type("hosts" + ENTER)
        await eventually(lambda: len(pressed) >= 6, "all keys have come")
        monkeypatch.setattr(asker, "REACTION_TIME", 0.0)
        at.type("right" + ENTER)
        await at.shows("host web ready")
        assert ssh.sent == ["right"]


async def test_giving_up_fails_the_host(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        at.type(add(ssh))
        await at.shows("web asks: me@jump's password:")
        at.type(ENTER)  # an empty answer is none
        at.type(CTRL_C)
        await at.shows("cancelled by the user")
        assert ssh.sent == []
        await at.says("host rm web", "removed")


async def test_an_answer_is_remembered_for_a_restart(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        at.type(add(ssh))
        await at.shows("web asks: me@jump's password:")
        at.type(CTRL_R)
        await at.shows("remember until norouter ends: yes")
        at.type("right" + ENTER)
        await at.shows("host web ready")
        at.type("host restart web" + ENTER)
        await at.shows("host web ready")
        assert ssh.sent == ["right", "right"]


async def test_a_question_goes_when_its_host_does(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        at.type(add(ssh))
        await at.shows("web asks: me@jump's password:")
        assert isinstance(at.client, Session)
        await at.client.engine.stop_host("web")
        await at.shows("no longer asked")
        await at.says("hosts", "stopped")


async def test_an_attached_repl_answers_as_well(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with drive_repl() as at:
        assert isinstance(at.client, Session)
        async with ControlServer(at.client) as server:
            async with RemoteClient(server.path) as remote, drive_client(remote) as other:
                other.type(add(ssh))
                await other.shows("web asks: me@jump's password:")
                await at.shows("web asks: me@jump's password:")
                other.type("right" + ENTER)
                await other.shows("host web ready")
                await at.shows("no longer asked")
                assert ssh.sent == ["right"]


async def test_a_host_key_is_shown_in_full(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "key")
    async with drive_repl() as at:
        at.type(add(ssh))
        await at.shows("The authenticity of host 'web (10.0.0.1)' can't be established.")
        await at.shows("(yes/no/[fingerprint])?")
        at.type("yes" + ENTER)
        await at.shows("web asks: me@jump's password:")
        at.type("right" + ENTER)
        await at.shows("host web ready")
