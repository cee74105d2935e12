"""Web traffic of the difficult kinds, by real clients, over the proxy and a real exec command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.transports.manifest_run import prepare_run, running
from tests.transports.mesh import REMOTE
from tests.transports.netns import Namespace
from tests.transports.procs import Background, run
from tests.transports.readme_hosts import BACKEND, ReadmeHosts
from tests.transports.test_mesh import MIB, sha256_of, write_noise
from tests.transports.test_proxies import git_clone, make_repository
from tests.transports.web import HTTP, HTTP_WAYS, curl

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]

PORT = 8000


@dataclass(frozen=True, slots=True)
class Site:
    """A web server behind a bastion, and the hub from which it is reached by proxy."""

    hub: Namespace
    url: str
    folder: Path


@pytest.fixture(params=["ssh aws_bastion --", "docker exec -i bastion"], ids=["ssh", "docker"])
def site(request: pytest.FixtureRequest, stage: ReadmeHosts, tmp_path: Path) -> Iterator[Site]:
    """A running mesh whose proxy leads to a server of `remote/traffic.py`."""
    by_ssh = request.param.startswith("ssh")
    bastion = stage.places["aws" if by_ssh else "docker/bastion"]
    server, address, name = (
        (stage.places["aws-back"], BACKEND, BACKEND)
        if by_ssh
        else (stage.places["docker/nginx"], "0.0.0.0", "nginx")
    )
    local = {"vip": "127.0.42.100", "http": {"listen": HTTP}}
    hosts = {"local": local, "bastion": {"vip": "127.0.42.101", "cmd": request.param}}
    routes = [{"via": "bastion", "to": ["*", "10.0.0.0/8"]}]
    text = yaml.safe_dump({"hosts": hosts, "routes": routes})
    words = (str(REMOTE / "traffic.py"), address, str(PORT), str(tmp_path / "files"))
    (tmp_path / "files").mkdir()
    argv = server.net(sys.executable, *words)
    with ExitStack() as stack:
        serving = stack.enter_context(Background(argv, stderr=tmp_path / "traffic.stderr"))
        serving.wait_line("serving", 20)
        trial = prepare_run(text, stage.hub, {"bastion": bastion})
        stack.enter_context(running(trial, text, stage.hub, stage.env, tmp_path))
        yield Site(stage.hub, f"http://{name}:{PORT}", tmp_path)


def test_difficult_traffic(site: Site) -> None:
    """One mesh for all of it: each kind must leave the proxy fit for the next."""
    two_hundred_at_once(site)
    a_websocket(site)
    events_as_they_come(site)
    a_git_clone(site)
    for way in HTTP_WAYS:
        a_chunked_body_both_ways(site, way)
    two_hundred_at_once(site)


def two_hundred_at_once(site: Site) -> None:
    at_once = ("--parallel", "--parallel-immediate", "--parallel-max", "200")
    into = ("--output", f"{site.folder}/page-#1")
    for way in HTTP_WAYS:
        curl(site.hub, *at_once, *way, *into, f"{site.url}/page/[1-200]")
        for number in range(1, 201):
            page = site.folder / f"page-{number}"
            assert page.read_text() == f"{number}\n"
            page.unlink()


def a_websocket(site: Site) -> None:
    client = (sys.executable, str(REMOTE / "websocket.py"), f"http://{HTTP}")
    told = run(*site.hub.enter(*client, f"{site.url}/socket"))
    assert told == "10 of 10, closed 4321\n"


def events_as_they_come(site: Site) -> None:
    for way in HTTP_WAYS:
        argv = site.hub.enter("curl", "-sS", "--no-buffer", *way, f"{site.url}/events")
        with Background(argv, stderr=site.folder / "events.stderr") as client:
            for number in range(1, 6):
                curl(site.hub, *way, f"{site.url}/next/{number}")
                # The next one is not even due before this one has come.
                client.wait_line(f"data: {number}", 10)
            curl(site.hub, *way, f"{site.url}/next/0")
            assert client.process.wait(10) == 0


def a_git_clone(site: Site) -> None:
    commit = make_repository(site.folder / "source", site.folder / "files" / "project.git")
    clone = site.folder / "clone"
    git_clone(site.hub, f"{site.url}/files/project.git", clone)
    assert run("git", "-C", str(clone), "rev-parse", "HEAD").strip() == commit
    assert (clone / "big").read_bytes() == (site.folder / "source" / "big").read_bytes()


def a_chunked_body_both_ways(site: Site, way: tuple[str, ...], size: int = 200 * MIB) -> None:
    sent, got = site.folder / "sent", site.folder / "got"
    wanted = write_noise(sent, size)
    # From a pipe curl knows no length: the body goes in chunks, and comes back in chunks.
    script = 'cat "$0" | exec "$@"'
    client = ("curl", "-sS", "--max-time", "100", "-T", "-", "-o", str(got), *way)
    run(*site.hub.enter("sh", "-c", script, str(sent), *client, f"{site.url}/echo"), timeout=110)
    assert got.stat().st_size == size
    assert sha256_of(got) == wanted
    sent.unlink()
    got.unlink()
