"""The screen in a real terminal, on a namespace and a container: a mesh from the first host to the
saved file, which then runs without a screen."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.programs import ROOT
from tests.repl.tmux import Tmux, terminal
from tests.repl.user_env import NOROUTER, SCREEN
from tests.transports.engines import Container
from tests.transports.hosts import Hosts
from tests.transports.mesh import MeshHost
from tests.transports.netns import Namespace
from tests.transports.require import need_program
from tests.transports.web import serve

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.terminal]


def docker_env(host: MeshHost) -> Mapping[str, str]:
    assert isinstance(host.place, Container)
    return host.place.engine.env


def _add(person: Tmux, host: MeshHost) -> None:
    """Adds a host as a person does who has its command in the clipboard, and publishes a port."""
    person.keys("a")
    person.shows("Add a host")
    person.paste(shlex.join(host.cmd))
    person.keys("Tab")
    person.paste(host.name)
    person.shows(f"✓ host {host.name}, {host.vip}")
    person.keys("Enter")
    person.shows("✓ ready: Python")
    person.keys("p")
    person.shows("Publish a port")
    person.paste("8080:80")
    person.shows(f"✓ {host.name} publishes 8080:localhost:80")
    person.keys("Enter")
    person.shows(f"▌ {host.name} publishes")


@pytest.mark.timeout(180)
def test_a_mesh_of_real_hosts_is_built_watched_saved_and_run_again(
    netns: Callable[[str], Namespace], container: Callable[[str, str], Container], tmp_path: Path
) -> None:
    need_program("tmux", "tmux")
    need_program("curl", "curl")
    hub, hosts = netns("hub"), Hosts(netns)
    box = hosts.docker(container("box", "python"))
    space = hosts.nsenter("space")
    env = {
        "PATH": os.environ["PATH"],
        **docker_env(box),
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
    }
    with ExitStack() as stack:
        for host in hosts.made:
            serve(stack, tmp_path, host.place, f"page of {host.name}", 80)
        person = stack.enter_context(terminal(tmp_path))
        person.start(env)
        person.run(*hub.enter(*SCREEN, "mesh.yaml"))
        person.shows("1/1 ready")
        for host in hosts.made:
            _add(person, host)
        person.shows("3/3 ready")

        curl = subprocess.Popen(
            hub.net("curl", "-sN", "-o", "/dev/null", f"http://{space.vip}:8080/bulk")
        )
        stack.callback(curl.kill)
        person.keys("1")
        person.shows("● open")
        _watch(person)
        person.keys("t")
        person.shows(", the last 64 KiB")
        person.keys("h")
        person.shows("hex ─")
        person.keys("Escape")
        person.shows("● open")
        person.keys("x")
        person.shows("This resets both of its ends.")
        person.keys("y")
        assert curl.wait(20) in (18, 56)  # cut off, by one word or the other
        person.shows("No open streams.")

        person.keys("u")
        person.shows("undone: port add space")
        person.keys("U")
        person.shows("redone: port add space")
        person.keys("s")
        person.shows("saved mesh.yaml")
        person.keys("q")
        assert person.status() == 0
        urls = [f"http://{host.vip}:8080/" for host in hosts.made]
        run = (*NOROUTER, "run", "mesh.yaml", "--headless", "--", "curl", "-sS", *urls)
        done = subprocess.run(
            hub.net(*run), cwd=tmp_path, env=env, text=True, capture_output=True, timeout=60
        )
        assert done.stdout.split("\n")[-3:] == ["page of box", "page of space", ""], done.stderr


def _watch(person: Tmux) -> None:
    """Waits until the table tells of a transfer that runs, by its rate."""
    person.shows("M/s")
    assert re.search(r"← +[0-9.]+M/s", person.text)
