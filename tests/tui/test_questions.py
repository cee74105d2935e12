"""The screen asks what the commands of hosts ask."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from norouter_core.commands.call import build_call
from norouter_core.control import RemoteClient, discover
from norouter_core.engine.status import HostState
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.document import Document
from norouter_tui.screen import asker
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.dialogs import asking
from norouter_tui.screen.dialogs.asking import AskDialog
from norouter_tui.screen.engine_thread import EngineThread
from tests.prompts.fake_ssh import FakeSsh
from tests.tui.app_driver import shown, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "REACTION_TIME", 0.01)
    monkeypatch.setattr(asking, "TYPING_PAUSE", 0.01)
    monkeypatch.setattr(asker, "TYPING_PAUSE", 0.0)


@asynccontextmanager
async def screen(ssh: FakeSsh) -> AsyncIterator[tuple[NorouterApp, Pilot[None]]]:
    """The screen of a mesh with one host, which asks."""
    net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
    host = HostSpec("web", f"{net}.2", (str(ssh.path), "web"))
    spec = MeshSpec((HostSpec("local", f"{net}.1"), host))
    thread = EngineThread(Document.empty(spec), autosave=None)
    app = NorouterApp(thread, thread)
    async with app.run_test(size=(100, 30)) as pilot:
        yield app, pilot
        app.interrupt()
        await until(pilot, lambda: app._exit)
    assert thread.join(5)
    assert app.error is None


def state(app: NorouterApp) -> HostState | None:
    snapshot = app.main.snapshot
    hosts = snapshot.status.hosts if snapshot else ()
    return next((host.state for host in hosts if host.name == "web"), None)


def problem(app: NorouterApp) -> str:
    snapshot = app.main.snapshot
    found = (
        next(host.problem for host in snapshot.status.hosts if host.name == "web")
        if (snapshot)
        else None
    )
    return found.kind if found is not None else ""


async def asked(app: NorouterApp, pilot: Pilot[None], part: str) -> AskDialog:
    """Wait until a question is shown and takes keys."""

    def is_open() -> bool:
        dialog = app.screen
        return isinstance(dialog, AskDialog) and part in shown(app) and dialog._is_open

    await until(pilot, is_open)
    assert isinstance(app.screen, AskDialog)
    return app.screen


async def test_a_password_is_asked_for_in_a_dialog(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        dialog = await asked(app, pilot, "me@jump's password:")
        assert "web asks" in shown(app)
        await pilot.press("enter")  # nothing is not an answer
        await pilot.press(*"right")
        assert dialog.query_one(Input).value == "right" and "right" not in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: state(app) is HostState.READY)
        assert app.screen is app.main
        assert ssh.sent == ["right"]


async def test_giving_up_fails_the_host(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        await asked(app, pilot, "me@jump's password:")
        await pilot.press("escape")
        await until(pilot, lambda: problem(app) == "cancelled")
        assert ssh.sent == []


async def test_a_wrong_answer_is_asked_again_and_a_right_one_remembered(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        await asked(app, pilot, "me@jump's password:")
        await pilot.press("x", "enter")
        await asked(app, pilot, "asks again")
        await pilot.press(*"right", "ctrl+r")
        assert "[x] remember until norouter ends" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: state(app) is HostState.READY)
        app.run_call(build_call("host restart", host="web"))
        await until(pilot, lambda: len(ssh.sent) == 3 and state(app) is HostState.READY)
        assert ssh.sent == ["x", "right", "right"]


async def test_a_host_key_is_shown_in_full_and_confirmed(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "key")
    async with screen(ssh) as (app, pilot):
        dialog = await asked(app, pilot, "(yes/no/[fingerprint])?")
        assert "ED25519 key fingerprint is SHA256:abc." in shown(app)
        assert not dialog.query_one(Input).password
        await pilot.press(*"yes", "enter")
        await asked(app, pilot, "me@jump's password:")
        await pilot.press(*"right", "enter")
        await until(pilot, lambda: state(app) is HostState.READY)


async def test_a_notice_goes_when_ssh_takes_it_back(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path, "touch")
    async with screen(ssh) as (app, pilot):
        await asked(app, pilot, "Confirm user presence")
        Path(f"{ssh.log}.touched").touch()
        await asked(app, pilot, "me@jump's password:")


async def test_a_question_goes_when_another_front_end_answers(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        await asked(app, pilot, "me@jump's password:")
        (mesh,) = [mesh for mesh in await discover() if mesh.pid == os.getpid()]
        async with RemoteClient(mesh.path) as remote:
            (prompt,) = await anext(remote.questions())
            assert await remote.answer(prompt.number, "right")
        await until(pilot, lambda: app.screen is app.main)
        await until(pilot, lambda: state(app) is HostState.READY)


async def test_a_question_that_is_covered_goes_with_what_covers_it(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        dialog = await asked(app, pilot, "me@jump's password:")
        app.action_keys()
        await until(pilot, lambda: app.screen is not dialog)
        dialog.withdraw()
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_a_question_waits_while_a_command_is_typed(tmp_path: Path) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        await asked(app, pilot, "me@jump's password:")
        await pilot.press(*"right", "enter")
        await until(pilot, lambda: state(app) is HostState.READY)
        await pilot.press("colon", *"hosts")
        app.run_call(build_call("host restart", host="web"))
        await until(pilot, lambda: any("has a question" in n.message for n in app._notifications))
        await pilot.press("x")
        assert app.screen is app.main
        assert app.main.command_line.field.value == "hostsx"
        await pilot.press("escape")
        await asked(app, pilot, "me@jump's password:")
        await pilot.press(*"right", "enter")
        await until(pilot, lambda: ssh.sent == ["right", "right"])


async def test_a_question_waits_for_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        await asked(app, pilot, "me@jump's password:")
        monkeypatch.setattr(asker, "TYPING_PAUSE", 3600.0)
        await pilot.press("x", "enter")
        await until(pilot, lambda: ssh.sent == ["x"] and app.screen is app.main)
        await pilot.pause(0.1)
        assert app.screen is app.main
        monkeypatch.setattr(asker, "TYPING_PAUSE", 0.0)
        await asked(app, pilot, "me@jump's password:")


async def test_keys_that_came_too_soon_answer_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "REACTION_TIME", 3600)
    monkeypatch.setattr(asking, "TYPING_PAUSE", 3600)
    ssh = FakeSsh.make(tmp_path)
    async with screen(ssh) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press(*"xy", "enter", "escape")
        dialog = app.screen
        assert isinstance(dialog, AskDialog)
        assert dialog.query_one(Input).value == ""
        dialog._open()
        await pilot.press(*"right", "enter")
        await until(pilot, lambda: state(app) is HostState.READY)
        assert ssh.sent == ["right"]
