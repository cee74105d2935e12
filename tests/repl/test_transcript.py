"""The REPL as a person has it: in a real terminal, with commands that are pasted and typed.

The hosts are real, too, but near: programs named docker, podman and ssh run what they are given on
this machine.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.meshes import vip
from tests.repl.tmux import Tmux, terminal
from tests.repl.user_env import EXEC, NOROUTER, SSH, Echo, assert_runs, user_env
from tests.servers import unused_port
from tests.transports.require import need_program

pytestmark = pytest.mark.terminal


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Tmux]:
    """A terminal in which docker, podman and ssh lead to this machine."""
    need_program("tmux", "tmux")
    with terminal(tmp_path) as made:
        yield made


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return user_env(tmp_path, docker=EXEC, podman=EXEC, ssh=SSH)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


def is_reset(client: socket.socket) -> bool:
    """Whether a connection ends by a reset, after whatever still comes."""
    try:
        while client.recv(100):
            pass
    except ConnectionResetError:
        return True
    return False


def vip_of(screen: str, host: str) -> str:
    """The address that a host was given, out of `host NAME ready: VIP, ...`."""
    return screen.partition(f"host {host} ready: ")[2].partition(",")[0]


def test_a_mesh_is_built_watched_saved_and_run_again(
    person: Tmux, env: dict[str, str], echo: Echo, tmp_path: Path
) -> None:
    saved, listen = tmp_path / "saved.yaml", unused_port()
    (tmp_path / "mesh.yaml").write_text(f"hosts: {{local: {{vip: {vip()}}}}}\n")
    person.start(env)
    person.run(*NOROUTER, "repl", "mesh.yaml")
    person.shows("norouter>")

    # With addresses, so that no other mesh on this machine has them.
    commands = ("docker exec -it web bash", "podman exec -i db", "ssh me@app.example.com")
    person.paste("".join(f"host add --vip {vip()} -- {command}\n" for command in commands))
    person.shows("ssh me@app.example.com")
    person.keys("Enter")
    for host in ("web", "db", "app"):
        person.shows(f"host {host} ready")
    web = vip_of(person.text, "web")

    person.says(f"port add web {listen}:{echo.port} --wait", "web publishes")
    person.says(f"prot add db {listen}:{echo.port}", "did you mean port?")
    person.says("host set web --loopback off --wait", "changed web")
    person.says("route add app *.internal 10.0.0.0/8", "route 1")
    person.says(f"!curl -sS http://{web}:{listen}/", "the page")

    with socket.create_connection((web, listen), 10) as client:
        client.sendall(b"hello, stream\n")
        assert client.recv(100) == b"hello, stream\n"
        row = person.says("streams", f"localhost:{echo.port}")
        number = next(
            line.split()[0] for line in row.splitlines() if f"localhost:{echo.port}" in line
        )
        person.says(f"stream tap {number}", "Ctrl-C ends it")
        client.sendall(b"and more\n")
        person.shows("> and more", "Ctrl-C ends it")
        person.shows("< and more", "Ctrl-C ends it")
        person.keys("C-c")
        person.shows("interrupted", "< and more")
        person.resize(70, 24)
        person.says(f"stream kill {number}", f"killed {number}")
        assert is_reset(client)

    person.resize(110, 40)
    person.says("host rename db database", "database")
    person.says("undo", "undone: host rename db database")
    person.says("save saved.yaml", "\nsaved ")
    person.type("quit")
    assert person.status() == 0
    assert "database" not in saved.read_text()
    assert_runs(saved, f"http://{web}:{listen}/", env)


def test_work_that_kill_9_cut_off_is_offered_again_whole(
    person: Tmux, env: dict[str, str], tmp_path: Path
) -> None:
    manifest = tmp_path / "mesh.yaml"
    manifest.write_text(f"# mine\nhosts:\n  local: {{vip: {vip()}}}\n")
    person.start(env)
    person.run(*NOROUTER, "repl", "mesh.yaml")
    person.shows("norouter>")
    person.says(f"host add web --vip {vip()} -- docker exec -i web", "host web ready")
    person.says("port add web 8080:80 8443:443", "8443")
    person.kill()
    assert "web" not in manifest.read_text()

    person.run(*NOROUTER, "repl", "mesh.yaml")
    offered = person.shows("[r]ecover, keep for [l]ater or [d]rop?")
    assert "docker exec -i web" in offered and "port add web 8080:80 8443:443" in offered
    person.keys("r")
    person.shows("host web ready", "[d]rop? recover")
    person.says("export", '- "8443:localhost:443"')
    person.says("save", "\nsaved ")
    assert "# mine" in manifest.read_text() and "8080:localhost:80" in manifest.read_text()
    person.keys("C-d")
    assert person.status() == 0
    assert not list((tmp_path / "state" / "norouter" / "autosave").glob("*.json"))
