"""What strangers send, and what terminals do: nothing is interpreted, nothing falls."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.text import Text
from textual.events import Paste

from norouter_core.engine.events import Log
from norouter_core.engine.status import HostState
from norouter_core.model import HostSpec, MeshSpec, Route
from norouter_core.session.client import Snapshot
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.messages import EventsArrived, SnapshotArrived
from tests.output.statuses import host, listener, stream
from tests.tui import snapshots
from tests.tui.app_driver import shown, until
from tests.tui.canned_client import CannedClient

NAMES = (
    "\x1b[2J\x1b]0;title\x07",
    "[bold red]x[/] [@click=app.quit]y[/]",
    "\u202eevil\u202c",
    "שלום עולם",
    "日本語のホスト名" * 6,
    "e\u0301\u0301\u0301👩‍👩‍👧‍👦\ufe0f",
    "tab\tnew\nline\r\x00",
    "\ud800 half",
    "x" * 5000,
)


def _hostile(name: str) -> Snapshot:
    problem = replace(snapshots.DENIED, message=name, hint=name, stderr=(name,), command=name)
    hosts = [
        host(name, command=name, agent=name, problem=problem, state=state, retry_in=1.0)
        for state in (HostState.BACKING_OFF, HostState.FAILED)
    ]
    return snapshots.snapshot(
        of_hosts=hosts,
        of_streams=[stream(from_host=name, to_host=name, target=name, peer=name, listener=name)],
        of_listeners=[listener(name, to_host=name, listen=name, target=name, note=name, bound="")],
        mesh=MeshSpec((HostSpec("here", "127.0.42.1"),), (Route(name, (name,), (name,)),)),
    )


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_text_is_shown_and_not_obeyed(name: str) -> None:
    async def play() -> None:
        client = CannedClient()
        app = NorouterApp(client, client)
        async with app.run_test(size=(100, 30)) as pilot:
            app.post_message(SnapshotArrived(_hostile(name)))
            app.post_message(EventsArrived(Log(level="warning", host=name, text=name)))
            app.main.log_lines([Text(name.replace("\n", " "))])
            for key in ("enter", "2", "3", "4", "1"):
                await pilot.press(key)
                _assert_sound(app)
        assert app.error is None

    asyncio.run(play())


def _assert_sound(app: NorouterApp) -> None:
    """Every line is as wide as the screen, and nothing in it steers a terminal."""
    width, height = app.size
    strips = app.screen._compositor.render_strips(app.size)
    assert len(strips) == height
    for strip in strips:
        assert all(char.isprintable() for char in strip.text)
        assert cell_len(strip.text) == width
        assert not any(s.style and s.style.meta.get("@click") == "app.quit" for s in strip)


@pytest.mark.slow
def test_sizes_from_nothing_to_much_and_back() -> None:
    async def play() -> None:
        client = CannedClient()
        app = NorouterApp(client, client)
        async with app.run_test(size=(140, 45)) as pilot:
            app.post_message(SnapshotArrived(snapshots.snapshot(of_streams=snapshots.streams(300))))
            await pilot.press("1", "end", "enter")
            for size in ((40, 10), (1, 1), (80, 24), (12, 3), (300, 80), (40, 10), (140, 45)):
                await pilot.resize_terminal(*size)
                for key in ("tab", "pageup", "down", "5", "1"):
                    await pilot.press(key)
            assert "Streams 300" in shown(app)
        assert app.error is None

    asyncio.run(play())


def test_much_pasted_text_is_cut_and_costs_nothing() -> None:
    async def play() -> None:
        client = CannedClient()
        app = NorouterApp(client, client)
        async with app.run_test(size=(80, 24)) as pilot:
            app.post_message(SnapshotArrived(snapshots.snapshot()))
            for key in ("colon", "escape", "1", "slash"):
                await pilot.press(key)
                focused = app.focused
                assert focused is not None
                focused.post_message(Paste("host:web \x1b[31m" * 8000))
                await pilot.pause()
                _assert_sound(app)
            await until(pilot, lambda: app.main.query_one("#streams").display)
        assert app.error is None

    asyncio.run(play())
