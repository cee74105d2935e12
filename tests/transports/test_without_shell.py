"""Containers that hold one program and no shell: the engine itself copies the agent in."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.transports.engines import Container, Engine
from tests.transports.image import image
from tests.transports.manifest_run import prepare_run, running
from tests.transports.mesh import Mesh, MeshHost
from tests.transports.netns import Namespaces
from tests.transports.sshd import Ssh
from tests.transports.web import curl

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

ROOT, NAMELESS, LOCKED = "shellless", "shellless-nameless", "shellless-locked"
OPTIONS = {ROOT: (), NAMELESS: ("-u", "12345"), LOCKED: ("--read-only",)}


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An engine with the image `shellless`: a static `sleep`, a web server and its page."""
    engine: Engine = request.getfixturevalue(request.param)
    root = tmp_path / "root"
    for folder in ("bin", "www"):
        (root / folder).mkdir(parents=True)
    for name in ("sleep", "httpd"):
        shutil.copy(image("busybox") / "bin/busybox", root / "bin" / name)
    (root / "www/index.html").write_text("a page\n")
    engine.load(root, "shellless")
    return engine


@pytest.fixture
def containers(engine: Engine) -> Iterator[dict[str, Container]]:
    with ExitStack() as stack:
        made = {
            name: stack.enter_context(engine.container(name, "shellless", options=options))
            for name, options in OPTIONS.items()
        }
        for name in made:
            httpd = ("/bin/httpd", "-f", "-p", "127.0.0.1:8080", "-h", "/www")
            engine.run("exec", "-d", name, *httpd)
        yield made


def changes(engine: Engine, name: str) -> set[str]:
    """What was added to or changed in a container's file system, without directories of mounts."""
    return set(engine.run("diff", name).splitlines())


def test_serves_a_page_and_leaves_nothing(
    engine: Engine,
    containers: dict[str, Container],
    kept_namespaces: Namespaces,
    ssh: Ssh,
    tmp_path: Path,
) -> None:
    hub, build = map(kept_namespaces.make, ("shellless", "build"))
    env = [f"{name}={value}" for name, value in engine.env.items()]
    far = [*ssh.to_namespace(build), "env", *env, engine.program, "exec", "-i", NAMELESS]
    commands = {
        ROOT: f"{engine.program} exec -i {ROOT}",
        NAMELESS: f"{engine.program} container exec -i {NAMELESS} sh",
        "other-user": f"{engine.program} exec -i -u 777 {ROOT}",
        "far": shlex.join(far),
    }
    hosts: dict[str, dict[str, object]] = {"local": {"vip": "127.0.42.100"}}
    for number, (name, command) in enumerate(commands.items(), 101):
        hosts[name] = {
            "vip": f"127.0.42.{number}",
            "cmd": command,
            "ports": ["8080:127.0.0.1:8080"],
        }
    before = {name: changes(engine, name) for name in containers}
    text = yaml.safe_dump({"hosts": hosts})
    places = {
        name: containers[NAMELESS if name in (NAMELESS, "far") else ROOT] for name in commands
    }
    trial = prepare_run(text, hub, places)
    with running(trial, text, hub, engine.env, tmp_path) as tested:
        assert {tested.hosts[name]["agent"][:3] for name in commands} == {"Go "}
        for name in containers:
            added = {line for line in changes(engine, name) if "/.norouter" not in line}
            assert added == before[name]
        urls = [f"http://127.0.42.{number}:8080/" for number in (101, 102, 103, 104)]
        assert curl(hub, "--fail", *urls).splitlines() == ["a page"] * 4
    assert {name: changes(engine, name) for name in containers} == before


def test_a_read_only_container_is_explained(
    engine: Engine,
    containers: dict[str, Container],
    kept_namespaces: Namespaces,
    tmp_path: Path,
) -> None:
    hub = kept_namespaces.make("shellless-locked")
    host = MeshHost("locked", "127.0.42.101", containers[LOCKED], containers[LOCKED].cmd)
    tested = Mesh(hub, [host], tmp_path)
    try:
        tested.start(env=engine.env)
        # No host is left, so the run ends.
        problem = tested.wait_state("locked", "failed", "stopped", timeout=30)["problem"]
    finally:
        tested.close()
    assert problem["kind"] == "no-shell"
    assert "the root file system is read-only" in problem["message"]
