"""Dialogs of files and of the end, key by key; and what strangers paste into any of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from norouter_core.commands.parser import parse
from norouter_core.commands.results import Completion, Outcome
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.dialogs.files import FileDialog
from norouter_tui.screen.dialogs.questions import Answers, Welcome
from tests.tui.app_driver import notes, shown, until
from tests.tui.canned_client import CannedClient
from tests.tui.dialogs import NEW, is_closed, play_dialog, press

Play = Callable[[NorouterApp, Pilot[None], CannedClient], Awaitable[None]]


# -- files and the end -------------------------------------------------------------------------


def test_saving_asks_for_a_file_where_there_is_none() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "s", "home", "ctrl+k", "=/nowhere/x.yaml", "enter")
        assert "there is no directory /nowhere" in shown(app)
        await press(pilot, "home", "ctrl+k", "=/tmp", "enter")
        assert "this is a directory" in shown(app)
        await press(pilot, "home", "ctrl+k", "=/etc/hostname")
        assert "saving replaces it" in shown(app)
        await press(pilot, "enter")
        await until(pilot, lambda: "save /etc/hostname --force" in client.ran)

    play_dialog(play, document=NEW)


def test_saving_again_asks_nothing_and_files_are_completed() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "s")
        await until(pilot, lambda: "save" in client.ran)
        client.completions = [Completion("tests/", 5), Completion("tox.ini", 5)]
        await press(pilot, "o", "=t", "tab", "tab")
        assert "tests/" in shown(app)
        await press(pilot, "home", "ctrl+k", "=/etc/hostname", "enter")
        await until(pilot, lambda: "load /etc/hostname" in client.ran)

    play_dialog(play)


def test_quitting_with_unsaved_changes_has_four_ways_out() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        ways = {"escape": "", "s": "quit --save", "k": "quit", "d": "quit --discard"}
        for key, ran in ways.items():
            client.confirmed.clear()
            await press(pilot, "q")
            await until(pilot, lambda: isinstance(app.screen, Answers))
            assert "9100:127.0.0.1:9100" in shown(app)
            await press(pilot, key)
            await until(pilot, lambda: is_closed(app))
            await pilot.pause()
            assert client.confirmed == ([ran] if ran else [])

    play_dialog(play)


def test_saving_at_the_end_asks_for_a_file_where_there_is_none() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "s", "home", "ctrl+k", "=/tmp/never-saved.yaml", "enter")
        await until(pilot, lambda: "quit" in client.confirmed)
        assert client.ran[-2:] == ["save /tmp/never-saved.yaml", "quit"]

    play_dialog(play, ("q",), document=NEW)


def test_reverting_shows_what_is_given_up() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert "9100:127.0.0.1:9100" in shown(app)
        await press(pilot, "n")
        assert "revert" not in client.ran
        await press(pilot, "ctrl+z", "y")
        await until(pilot, lambda: "revert" in client.ran)

    play_dialog(play, ("ctrl+z",))


@pytest.mark.parametrize(("key", "ran"), [("r", "recover 1"), ("d", "recover 1 --drop"), ("l", "")])
def test_work_of_a_session_that_crashed_is_offered(key: str, ran: str) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await until(pilot, lambda: "port add web 8080:80" in shown(app))
        await press(pilot, key)
        await pilot.pause()
        assert (ran in client.ran) if ran else client.ran == ["recover"]
        # Who takes his work back is welcomed by it.
        assert isinstance(app.screen, Welcome) == (key != "r")

    play_dialog(play, opening="welcome", document=NEW)


def test_work_on_another_file_is_told_only() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await until(pilot, lambda: ":recover` lists it" in notes(app))
        assert app.screen is app.main

    play_dialog(play, opening="recovery")


def test_a_form_tells_of_a_mesh_that_has_ended() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        from norouter_core.commands.results import Failure

        async def gone(lines: Any) -> Outcome:
            return Outcome(failure=Failure("the mesh has been stopped"))

        client.apply = gone  # type: ignore[method-assign, assignment]  # for this test alone
        await press(pilot, "enter")
        assert "the mesh has been stopped" in shown(app)

    play_dialog(play, ("2", "a", "=8081"))


def test_every_dialog_is_in_the_palette() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "ctrl+p", *"Save as")
        await until(pilot, lambda: "Save as (w)" in shown(app))
        await press(pilot, "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, FileDialog))

    play_dialog(play)


def test_what_a_form_holds_is_a_value_and_never_an_option() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "home", "ctrl+k", "=--force", "enter")
        await until(pilot, lambda: bool(client.ran))
        (line,) = client.ran
        parsed = parse(line)
        assert parsed is not None
        assert parsed.call.get("file") == "--force" and "force" not in parsed.call

    play_dialog(play, ("s",), document=NEW)


# -- what strangers paste, and what terminals do -----------------------------------------------

HOSTILE = (
    "x" * 100_000,
    "\x1b[2J\x1b]0;t\x07\x00 [bold red]x[/] [@click=app.quit]y[/] \u202eevil שלום 日本語 a;b 'c"
    * 9,
)
OPENERS = (("2", "a"), ("escape", "3", "a"), ("escape", "h", "a"), ("escape", "e"),
           ("escape", "w"), ("escape", "o"))  # fmt: skip


@pytest.mark.slow
def test_no_field_falls_for_what_is_pasted_nor_at_any_size() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        for keys in OPENERS:
            await press(pilot, *keys)
            await until(pilot, lambda: not is_closed(app))
            for text in HOSTILE:
                await press(pilot, f"={text}")
                assert "\x1b" not in shown(app) and "\u202e" not in shown(app)
                await press(pilot, "tab")
            await pilot.resize_terminal(40, 10)
            assert "│" in shown(app)
            await pilot.resize_terminal(100, 36)
            await press(pilot, "enter")
        assert app.is_running and not client.changed

    play_dialog(play)
