"""Driving the app: waiting for what happens, reading what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget

from norouter_tui.screen.app import NorouterApp


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Lets the app run until `true()`; the test's own time limit ends a wait in vain."""
    while not true():
        assert pilot.app._exception is None
        assert getattr(pilot.app, "fault", None) is None, pilot.app
        await pilot.pause(0.02)


def shown(app: NorouterApp) -> str:
    """What is on the screen, as text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips(app.size)[:height]
    return "\n".join(strip.text[:width].rstrip() for strip in lines)


def text_of(app: NorouterApp, selector: str) -> str:
    """What one widget shows, as text; it need not be in sight of the user."""
    widget: Widget = app.main.query_one(selector)
    region = widget.region
    return "\n".join(
        line[region.x : region.right] for line in shown(app).split("\n")[region.y : region.bottom]
    )


def notes(app: NorouterApp) -> str:
    """What was told in passing."""
    return "\n".join(note.message for note in app._notifications)


def rows(app: NorouterApp, selector: str) -> list[Any]:
    """The rows of a list."""
    found: list[Any] = app.main.query_one(selector).rows  # type: ignore[attr-defined]  # a LineView
    return found
