"""The screen as a user sees it: in a real terminal, on a real mesh, from first to last."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.engine.meshes import vip
from tests.repl.tmux import Tmux, terminal
from tests.repl.user_env import EXEC, NOROUTER, SCREEN, Echo, assert_runs, user_env
from tests.servers import unused_port
from tests.transports.require import need_program

pytestmark = pytest.mark.terminal

EDITOR = """#!/bin/sh
sed -i 's/:80"/:81"/' "$1"
[ ! -e "$HOME/broken" ]
"""
"""Changes a port; fails while there is such a file."""


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    need_program("tmux", "tmux")
    with terminal(tmp_path) as made:
        yield made


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Docker leads to this machine; the editor changes a port."""
    return {**user_env(tmp_path, docker=EXEC, ed=EDITOR), "EDITOR": "ed"}


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


def _command(tmux: Tmux, line: str, part: str) -> None:
    """Types a command in one go, as a slow connection delivers it, and waits for what it does."""
    tmux.type(f":{line}")
    tmux.shows(part)


def test_a_mesh_is_built_watched_saved_and_run_again(
    tmux: Tmux, env: dict[str, str], echo: Echo, tmp_path: Path
) -> None:
    saved, listen, web = tmp_path / "mesh.yaml", unused_port(), vip()
    saved.write_text(f"hosts: {{local: {{vip: {vip()}}}}}\n")
    tmux.start(env)
    tmux.run(*SCREEN, "mesh.yaml")
    tmux.shows("1/1 ready")

    _command(tmux, f"host add --vip {web} --loopback off -- docker exec -i web bash", "2/2 ready")
    _command(tmux, f"port add web {listen}:{echo.port}", "Ports 1")
    tmux.keys("2")
    tmux.shows(f"{web}:{listen}")

    with socket.create_connection((web, listen), 10) as client:
        client.sendall(b"hello, stream\n")
        assert client.recv(100) == b"hello, stream\n"
        tmux.keys("1")
        tmux.shows("● open")
        tmux.keys("t")
        tmux.shows("Nothing has passed this way")
        client.sendall(b"and more\n")
        tmux.shows("← received  9 B")
        tmux.keys("h")
        tmux.shows("61 6e 64 20 6d 6f 72 65")
        tmux.keys("Escape")
        tmux.shows("● open")
        tmux.resize(60, 16)
        tmux.resize(110, 40)
        tmux.keys("x")
        tmux.shows("This resets both of its ends.")
        tmux.keys("y")
        with pytest.raises(ConnectionResetError):
            while client.recv(100):
                pass
    tmux.shows("No open streams.")

    _command(tmux, "port add web 8080:80", "Ports 2")
    tmux.keys("5")
    tmux.shows(":80")
    (tmp_path / "broken").touch()
    tmux.keys("E")
    tmux.shows("the editor ed exited with status 1")
    (tmp_path / "broken").unlink()
    tmux.keys("E")
    tmux.shows("Apply these changes")
    tmux.keys("y")
    tmux.shows("loaded ")
    tmux.keys("u")
    tmux.shows("undone: load ")
    tmux.keys("u")
    tmux.shows("undone: port add web 8080:80")
    tmux.keys("s")
    tmux.shows("saved mesh.yaml")
    tmux.keys("q")
    assert tmux.status() == 0
    assert "saved: mesh.yaml" in tmux.text
    assert_runs(saved, f"http://{web}:{listen}/", env)


def test_neither_pasted_escapes_nor_bytes_that_are_no_text_do_anything(
    tmux: Tmux, env: dict[str, str]
) -> None:
    tmux.start(env)
    tmux.run(*SCREEN, "new.yaml")
    tmux.shows("1/1 ready")
    tmux.paste("\x1b[31mq\x1bq \x1b]0;2\x07 :quit\n" * 500)
    tmux._tmux("send-keys", "-H", "ff", "c3", "28", "80")
    tmux.keys("2")
    tmux.shows("10053")
    tmux.keys("a")
    tmux.shows("Publish a port")
    tmux.paste("\x1b[31m8080\x1b[0m")
    tmux.shows("[31m8080 [0m")
    tmux.keys("C-c")
    assert tmux.status() == 0


