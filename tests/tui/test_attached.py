"""The screen attached to a mesh that runs elsewhere: it watches, edits, detaches, comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from norouter_core.commands.call import build_call
from norouter_core.control import RunningMesh, discover
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec
from norouter_core.session.document import Document
from norouter_tui.exit_codes import ExitCode
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.attachment import Attachment
from norouter_tui.screen.dialogs.questions import Answers
from norouter_tui.screen.engine_thread import EngineThread
from norouter_tui.screen.flows import LeaveQuestion
from norouter_tui.screen.messages import EventsArrived, MeshFound, MeshLost, SnapshotArrived
from norouter_tui.screen.widgets.header import TotalsBar
from tests.tui import snapshots
from tests.tui.app_driver import notes, rows, shown, until
from tests.tui.canned_client import CannedClient

Play = Callable[[NorouterApp, Pilot[None], "Mesh"], Awaitable[None]]


@pytest.fixture(autouse=True)
def _own_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


class Mesh:
    """A mesh with a control socket; it can end and start again."""

    def __init__(self, file: Path) -> None:
        net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
        options = HostOptions(ports=(Forward(18080, "127.0.0.1", 9),), loopback=False)
        here = HostSpec("local", f"{net}.1")
        self.spec = MeshSpec((here, HostSpec("web", f"{net}.2", ("env",), options=options)))
        self.file = file
        self.thread: EngineThread

    async def start(self) -> RunningMesh:
        """Start the mesh; return it once its socket answers."""
        self.thread = EngineThread(Document(str(self.file), self.spec, None), autosave=None)
        self.thread.start(lambda message: None)
        while True:
            for mesh in await discover():
                if mesh.summary is not None:
                    return mesh
            await asyncio.sleep(0.02)

    @property
    def is_running(self) -> bool:
        return not self.thread.join(0)

    async def run(self, verb: str, **values: Any) -> None:
        """Run a command in the mesh, as another front end does."""
        outcome = await self.thread.run(build_call(verb, **values), lambda _: None, confirmed=True)
        assert outcome.ok, outcome

    async def stop(self) -> None:
        self.thread.leave()
        assert await asyncio.to_thread(self.thread.join, 10)


def _play_attached(tmp_path: Path, play: Play) -> NorouterApp:
    async def run() -> NorouterApp:
        mesh = Mesh(tmp_path / "shop.yaml")
        attachment = Attachment(await mesh.start(), retry_interval=0.05)
        app = NorouterApp(attachment, attachment)
        try:
            async with app.run_test(size=(120, 36)) as pilot:
                await until(pilot, lambda: app.main.snapshot is not None)
                await play(app, pilot, mesh)
        finally:
            await mesh.stop()
        assert app.error is None
        return app

    return asyncio.run(run())


def test_an_attached_screen_edits_saves_and_undoes_and_sees_the_edits_of_others(
    tmp_path: Path,
) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        assert "attached to shop" in shown(app)
        await pilot.press("2", "colon", *"port add web 1", "enter")
        await until(pilot, lambda: ":1 " in shown(app) and "unsaved" in shown(app))
        await pilot.press("u")
        await until(pilot, lambda: ":1 " not in shown(app))
        await mesh.run("route add", via="web", target="*.internal")
        await pilot.press("3")
        await until(pilot, lambda: "*.internal" in shown(app))
        await pilot.press("s")
        await until(pilot, mesh.file.exists)
        await until(pilot, lambda: "unsaved" not in shown(app))
        await pilot.press("4")
        await until(pilot, lambda: "saved" in shown(app))

    _play_attached(tmp_path, play)


def test_forms_preview_and_streams_are_shown_and_killed_from_afar(tmp_path: Path) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionResetError):
                writer.write(await reader.read(5))
                await reader.read()
            writer.close()

        async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await pilot.press("2", "a", *"18081", "tab", *str(port))
            await until(pilot, lambda: "web publishes" in shown(app))
            await pilot.press("enter")
            address = f"{mesh.spec.hosts[1].vip}:18081"
            await until(pilot, lambda: address in shown(app) and "● here" in shown(app))
            reader, writer = await _connect(address)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            await pilot.press("1")
            await until(pilot, lambda: len(rows(app, "#streams-grid")) == 1)
            await pilot.press("t")
            await until(pilot, lambda: "received" in shown(app))
            writer.write(b"and more")
            await until(pilot, lambda: "and more" in shown(app))
            await pilot.press("escape", "x", "y")
            await until(pilot, lambda: not rows(app, "#streams-grid"))
            writer.close()

    _play_attached(tmp_path, play)


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize(("key", "runs_on"), [("d", True), ("s", False)])
def test_quitting_detaches_or_stops_the_mesh(tmp_path: Path, key: str, runs_on: bool) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, LeaveQuestion))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, LeaveQuestion))
        await pilot.press(key)
        await until(pilot, lambda: app._exit)
        if runs_on:
            assert (await mesh.thread.summary()).hosts == 2
        else:
            assert await asyncio.to_thread(mesh.thread.join, 10)

    app = _play_attached(tmp_path, play)
    assert app.return_code == ExitCode.OK
    assert app.runner.has_ended_session is not runs_on


def test_stopping_asks_about_unsaved_changes(tmp_path: Path) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        await mesh.run("port add", host="web", spec="1")
        await until(pilot, lambda: "unsaved" in shown(app))
        await pilot.press("q", "s")
        await until(pilot, lambda: "There are unsaved changes" in shown(app))
        assert isinstance(app.screen, Answers)
        await pilot.press("s")
        await until(pilot, lambda: app._exit)
        assert "1:localhost:1" in mesh.file.read_text()

    _play_attached(tmp_path, play)


def test_a_mesh_that_restarts_is_attached_again(tmp_path: Path) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        await mesh.stop()
        await until(pilot, lambda: "not running; waiting" in shown(app))
        await pilot.press("u")
        await until(pilot, lambda: "shop is not running" in notes(app))
        mesh.spec = MeshSpec(mesh.spec.hosts[:1])
        await mesh.start()
        await until(pilot, lambda: "attached again" in notes(app))
        await until(pilot, lambda: "1/1 ready" in shown(app))
        assert "not running; waiting" not in shown(app)
        await pilot.press("2", "colon", *"host add two --vip 127.0.42.8 -- env", "enter")
        await until(pilot, lambda: "2/2 ready" in shown(app))

    _play_attached(tmp_path, play)


def test_nothing_is_asked_when_the_mesh_has_gone_for_good(tmp_path: Path) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        await mesh.stop()
        await until(pilot, lambda: "not running; waiting" in shown(app))
        await pilot.press("q")
        await until(pilot, lambda: app._exit)

    assert _play_attached(tmp_path, play).return_code == ExitCode.OK


def test_a_signal_detaches(tmp_path: Path) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], mesh: Mesh) -> None:
        app.interrupt()
        await until(pilot, lambda: app._exit)
        assert mesh.is_running

    _play_attached(tmp_path, play)


@pytest.mark.anyio
async def test_news_that_arrives_while_the_screen_closes_is_dropped() -> None:
    client = CannedClient(attached_to="mesh")
    app = NorouterApp(client, client, opening=None)

    def news() -> None:
        app._mesh_lost(MeshLost("it has ended"))
        app._mesh_found(MeshFound("attached again"))
        app._events_arrived(EventsArrived())
        app._snapshot_arrived(SnapshotArrived(snapshots.snapshot()))

    async with app.run_test():
        await app.main.query_one(TotalsBar).remove()
        news()  # while the widgets are taken down
    assert app.screen_stack == []  # as it is for messages that are still queued then
    news()
    assert app.error is None
