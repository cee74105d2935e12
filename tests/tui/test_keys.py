"""Key by key on fixed snapshots: what each key does, and which command line it becomes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from norouter_core.commands import parser, tokenizer
from norouter_core.commands.call import Call
from norouter_core.commands.results import Bytes, Completion, Emit, Failure, Outcome, Question
from norouter_core.engine.tap import SENT
from norouter_core.session.client import Snapshot
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.dialogs.help import HelpScreen
from norouter_tui.screen.dialogs.output import OutputScreen
from norouter_tui.screen.dialogs.questions import Answers, Confirm
from norouter_tui.screen.dialogs.tap import TapScreen
from norouter_tui.screen.messages import SnapshotArrived
from norouter_tui.screen.views.detail import DetailPane
from norouter_tui.screen.views.streams import StreamGrid
from tests.tui import screen_states, snapshots
from tests.tui.app_driver import notes, rows, shown, until
from tests.tui.canned_client import Answer, CannedClient

Play = Callable[[NorouterApp, Pilot[None], CannedClient], Awaitable[None]]


def _play(
    play: Play,
    *,
    answer: Answer | None = None,
    snapshot: Snapshot | None = None,
    size: tuple[int, int] = (100, 30),
    settings: Path | None = None,
) -> NorouterApp:
    async def run() -> NorouterApp:
        client = CannedClient(answer)
        app = NorouterApp(client, client, settings=settings)
        app.animation_level = "none"
        async with app.run_test(size=size) as pilot:
            app.post_message(SnapshotArrived(snapshot or snapshots.snapshot()))
            await pilot.pause()
            await play(app, pilot, client)
        assert app.error is None
        return app

    return asyncio.run(run())


def _ids(app: NorouterApp) -> list[int]:
    return [row.status.id for row in rows(app, "#streams-grid")]


def _grid(app: NorouterApp) -> StreamGrid:
    return app.main.query_one(StreamGrid)


def test_keys_become_commands() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("down", "r", "d", "u", "U", "ctrl+r", "s")
        await pilot.press("2", "down", "d", "3", "d", "1", "down", "x", "y")
        await until(pilot, lambda: "stream kill 2" in client.ran)
        assert client.ran == [
            "host restart web",
            "host rm web",
            "undo",
            "redo",
            "redo",
            "save",
            "port rm web 8080",
            "route rm 1",
            "stream kill 2",
        ]
        assert client.confirmed == ["stream kill 2"]

    _play(play)


def test_this_machine_is_removed_after_a_question_only() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        for key in "ny":
            assert not client.ran
            await pilot.press("d")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            assert "Remove local? This machine then" in shown(app)
            await pilot.press(key)
            await until(pilot, lambda: app.screen is app.main)
        await until(pilot, lambda: client.confirmed == ["host rm local"])

    _play(play)


def test_the_cursor_goes_to_a_host_that_a_command_adds() -> None:
    def answer(line: str, confirmed: bool) -> tuple[Outcome, list[Any]]:
        return Outcome("added", data={"host": "web"}), []

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press(":", *"host", "space", *"add", "space", *"x", "enter")
        await until(pilot, lambda: "added" in notes(app))
        selected = app.main.hosts.selected
        assert selected is not None and selected.status.name == "web"

    _play(play, answer=answer)


def test_a_question_is_asked_and_a_no_leaves_everything_as_it_is() -> None:
    def answer(line: str, confirmed: bool) -> tuple[Outcome, list[Any]]:
        if confirmed:
            return Outcome("done"), []
        return Outcome(question=Question("2 streams will be cut", "-a\n+b", (1, 2))), []

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        for key, ran in (("n", []), ("escape", []), ("y", ["undo"])):
            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            assert "2 streams will be cut" in shown(app)
            await pilot.press(key)
            await until(pilot, lambda: app.screen is app.main)
            assert client.confirmed == ran
        await until(pilot, lambda: "done" in notes(app))

    _play(play, answer=answer)


def test_streams_are_sorted_and_the_cursor_stays_on_its_row() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("1", "down", "down")
        grid = _grid(app)
        assert grid.selected is not None and grid.selected.status.id == 3
        await pilot.press("K")
        assert _ids(app) == [9, 8, 7, 6, 5, 4, 3, 2, 1]
        assert grid.selected.status.id == 3
        await pilot.press("K")
        assert _ids(app) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        await pilot.press("T")
        assert [row.status.to_host for row in grid.rows][:3] == ["bastion"] * 3
        assert "by to ▲" in shown(app)
        fewer = snapshots.snapshot(of_streams=snapshots.streams(5)[1:])
        app.post_message(SnapshotArrived(fewer))
        await pilot.pause()
        assert grid.selected is not None and grid.selected.status.id == 3
        # The row under the cursor goes: the cursor stays where it is.
        gone = snapshots.snapshot(of_streams=[s for s in snapshots.streams(5) if s.id != 3])
        app.post_message(SnapshotArrived(gone))
        await pilot.pause()
        assert grid.selected is not None

    _play(play)


def test_a_click_on_a_title_sorts_and_one_on_a_row_chooses_it() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        grid = _grid(app)
        left = next(
            place.left for place in grid._places(grid._width) if place.column.key == "to_host"
        )
        await pilot.click(StreamGrid, offset=(left + 2, 0))
        assert grid.sorted_by == "to_host"
        await pilot.click(StreamGrid, offset=(5, 4))
        assert grid.selected is grid.rows[3]
        await pilot.click(StreamGrid, offset=(5, 4), times=2)
        await until(pilot, lambda: app.main.query_one(DetailPane).open)

    _play(play)


def test_a_filter_works_as_it_is_typed_and_says_what_is_wrong() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("1", "slash", *"to:bastion")
        await until(pilot, lambda: _ids(app) == [3, 6, 9])
        await pilot.press("space", "b", ">")
        await until(pilot, lambda: "no field" in shown(app))
        assert _ids(app) == [3, 6, 9]
        await pilot.press("backspace", "backspace", "enter")
        assert isinstance(app.focused, StreamGrid)
        assert "3 of 9: to:bastion" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: len(_ids(app)) == 9)

    _play(play)


def test_a_frozen_table_counts_what_is_new() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("1", "f")
        app.post_message(SnapshotArrived(screen_states.later()))
        await until(pilot, lambda: "frozen, 3 new" in shown(app))
        assert len(_ids(app)) == 9
        await pilot.press("f")
        app.post_message(SnapshotArrived(screen_states.later()))
        await until(pilot, lambda: len(_ids(app)) == 12)

    _play(play)


def test_the_detail_follows_the_cursor_and_closes() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: "exit status: 255" in shown(app))
        await pilot.press("up")
        await until(pilot, lambda: "docker exec -i web" in shown(app) and "Host web" in shown(app))
        await pilot.press("2")
        await until(pilot, lambda: "HTTP proxy 127.0.0.1:18080" in shown(app))
        await pilot.press("1", "escape")
        assert not app.main.query_one(DetailPane).open

    _play(play, size=(120, 40))


def test_the_command_line_completes_remembers_and_gives_back_what_is_refused() -> None:
    def answer(line: str, confirmed: bool) -> tuple[Outcome, list[Any]]:
        if line.startswith("prot"):
            return Outcome(failure=Failure("no verb `prot`", hint="did you mean port?")), []
        return Outcome(f"done: {line}"), []

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        client.completions = (Completion("hosts", 0, "the hosts"), Completion("host add", 0, ""))
        line = app.main.command_line
        await pilot.press("colon", "h")
        await until(pilot, lambda: "the hosts" in shown(app))
        await pilot.press("tab", "tab")
        assert line.field.value == "host add"
        await pilot.press("enter")
        await until(pilot, lambda: client.ran == ["host add"])
        client.completions = ()
        await pilot.press("colon", "up")
        await until(pilot, lambda: line.field.value == "host add")
        await pilot.press("escape")
        assert not line.display
        app.main.action_command("prot add")
        await pilot.press("enter")
        await until(pilot, lambda: "did you mean port?" in shown(app))
        assert line.field.value == "prot add" and line.field.has_focus

    _play(play, answer=answer)


def test_a_typed_line_is_parsed_once_and_calls_of_keys_and_forms_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []
    tokenize = tokenizer.tokenize

    def counted(text: str) -> Any:
        parsed.append(text)
        return tokenize(text)

    monkeypatch.setattr(parser, "tokenize", counted)

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("colon", *"port add web 9", "enter")
        await until(pilot, lambda: client.ran == ["port add web 9"])
        await pilot.press("down", "r", "2", "a", *"18081", "enter")
        await until(pilot, lambda: client.changed == [("port add web 18081",)])
        assert parsed == ["port add web 9"]

    _play(play)


def test_what_a_key_does_can_be_typed_as_well() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        for typed in ("sort-age", "theme norouter-light", "undo"):
            app.main.action_command(typed)
            await pilot.press("enter")
            await pilot.pause()
        await until(pilot, lambda: client.ran == ["undo"])
        assert _grid(app).sorted_by == "age"
        assert app.theme == "norouter-light"

    _play(play)


def test_the_palette_does_it_too() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("ctrl+p", *"Sort by age")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: _grid(app).sorted_by == "age")

    _play(play)


def test_the_keys_are_listed_from_the_live_key_map(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[screen]\nvi = false\n[keys]\nfreeze = "z"\nnosuch = "x"\n')

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await until(pilot, lambda: "unknown action nosuch" in notes(app))
        await pilot.press("1", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        keys = {line.split()[0]: line for line in shown(app).splitlines() if "Freeze" in line}
        assert any(" z " in line for line in keys.values()), keys
        await pilot.press("escape", "z", "j")
        await pilot.pause()
        assert "frozen" in shown(app)
        assert _grid(app).selected is _grid(app).rows[0]

    _play(play, settings=file, size=(140, 60))


def test_bytes_are_looked_at_as_text_and_as_hex() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("1", "t")
        await until(pilot, lambda: "GET /cart" in shown(app))
        assert app.screen.query(".tap")
        assert "grüße \\x1b[31m\\x00\\xff" in shown(app)
        await pilot.press("h")
        assert "47 45 54 20" in shown(app)
        await pilot.press("escape")
        assert app.screen is app.main

    _play(play, answer=screen_states.answer)


def test_a_ready_line_is_copied() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("2", "y")
        await until(pilot, lambda: "http_proxy=" in shown(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.clipboard.startswith("export http_proxy=http://127.0.0.1"))

    _play(play)


def test_the_manifest_is_edited_and_applied_once_what_differs_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contextlib import nullcontext

    from norouter_tui.run import editor

    def edit(path: Path) -> None:
        path.write_text(path.read_text().replace("127.0.42.102", "127.0.42.9"))

    monkeypatch.setattr(editor, "edit", edit)
    monkeypatch.setattr(NorouterApp, "suspend", lambda self: nullcontext())

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "+    vip: 127.0.42.9" in shown(app)
        await pilot.press("y")
        await until(
            pilot, lambda: any(x.startswith("load /") and "--keep" in x for x in client.ran)
        )

    _play(play, answer=screen_states.answer)


def test_quitting_asks_the_session_and_a_second_time_ends_at_once() -> None:
    def answer(line: str, confirmed: bool) -> tuple[Outcome, list[Any]]:
        if line == "quit" and not confirmed:
            return Outcome(question=Question("there are unsaved changes: quit?")), []
        return Outcome(ended=True), []

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, Answers))
        assert client.left == 0
        await pilot.press("k")
        await until(pilot, lambda: client.left == 1)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app._exit)
        assert client.killed == 1

    assert _play(play, answer=answer).return_code == 130


def test_what_is_printed_goes_to_the_log_and_never_over_the_screen() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        sys.stderr.write("norouter: internal error: \x1b[2J told by the reporter\n")
        await pilot.press("4")
        await until(pilot, lambda: "internal error: \\x1b[2J told by the reporter" in shown(app))

    _play(play)


def test_output_before_the_dialog_is_there_is_kept_and_after_it_is_dropped() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        output = OutputScreen("exec", [Bytes("stdout", b"one\n")], lambda: None)
        tap = TapScreen(1, "a to b", lambda: None)
        app.push_screen(tap)
        app.push_screen(output)
        output.add([Bytes("stdout", b"two\n")])
        output.show_end(Outcome(status=3))
        parts = ("one", "two", "exit status 3")
        await until(pilot, lambda: all(part in shown(app) for part in parts))
        output.action_close()
        await until(pilot, lambda: app.screen is tap and not output.children)
        tap.action_close()
        await until(pilot, lambda: app.screen is app.main and not tap.children)
        # What was scheduled before may run after the widgets have gone.
        output._begin()
        output.show_end(Outcome(status=3))
        tap.put(Bytes(SENT, b"late"))
        tap._refresh_views()

    _play(play)


def test_output_that_was_closed_early_is_no_fault() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        release = asyncio.Event()
        run = client.run

        async def slow(call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
            emit(Bytes("stdout", b"half a line"))
            await release.wait()
            return await run(call, emit)

        client.run = slow  # type: ignore[method-assign]  # one that does not end by itself
        for close in (True, False):
            app.main.action_command("exec web -- cat")
            await pilot.press("enter")
            await until(pilot, lambda: bool(app.screen.query(".output")))
            if close:
                await pilot.press("escape")
                await until(pilot, lambda: app.screen is app.main)
        await until(pilot, lambda: "running: exec web" in shown(app))
        release.set()
        await until(pilot, lambda: "half a line" in shown(app))

    _play(play)


def test_keys_pressed_during_the_start_are_held_until_the_screen_is_complete() -> None:
    async def run() -> None:
        client = CannedClient()
        app = NorouterApp(client, client)
        for key, character in (("colon", ":"), ("x", "x"), ("y", "y")):
            app.post_message(events.Key(key, character))
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.main.command_line.field.value == "xy")
        assert app.error is None

    asyncio.run(run())
