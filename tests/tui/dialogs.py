"""Dialogs over a mesh that stands still: opened by keys, looked at, closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Static

from norouter_core.session.client import DocumentState
from norouter_tui.screen.app import NorouterApp, Opening
from norouter_tui.screen.dialogs.form import Form
from tests.tui import dialog_states as scenes
from tests.tui import snapshots
from tests.tui.canned_client import CannedClient

Play = Callable[[NorouterApp, Pilot[None], CannedClient], Awaitable[None]]

NEW = DocumentState("", True, "port add web 9100", "")


def play_dialog(
    play: Play, keys: tuple[str, ...] = (), opening: Opening | None = None, **more: Any
) -> None:
    async def run() -> None:
        client = CannedClient(scenes.answer)
        client.known_hosts = scenes.KNOWN
        app = NorouterApp(client, client, opening=opening)
        snapshot = snapshots.snapshot(**more)
        client.spec = snapshot.spec
        async with app.run_test(size=(100, 36)) as pilot:
            await scenes.play(pilot, keys, snapshot)
            await play(app, pilot, client)

    asyncio.run(run())


async def press(pilot: Pilot[None], *keys: str) -> None:
    await scenes.press(pilot, keys)


def below(form: Form, key: str) -> str:
    return str(form.row(key).query_one(".below", Static).render())


def is_open(app: NorouterApp, kind: type[Form]) -> bool:
    return isinstance(app.screen, kind)


def is_closed(app: NorouterApp) -> bool:
    return app.screen is app.main
