"""Lines that are told between the prompts."""

from __future__ import annotations

import asyncio

import pytest
from rich.text import Text

from norouter_core.session.client import DocumentState, Rate, Summary
from norouter_tui.repl.prompt import toolbar
from norouter_tui.repl.terminal import MAX_NOTICES, Notices
from tests.servers import eventually

pytestmark = pytest.mark.anyio


async def test_a_flood_is_summed_up_and_the_latest_lines_are_shown() -> None:
    shown: list[list[str]] = []

    async def show(lines: list[Text]) -> None:
        shown.append([line.plain for line in lines])

    news = Notices(show, pause=0.01)
    for number in range(1000):
        news.put(Text(f"line {number}"))
    task = asyncio.create_task(news.run())
    await eventually(lambda: shown, "something is shown")
    assert len(shown[0]) == MAX_NOTICES + 1
    assert shown[0][0].startswith(f"... {1000 - MAX_NOTICES} lines left out")
    assert shown[0][-1] == "line 999"
    news.put(Text("one more"))
    await eventually(lambda: shown[1:] == [["one more"]], "the next line is shown")
    task.cancel()
    await asyncio.wait([task])


def totals(width: int, **document: object) -> str:
    summary = Summary(
        DocumentState(**document),  # type: ignore[arg-type]  # its own keywords
        hosts=3, ready=2, failed=1, streams=4, rate=Rate(2048.0, 3.0),
    )  # fmt: skip
    return "".join(text for _, text, *_ in toolbar(summary, width))


def test_the_toolbar_tells_what_fits() -> None:
    full = totals(200, path="/x/mesh\x1b.yaml", unsaved=True, undo="host add web")
    assert full == (
        " mesh\\x1b.yaml, unsaved | 2/3 hosts ready | 1 failed | 4 streams"
        " | sent 2.0 KiB/s received 3 B/s | undo: host add web"
    )
    for width in range(1, 130):
        assert len(totals(width, path="mesh.yaml")) < width or not totals(width, path="mesh.yaml")
    assert totals(40) == " no file | 2/3 hosts ready | 1 failed"
