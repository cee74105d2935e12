"""Dialogs and the demo on a mesh that runs: an engine in its thread, hosts behind commands."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from pathlib import Path

import psutil
import pytest

from norouter_core.commands.edits import new_mesh
from norouter_core.engine.status import HostState
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.document import Document
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.dialogs.connecting import Connecting
from norouter_tui.screen.engine_thread import EngineThread
from tests.tui.app_driver import shown, until
from tests.tui.dialog_states import press


def _states(app: NorouterApp) -> list[HostState]:
    snapshot = app.main.snapshot
    return [host.state for host in snapshot.status.hosts] if snapshot else []


def test_the_demo_mesh_comes_up_with_traffic_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def play() -> None:
        thread = EngineThread(Document.empty(new_mesh()), autosave=None)
        app = NorouterApp(thread, thread, opening="demo")
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: _states(app) == [HostState.READY] * 4)
            assert os.listdir(tmp_path)
            await until(pilot, lambda: bool(app.main.snapshot and app.main.snapshot.status.streams))
            assert app.main.snapshot is not None and app.main.snapshot.document.unsaved
            # Nothing of it is worth to be saved, so nobody is asked.
            await pilot.press("q")
            await until(pilot, lambda: app._exit)
        assert thread.join(10)
        assert app.error is None

    asyncio.run(play())
    assert not os.listdir(tmp_path)
    assert not psutil.Process().children(recursive=True)


def test_a_host_is_added_gets_a_port_and_one_undo_takes_that_back() -> None:
    net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"

    async def play() -> None:
        document = Document.empty(MeshSpec((HostSpec("local", f"{net}.1"),)))
        thread = EngineThread(document, autosave=None)
        app = NorouterApp(thread, thread)
        async with app.run_test(size=(100, 36)) as pilot:
            await until(pilot, lambda: app.main.snapshot is not None)
            await press(pilot, ("a", "=env", "tab", "=web", "tab", f"={net}.2", "enter"))
            await until(pilot, lambda: isinstance(app.screen, Connecting))
            await until(pilot, lambda: "✓ ready: Python" in shown(app))
            await press(pilot, ("p", "=18080", "enter"))
            await until(pilot, lambda: app.screen is app.main)
            await press(pilot, ("2", "down"))
            await until(pilot, lambda: f"{net}.2:18080" in shown(app))
            await press(pilot, ("g", "e", "tab", "home", "ctrl+k", "=18090", "enter"))
            await until(pilot, lambda: f"{net}.2:18090" in shown(app))
            await press(pilot, ("u",))
            await until(pilot, lambda: f"{net}.2:18080" in shown(app))
            app.interrupt()
            await until(pilot, lambda: app._exit)
        assert thread.join(10)
        assert app.error is None

    asyncio.run(play())
