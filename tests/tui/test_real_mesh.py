"""The screen on a real mesh: an engine in its thread, hosts behind commands, clients on sockets."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.text import Text
from textual.pilot import Pilot

from norouter_core.commands.call import build_call
from norouter_core.engine.status import HostState
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_tui.exit_codes import ExitCode
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.engine_thread import EngineThread
from tests.tui.app_driver import notes, rows, shown, until


def _mesh(target: int) -> MeshSpec:
    net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
    options = HostOptions(ports=(Forward(18080, "127.0.0.1", target),))
    here = HostSpec("local", f"{net}.1", options=HostOptions(loopback=False))
    return MeshSpec((here, HostSpec("web", f"{net}.2", ("env",), options=options)))


def _app(spec: MeshSpec, notes: list[Text] | None = None) -> tuple[NorouterApp, EngineThread]:
    thread = EngineThread(Document.empty(spec), autosave=None)
    return NorouterApp(thread, thread, notes or ()), thread


def _state(app: NorouterApp, name: str) -> HostState | None:
    snapshot = app.main.snapshot
    hosts = snapshot.status.hosts if snapshot else ()
    return next((host.state for host in hosts if host.name == name), None)


def _bound(app: NorouterApp) -> str:
    snapshot = app.main.snapshot
    listeners = snapshot.status.listeners if snapshot else ()
    found = (x.bound for x in listeners if x.service == "port" and x.state == "bound")
    return next(found, "")


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await reader.read()
    writer.close()


Play = Callable[[NorouterApp, Pilot[None]], Awaitable[None]]


async def _on_a_mesh(play: Play) -> None:
    server = await asyncio.start_server(_greet, "127.0.0.1", 0)
    async with server:
        app, thread = _app(_mesh(server.sockets[0].getsockname()[1]))
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: _state(app, "web") is HostState.READY)
            await play(app, pilot)
            app.interrupt()
            await until(pilot, lambda: app._exit)
        assert thread.join(5)
    assert app.error is None
    assert app.return_code == ExitCode.OK


def test_a_stream_is_shown_and_killed() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: bool(_bound(app)))
        address, _, port = _bound(app).rpartition(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        assert await reader.readexactly(5) == b"hello"
        await until(pilot, lambda: len(rows(app, "#streams-grid")) == 1)
        await pilot.press("1", "x", "n")
        await until(pilot, lambda: app.screen is app.main)
        assert len(rows(app, "#streams-grid")) == 1
        await pilot.press("x", "y")
        await until(pilot, lambda: "killed" in notes(app))
        await until(pilot, lambda: not rows(app, "#streams-grid"))
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()

    asyncio.run(_on_a_mesh(play))


def test_a_host_is_reconnected_and_the_log_tells_of_it() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None]) -> None:
        await pilot.press("down", "r")
        await pilot.press("4")
        await until(pilot, lambda: shown(app).count("host web ready") == 2)

    asyncio.run(_on_a_mesh(play))


def test_a_command_changes_the_mesh_and_undo_takes_it_back() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None]) -> None:
        await pilot.press("2", "colon", *"port add web 1", "enter")
        await until(pilot, lambda: ":1 " in shown(app) and "unsaved" in shown(app))
        await pilot.press("u")
        await until(pilot, lambda: "unsaved" not in shown(app))

    asyncio.run(_on_a_mesh(play))


def test_an_empty_mesh_opens_refuses_kindly_and_quits() -> None:
    async def play() -> None:
        app, thread = _app(MeshSpec(), [Text("a warning of the manifest")])
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.main.snapshot is not None)
            assert "No hosts yet" in shown(app)
            await pilot.press("r", "x")
            await until(pilot, lambda: "no host here" in notes(app))
            await pilot.press("4")
            await until(pilot, lambda: "a warning of the manifest" in shown(app))
            await pilot.press("ctrl+c")
            await until(pilot, lambda: app._exit)
        assert thread.join(5)
        assert app.return_code == ExitCode.OK

    asyncio.run(play())


def test_a_fault_of_the_engine_ends_the_screen_with_it() -> None:
    async def play() -> None:
        app, thread = _app(MeshSpec())

        async def fail(self: EngineThread, engine: object, *, task_status: object) -> None:
            raise RuntimeError("a fault in the thread")

        thread._host._observe = fail.__get__(thread)
        async with app.run_test(size=(80, 24)) as pilot:
            while not app._exit:
                await pilot.pause(0.02)
        assert thread.join(5)
        assert "a fault in the thread" in str(getattr(thread.error, "exceptions", thread.error))
        assert app.return_code == ExitCode.INTERNAL

    asyncio.run(play())


def test_the_mesh_is_saved(tmp_path: Path) -> None:
    async def play() -> None:
        file = tmp_path / "mesh.yaml"
        thread = EngineThread(Document(str(file), MeshSpec(), None), autosave=None)
        app = NorouterApp(thread, thread)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.main.snapshot is not None)
            app.main.action_command("host add here --vip 127.0.42.9")
            await pilot.press("enter")
            await until(pilot, lambda: "unsaved" in shown(app))
            await pilot.press("s")
            await until(pilot, file.exists)
            app.interrupt()
            await until(pilot, lambda: app._exit)
        assert thread.join(5)
        assert "127.0.42.9" in file.read_text()

    asyncio.run(play())


@pytest.mark.parametrize(("options", "kept"), [({}, True), ({"discard": True}, False)])
def test_the_end_says_what_became_of_unsaved_work(
    options: dict[str, bool], kept: bool, tmp_path: Path
) -> None:
    autosave = Autosave(tmp_path / "autosave")

    async def play() -> None:
        thread = EngineThread(Document.empty(_mesh(9)), autosave=autosave)
        app = NorouterApp(thread, thread)
        async with app.run_test() as pilot:
            changed = await thread.run(
                build_call("host rm", host="web"), lambda _: None, confirmed=True
            )
            assert changed.changed
            assert (
                await thread.run(build_call("quit", **options), lambda _: None, confirmed=True)
            ).ended
            app.interrupt()
            await until(pilot, lambda: app._exit)
        assert thread.join(5)
        assert thread.has_kept_work is kept

    asyncio.run(play())
    assert bool(list(autosave.directory.glob("*.json"))) is kept