@pytest.mark.parametrize("dialog", ["", "a"])
def test_a_terminal_that_closes_leaves_nothing_behind(
    tmux: Tmux, env: dict[str, str], tmp_path: Path, dialog: str
) -> None:
    tmux.start(env)
    tmux.run(*SCREEN, "new.yaml")
    tmux.shows("1/1 ready")
    _command(tmux, f"host add --vip {vip()} -- docker exec -i web bash", "2/2 ready")
    if dialog:
        tmux.keys(dialog)
        tmux.shows("Add a host")
    shell = psutil.Process(int(tmux._tmux("display-message", "-p", "#{pane_pid}")))
    started = shell.children(recursive=True)
    tmux._tmux("kill-session")
    assert not psutil.wait_procs(started, timeout=20)[1]
    assert list((tmp_path / "state" / "norouter" / "autosave").glob("*.json"))


def test_a_signal_ends_it_in_order_and_the_work_is_kept(
    tmux: Tmux, env: dict[str, str], tmp_path: Path
) -> None:
    tmux.start(env)
    tmux.run(*SCREEN, "new.yaml")
    tmux.shows("1/1 ready")
    _command(tmux, f"host add --vip {vip()} -- docker exec -i web bash", "2/2 ready")
    shell = psutil.Process(int(tmux._tmux("display-message", "-p", "#{pane_pid}")))
    started = shell.children(recursive=True)
    shell.children()[0].terminate()
    assert tmux.status() == 0
    tmux.shows("unsaved changes are kept: `norouter-tui new.yaml` offers")
    assert not psutil.wait_procs(started, timeout=10)[1]
    tmux.type("stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo")
    tmux.shows("icanon\necho")
    assert list((tmp_path / "state" / "norouter" / "autosave").glob("*.json"))


def test_two_screens_share_a_headless_mesh_and_attach_again_when_it_restarts(
    env: dict[str, str], echo: Echo, tmp_path: Path
) -> None:
    need_program("tmux", "tmux")
    listen, web = unused_port(), vip()
    (tmp_path / "mesh.yaml").write_text(
        f"hosts:\n  local: {{vip: {vip()}}}\n"
        f"  web: {{cmd: docker exec -i web bash, vip: {web}, loopback: {{disable: true}}}}\n"
    )
    with ExitStack() as stack:
        mesh, one, two = (
            stack.enter_context(terminal(_made(tmp_path / name))) for name in ("m", "1", "2")
        )
        for each in (mesh, one, two):
            each.start(env)
        mesh.run(*NOROUTER, "run", "--headless", "../mesh.yaml")
        mesh.shows("web ready")
        one.run(*SCREEN, "--attach", "mesh")
        two.run(*NOROUTER, "attach", "--tui")
        one.shows("2/2 ready")
        two.shows("2/2 ready")

        _command(one, f"port add web {listen}:{echo.port}", "Ports 1")
        two.shows("Ports 1")
        with socket.create_connection((web, listen), 10) as client:
            client.sendall(b"hello, stream\n")
            assert client.recv(100) == b"hello, stream\n"
            one.keys("1")
            one.shows("● open")
            one.keys("t")
            one.shows("Nothing has passed this way")
            client.sendall(b"and more\n")
            one.shows("← received  9 B")
            one.keys("Escape")
        two.keys("u")
        one.shows("Ports 0")
        two.keys("U")
        one.shows("Ports 1")
        one.keys("s")
        one.shows("/mesh.yaml")
        assert str(listen) in (tmp_path / "mesh.yaml").read_text()

        mesh.keys("C-c")
        assert mesh.status() == 0
        for each in (one, two):
            each.shows("not running; waiting")
            each.keys("4")  # the log keeps what a notification shows for a moment
        mesh.run(*NOROUTER, "run", "--headless", "../mesh.yaml")
        for each in (one, two):
            each.shows("attached again")
            each.shows("Ports 1")

        one.keys("q")
        one.shows("runs in another process")
        one.keys("d")
        assert one.status() == 0
        assert "detached from mesh" in one.text
        two.keys("q")
        two.shows("runs in another process")
        two.keys("s")
        assert two.status() == 0
        assert mesh.status() == 0


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
