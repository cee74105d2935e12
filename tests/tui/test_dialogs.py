"""Dialogs of hosts, ports and routes, key by key: what is typed, what is told, what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from norouter_core.commands.results import Completion
from norouter_core.model import HostOptions, HostSpec, MeshSpec, ProxySpec, Route
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.dialogs.connecting import Connecting
from norouter_tui.screen.dialogs.form import Form
from norouter_tui.screen.dialogs.hosts import AddHost, EditHost
from norouter_tui.screen.dialogs.ports import AddPort
from norouter_tui.screen.dialogs.questions import Welcome
from norouter_tui.screen.messages import SnapshotArrived
from tests.tui import dialog_states as scenes
from tests.tui import snapshots
from tests.tui.app_driver import notes, shown, until
from tests.tui.canned_client import CannedClient
from tests.tui.dialogs import below, is_closed, is_open, play_dialog, press

Play = Callable[[NorouterApp, Pilot[None], CannedClient], Awaitable[None]]


# -- adding hosts ------------------------------------------------------------------------------


def test_a_pasted_command_becomes_a_host_with_what_was_inferred() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert "shop" in shown(app) and "127.0.42.105" in shown(app)
        await press(pilot, "enter")
        assert client.changed == [("host add -- docker exec -i shop",)]
        assert isinstance(app.screen, Connecting)

    play_dialog(play, ("a", "=$ docker exec -it \\\n  shop"))


def test_name_vip_and_ports_can_be_said() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        line = "host add db2 --vip 127.0.42.9 --port 5432 --port 80:81 -- ssh db"
        assert client.changed == [(line,)]

    keys = ("a", "=ssh db", "tab", "=db2", "tab", "=127.0.42.9", "tab", "=5432 80:81", "enter")
    play_dialog(play, keys)


@pytest.mark.parametrize(
    ("typed", "fields", "forward"),
    [
        (("=8081:80",), ("8081", "80"), "8081:80"),
        ((*"9:1",), ("9", "1"), "9:1"),
        (("=53:10.0.0.2:5353/udp",), ("53/udp", "10.0.0.2:5353"), "53:10.0.0.2:5353/udp"),
    ],
)
def test_a_port_forward_as_manifests_have_it_goes_to_both_fields(
    typed: tuple[str, ...], fields: tuple[str, str], forward: str
) -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        form = app.screen
        assert isinstance(form, AddPort)
        assert (form.row("listen").text, form.row("target").text) == fields
        await press(pilot, "enter")
        assert client.changed == [(f"port add web {forward}",)]

    play_dialog(play, ("down", "2", "a", *typed))


def test_where_to_save_is_proposed_and_what_is_typed_replaces_that() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert "there is no folder" not in shown(app)
        await press(pilot, "enter")
        assert client.ran == ["save /tmp/else.yaml"]

    play_dialog(play, ("w", *"/tmp/else.yaml"))


WRONG: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"cmd": "docker exec -i x", "name": "web"}, "name", 'already has the name "web"'),
    ({"cmd": "ssh x", "vip": "1.2.3"}, "vip", "is not an IPv4 address"),
    ({"cmd": "ssh x", "vip": "127.0.42.101"}, "vip", "already has the VIP 127.0.42.101"),
    ({"cmd": "ssh 'x"}, "cmd", "is not closed"),
    ({"cmd": "ssh x", "port": "80 99999999"}, "port", "out of range"),
)


def test_what_is_wrong_is_told_below_its_field_and_nothing_is_done() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        form = app.screen
        assert isinstance(form, AddHost)
        for typed, key, told in WRONG:
            for row in form.rows:
                row.put(typed.get(row.field.key, ""))
            await press(pilot, "enter")
            assert [row.field.key for row in form.rows if row.has_class("-wrong")] == [key]
            assert told in below(form, key)
        assert is_open(app, AddHost) and not client.changed

    play_dialog(play, ("a",))


def test_an_empty_form_says_what_is_needed() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert "command is required" in shown(app)
        await press(pilot, "escape")
        assert app.screen is app.main and not client.changed

    play_dialog(play, ("a", "enter"))


def test_the_first_host_takes_three_keys() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert isinstance(app.screen, Welcome)
        await press(pilot, "a", "down", "enter")
        assert client.changed == [("host add -- docker exec -i web",)]
        assert isinstance(app.screen, Connecting)

    play_dialog(play, ("l",), "welcome", mesh=scenes.first().spec, of_hosts=())


def test_what_is_typed_narrows_what_is_offered_and_completes_the_rest() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert "postgres:16" in shown(app) and "nginx" not in shown(app)
        client.completions = [Completion("--rm", 12 + 11, "gone after")]
        await press(pilot, "home", "ctrl+k", "=docker run ")
        await press(pilot, "down")
        assert isinstance(app.screen, Form)
        assert app.screen.values["cmd"] == "docker run --rm"

    play_dialog(play, ("a", "=docker db"))


def test_a_dialog_that_closes_looks_for_no_more_hosts() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "escape")
        client.hosts_found = asyncio.Event()
        await pilot.press("a")  # `press` would wait for the look.
        await until(pilot, lambda: isinstance(app.screen, AddHost))
        form = app.screen
        assert isinstance(form, AddHost)
        looking = [each for each in app.workers if each.group == "suggestions"]
        form.action_cancel()
        # Later, one of them would find a form without fields.
        assert looking and all(each.is_cancelled for each in looking)
        await until(pilot, lambda: app.screen is app.main)

    play_dialog(play, ("a",))


# -- connecting --------------------------------------------------------------------------------


async def _take(app: NorouterApp, pilot: Pilot[None], *snapshots: Any) -> None:
    for snapshot in snapshots:
        app.post_message(SnapshotArrived(snapshot))
        await pilot.pause()


def test_a_host_that_comes_up_is_shown_step_by_step() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await _take(app, pilot, scenes.starting())
        assert "✓ start the command" in shown(app) and "✓ reach a shell" not in shown(app)
        await _take(app, pilot, scenes.sending())
        assert "✓ choose an agent" in shown(app) and "✓ send" not in shown(app)
        assert "In the background" in shown(app)
        await _take(app, pilot, scenes.ready())
        assert "✓ ready: Python 3.12.4" in shown(app) and "Publish a port" in shown(app)
        await press(pilot, "p")
        assert isinstance(app.screen, AddPort)
        assert app.screen.values["host"] == "shop"

    play_dialog(play, scenes.ADDED)


def test_a_command_that_works_instead_is_one_key_away() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await _take(app, pilot, scenes.starting(), scenes.failed())
        assert "Use this command" not in shown(app)
        await press(pilot, "u")
        await _take(app, pilot, scenes.starting(), scenes.suggesting())
        assert "Use this command" in shown(app)
        await press(pilot, "u")
        line = "host set shop -- docker run -i --rm --network container:shop busybox"
        await until(pilot, lambda: line in client.ran)
        assert isinstance(app.screen, Connecting)
        await _take(app, pilot, scenes.starting())
        assert "Use this command" not in shown(app)

    play_dialog(play, scenes.ADDED)


def test_a_host_that_fails_is_retried_edited_and_removed_in_place() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await _take(app, pilot, scenes.starting(), scenes.failed())
        for told in ("✗ reach a shell", "is not running \\x1b[31m", "→ start it: docker start"):
            assert told in shown(app)
        await press(pilot, "r")
        await until(pilot, lambda: "host restart shop" in client.ran)
        client.spec = scenes.failed().spec
        await press(pilot, "e")
        assert isinstance(app.screen, EditHost)
        await press(pilot, "end", "=2", "enter")
        assert client.changed[-1] == ("host set shop -- docker exec -i shop2",)
        await _take(app, pilot, scenes.failed())
        await press(pilot, "d")
        await until(pilot, lambda: "host rm shop" in client.ran)
        assert is_closed(app)

    play_dialog(play, scenes.ADDED)


@pytest.mark.parametrize("close", [True, False])
def test_the_cursor_goes_to_a_new_host_that_is_kept(close: bool) -> None:
    """The dialog may be closed before the first snapshot shows the host."""

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        if close:
            await press(pilot, "escape")
        await _take(app, pilot, scenes.starting(), scenes.failed())
        if not close:
            await press(pilot, "k")
        assert is_closed(app)
        await press(pilot, "d")
        await until(pilot, lambda: "host rm shop" in client.ran)

    play_dialog(play, scenes.ADDED)


def test_the_cursor_stays_where_the_user_moved_it_since_a_host_was_added() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "escape", "down")
        await _take(app, pilot, scenes.starting())
        selected = app.main.hosts.selected
        assert selected is not None and selected.status.name == "web"

    play_dialog(play, scenes.ADDED)


def test_the_steps_of_a_container_without_a_shell_do_not_name_one() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await _take(app, pilot, scenes.starting())
        assert "reach a shell" in shown(app)
        await _take(app, pilot, scenes.copying())
        for step in ("✓ look for a shell: none", "copy the agent: 1.2 MiB of 1.8 MiB"):
            assert step in shown(app)
        await _take(app, pilot, scenes.not_copied())
        for step in ("✓ look for a shell: none", "✗ copy and start the agent", "`sh` not found"):
            assert step in shown(app)
        assert "reach a shell" not in shown(app) and "choose an agent" not in shown(app)
        await _take(app, pilot, scenes.restarting())
        assert "reach a shell" in shown(app)

    play_dialog(play, scenes.ADDED)


# -- ports and routes --------------------------------------------------------------------------


def test_a_port_is_published_where_it_is_said_to_lead() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert "web publishes 8081:localhost:80 at 127.0.42.101" in shown(app)
        await press(pilot, "enter")
        assert client.changed == [("port add web 8081:80",)]
        assert "web publishes" in notes(app)

    play_dialog(play, ("2", "a", "=8081", "tab", "=80", "enter")[:-1])


def test_the_part_of_a_port_that_is_wrong_is_blamed() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        form = app.screen
        assert isinstance(form, AddPort)
        for port, target, key, told in (
            ("8080", "", "listen", "8080"),
            ("0x", "", "listen", "port"),
            ("81", "host:", "target", "port"),
        ):
            form.row("listen").put(port)
            form.row("target").put(target)
            await scenes.settled(pilot)
            assert form.row(key).has_class("-wrong")
            assert told in below(form, key)

    play_dialog(play, ("2", "a"))


def test_a_host_is_chosen_with_up_and_down() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert isinstance(app.screen, Form)
        assert app.screen.values["host"] == "db"

    play_dialog(play, ("2", "a", "shift+tab", "down"))


def test_what_a_change_cuts_is_told_before_it_is_made() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        client.cuts = (3, 4)
        await press(pilot, "down", "e", "home", "ctrl+k", "=127.0.0.1:81")
        assert "This cuts 2 streams: 3, 4" in shown(app)
        client.cuts = (3, 4, 5)
        await press(pilot, "enter")
        assert "This cuts 3 streams: 3, 4, 5" in shown(app) and not client.changed
        await press(pilot, "enter")
        assert client.changed == [("port retarget web 8080:127.0.0.1:81",)]

    play_dialog(play, ("2",))


def test_a_port_moves_to_another_number_as_one_change() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert client.changed == [("port rm web 8080", "port add web 8088:127.0.0.1:80")]

    play_dialog(play, ("2", "down", "e", "tab", "home", "ctrl+k", "=8088", "enter"))


def test_routes_are_added_changed_moved_and_removed() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "a", "=*.corp 10.1.0.0/16", "tab", "up", "tab", "=10.1.9.0/24", "enter")
        line = "route add local *.corp 10.1.0.0/16 --not 10.1.9.0/24 --at 3"
        assert client.changed == [(line,)]
        await press(pilot, "down", "e", "end", "=.org", "enter")
        lines = ("route rm 2", "route add cache redis.corp.example.org --at 2")
        assert client.changed[1] == lines
        await press(pilot, "shift+up")
        await until(pilot, lambda: "route move 2 1" in client.ran)
        await press(pilot, "shift+down")
        await pilot.pause()
        await press(pilot, "d")
        await until(pilot, lambda: "route rm 2" in client.ran)

    play_dialog(play, ("3",))


# -- hosts -------------------------------------------------------------------------------------


def test_everything_of_a_host_is_changed_as_one_change() -> None:
    options = HostOptions(http=ProxySpec("127.0.0.1", 8118, "me:secret"))
    old = HostSpec("web", "127.0.42.101", "docker exec -i web", ("www", "shop"), options)
    mesh = MeshSpec((old,), (Route("web", ("*.x",)),))
    typed = {
        "name": "front",
        "vip": "127.0.42.7",
        "cmd": "ssh front",
        "alias": "shop api",
        "agent": "python",
        "loopback": "off",
        "http": "127.0.0.1:8119",
        "http-auth": "",
        "socks": "127.0.0.1:1080",
        "socks-auth": "a:b",
        "dns": "off",
        "etc-hosts": "on",
        "state-dir": "/tmp/n",
    }

    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        assert isinstance(app.screen, EditHost)
        assert "secret" not in shown(app)
        for key, text in typed.items():
            app.screen.row(key).put(text)
        await scenes.settled(pilot)
        assert "a:b" not in shown(app)
        await press(pilot, "enter")
        (lines,) = client.changed
        assert lines == (
            "host set web --vip 127.0.42.7 --alias api --no-alias www --dns off --loopback off"
            " --state-dir /tmp/n --etc-hosts on --agent python -- ssh front",
            "proxy http web 127.0.0.1:8119",
            "proxy socks web 127.0.0.1:1080 --auth a:b",
            "host rename web front",
        )

    play_dialog(play, ("e",), mesh=mesh, of_hosts=(snapshots.hosts()[1],))


def test_a_host_form_left_as_it_is_changes_nothing() -> None:
    async def play(app: NorouterApp, pilot: Pilot[None], client: CannedClient) -> None:
        await press(pilot, "enter")
        assert isinstance(app.screen, EditHost) and not client.changed
        await press(pilot, "down")
        assert "the address in the mesh" in shown(app)
        await press(pilot, "shift+tab", "shift+tab", "shift+tab", "down")
        assert app.screen.values["agent"] == "auto"

    play_dialog(play, ("down", "e"))
