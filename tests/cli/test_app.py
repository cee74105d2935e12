"""The full screen, driven key by key on a real mesh."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import HelpPanel, RichLog

from norouter_core.engine.status import Status
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec
from norouter_tui.fullscreen import MeshApp
from norouter_tui.tables import Grid, host_rows, port_rows, stream_rows
from tests.cli.values import host, listener, stream


def _mesh(target: int) -> MeshSpec:
    net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
    options = HostOptions(ports=(Forward(18080, "127.0.0.1", target),))
    here = HostSpec("local", f"{net}.1")
    return MeshSpec((here, HostSpec("web", f"{net}.2", ("env",), options=options)))


async def _until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Lets the app run until `true()`; the test's own time limit ends a wait in vain."""
    while not true():
        assert pilot.app._exception is None
        await pilot.pause(0.05)


def _state(app: MeshApp, name: str) -> str:
    status = app._engine.status() if app._engine else None
    return next((h.state.value for h in status.hosts if h.name == name), "") if status else ""


def _bound(app: MeshApp) -> str:
    listeners = app._engine.status().listeners if app._engine else ()
    return next((x.bound for x in listeners if x.state == "bound" and x.on_host == "web"), "")


def _cells(app: MeshApp, grid: str) -> str:
    table = app.query_one(f"#{grid}", Grid)
    rows = (table.get_row_at(i) for i in range(table.row_count))
    return "\n".join(" | ".join(str(cell) for cell in row) for row in rows)


def _notes(app: MeshApp) -> str:
    return "\n".join(note.message for note in app._notifications)


def _log(app: MeshApp) -> str:
    return "\n".join(strip.text for strip in app.query_one(RichLog).lines)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await reader.read()
    writer.close()


async def _on_a_mesh(play: Callable[[MeshApp, Pilot[None]], Awaitable[None]]) -> None:
    server = await asyncio.start_server(_greet, "127.0.0.1", 0)
    async with server:
        app = MeshApp(_mesh(server.sockets[0].getsockname()[1]), "mesh.yaml")
        async with app.run_test(size=(140, 40)) as pilot:
            await _until(pilot, lambda: "● ready" in _cells(app, "hosts").partition("web")[0])
            await _until(pilot, lambda: _state(app, "web") == "ready")
            await play(app, pilot)
            await pilot.press("q")
            await _until(pilot, lambda: app._engine is None)
    assert app.fault is None


def test_a_stream_is_shown_and_killed() -> None:
    async def play(app: MeshApp, pilot: Pilot[None]) -> None:
        await _until(pilot, lambda: bool(_bound(app)))
        address, _, port = _bound(app).rpartition(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        assert await reader.readexactly(5) == b"hello"
        await _until(pilot, lambda: "5 B" in _cells(app, "streams"))
        await pilot.press("x", "n")
        await pilot.press("x", "y")
        await _until(pilot, lambda: _cells(app, "streams") == "")
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()

    asyncio.run(_on_a_mesh(play))


def test_a_host_is_reconnected() -> None:
    async def play(app: MeshApp, pilot: Pilot[None]) -> None:
        app.query_one("#hosts", Grid).move_cursor(row=1)
        ready = _log(app).count("host web ready")
        await pilot.press("r")
        await _until(pilot, lambda: _log(app).count("host web ready") > ready)
        await _until(pilot, lambda: _state(app, "web") == "ready")

    asyncio.run(_on_a_mesh(play))


def test_this_machine_has_nothing_to_reconnect_and_the_keys_are_shown() -> None:
    async def play(app: MeshApp, pilot: Pilot[None]) -> None:
        app.query_one("#hosts", Grid).move_cursor(row=0)
        await pilot.press("r")
        await _until(pilot, lambda: "is this machine" in _notes(app))
        assert _state(app, "local") == "ready"
        await pilot.press("question_mark")
        await _until(pilot, lambda: bool(app.screen.query(HelpPanel)))
        await pilot.press("question_mark")
        await _until(pilot, lambda: not app.screen.query(HelpPanel))

    asyncio.run(_on_a_mesh(play))


def test_100_columns_show_what_matters() -> None:
    async def play(app: MeshApp, pilot: Pilot[None]) -> None:
        await pilot.resize_terminal(100, 30)
        await _until(pilot, lambda: "bound" in _cells(app, "ports"))
        for grid, column in (("ports", "State"), ("streams", "Age")):
            table = app.query_one(f"#{grid}", Grid)
            shown = list(table.ordered_columns)
            names = [str(each.label) for each in shown]
            wide = sum(each.get_render_width(table) for each in shown[: names.index(column)])
            assert wide < 90

    asyncio.run(_on_a_mesh(play))


def test_ctrl_c_quits() -> None:
    async def play() -> None:
        app = MeshApp(MeshSpec(), notes=[Text("a warning of the manifest")])
        async with app.run_test(size=(140, 40)) as pilot:
            await _until(pilot, lambda: app._engine is not None)
            assert "a warning of the manifest" in _log(app)
            assert "norouter-tui mesh.yaml" in _log(app)
            await pilot.press("ctrl+c")
            await _until(pilot, lambda: app._engine is None)
        assert app.return_code == 0

    asyncio.run(play())


def test_an_empty_mesh_opens_refuses_kindly_and_quits() -> None:
    async def play() -> None:
        app = MeshApp(MeshSpec())
        async with app.run_test() as pilot:
            await _until(pilot, lambda: app._engine is not None)
            await pilot.press("r", "x")
            await pilot.press("q")
            await _until(pilot, lambda: app._engine is None)
        assert app.fault is None
        assert app.return_code == 0

    asyncio.run(play())


def test_rows_escape_hostile_text_and_show_state_in_words() -> None:
    hostile = "\x1b[2J[bold]"
    status = Status(
        hosts=(host(hostile, command=hostile),),
        listeners=(listener(note=hostile),),
        streams=(stream(peer=hostile),),
        opened_total=1,
        bytes_total=0,
    )
    rows = [*host_rows(status).values(), *port_rows(status).values(), *stream_rows(status).values()]
    cells = [cell for row in rows for cell in row]
    assert all(isinstance(cell, Text) and cell.plain.isprintable() for cell in cells)
    assert sum("\\x1b[2J[bold]" in cell.plain for cell in cells) == 4
    assert rows[0][0].plain == "● ready"
    assert rows[1][-1].plain.startswith("● bound: ")
