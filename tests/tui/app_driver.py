"""Drives the app: waits for what happens, and reads what is on the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget

from norouter_tui.screen.app import NorouterApp


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Let the app run until `true()`; the time limit of the test ends a wait in vain."""
    while not true():
        assert pilot.app._exception is None
        assert getattr(pilot.app, "error", None) is None, pilot.app
        await pilot.pause(0.02)


def shown(app: NorouterApp) -> str:
    """Return the text on the screen."""
    width, height = app.size
    lines = app.screen._compositor.render_strips(app.size)[:height]
    return "\n".join(strip.text[:width].rstrip() for strip in lines)


def text_of(app: NorouterApp, selector: str) -> str:
    """Return the text of one widget, which another may cover."""
    widget: Widget = app.main.query_one(selector)
    region = widget.region
    return "\n".join(
        line[region.x : region.right] for line in shown(app).split("\n")[region.y : region.bottom]
    )


def notes(app: NorouterApp) -> str:
    """Return the texts of all notifications."""
    return "\n".join(note.message for note in app._notifications)


def rows(app: NorouterApp, selector: str) -> list[Any]:
    """Return the rows of a list."""
    found: list[Any] = app.main.query_one(selector).rows  # type: ignore[attr-defined]  # a LineView
    return found
