"""Proxies and routes into networks that only their bastions know."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.transports.manifest_run import prepare_run, running
from tests.transports.mesh import Evidence, norouter
from tests.transports.netns import Namespace, link
from tests.transports.procs import Background, run
from tests.transports.readme_hosts import BASTIONS, SERVICE, ReadmeHosts
from tests.transports.require import need_program
from tests.transports.test_mesh import READY
from tests.transports.web import HTTP, SOCKS, WAYS, curl

pytestmark = pytest.mark.root

NET, BASTION, BACKEND = "10.231.1.0/24", "10.231.1.1", "10.231.1.2"
WEB = 8000


@dataclass(frozen=True, slots=True)
class Cloud:
    """A bastion and a backend behind it; every cloud has the same addresses."""

    name: str
    bastion: Namespace
    backend: Namespace
    hosts_file: Path

    @property
    def cmd(self) -> list[str]:
        """Leads onto the bastion, where the cloud's own /etc/hosts is mounted."""
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        own = ("unshare", "-m", "--propagation", "private", "sh", "-c", script)
        return self.bastion.enter(*own, str(self.hosts_file))


def make_cloud(name: str, netns: Callable[[str], Namespace], folder: Path) -> Cloud:
    """Two linked namespaces; `app.NAME.test` and `shared.corp.test` are the backend there."""
    need_program("unshare", "util-linux")
    bastion, backend = netns(f"{name}-bastion"), netns(f"{name}-backend")
    link(bastion, backend, "inside", (f"{BASTION}/24", f"{BACKEND}/24"))
    hosts_file = folder / f"hosts-{name}"
    hosts_file.write_text(f"127.0.0.1 localhost\n{BACKEND} app.{name}.test shared.corp.test\n")
    return Cloud(name, bastion, backend, hosts_file)


def route(via: str, *to: str) -> dict[str, Any]:
    return {"via": via, "to": list(to)}


@contextmanager
def hub_running(
    hub: Namespace,
    folder: Path,
    hosts: dict[str, dict[str, Any]],
    routes: Sequence[dict[str, Any]],
    env: Mapping[str, str] | None = None,
) -> Iterator[Background]:
    """`norouter run` in `hub`, ready, with both proxies on its own loopback; ends in order."""
    local = {"vip": "127.0.42.100", "http": {"listen": HTTP}, "socks": {"listen": SOCKS}}
    manifest = folder / "mesh.yaml"
    manifest.write_text(yaml.safe_dump({"hosts": {"local": local, **hosts}, "routes": routes}))
    words = (norouter(), "run", str(manifest), "--headless", "--json")
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    argv = hub.enter("env", *variables, *words)
    with Background(argv, stderr=folder / "hub.stderr") as program:
        program.wait_until(lambda: bool(events_of(program, "ready")), READY, "all is ready")
        yield program
        assert program.stop() == 0, program.stderr


def events_of(program: Background, *kinds: str) -> list[dict[str, Any]]:
    """What the hub has told so far, of these kinds."""
    told = map(json.loads, list(program.lines))
    return [event for event in told if event["event"] in kinds]


@pytest.fixture
def clouds(
    netns: Callable[[str], Namespace], tmp_path: Path, evidence: Evidence
) -> dict[str, Cloud]:
    """Three clouds, whose backends serve a page that tells the cloud's name."""
    made = {name: make_cloud(name, netns, tmp_path) for name in ("aws", "azure", "gcp")}
    for cloud in made.values():
        folder = tmp_path / f"www-{cloud.name}"
        folder.mkdir()
        (folder / "index.html").write_text(f"backend of {cloud.name}\n")
        serve_folder(evidence, cloud, folder)
    return made


def serve_folder(evidence: Evidence, cloud: Cloud, folder: Path) -> None:
    words = ("-u", "-m", "http.server", "--bind", BACKEND, "--directory", str(folder), str(WEB))
    argv = cloud.backend.enter(cloud.backend.python, *words)
    evidence.start(argv, f"www-{cloud.name}").wait_line("Serving HTTP", 20)


def bastions(clouds: dict[str, Cloud]) -> dict[str, dict[str, Any]]:
    return {
        name: {"vip": f"127.0.42.{101 + number}", "cmd": cloud.cmd}
        for number, (name, cloud) in enumerate(clouds.items())
    }


def test_names_lead_into_networks_whose_addresses_overlap(
    netns: Callable[[str], Namespace], clouds: dict[str, Cloud], tmp_path: Path
) -> None:
    hub = netns("hub")
    routes = [route(name, f"*.{name}.test") for name in clouds]
    # A name that every bastion knows, and the address itself: the last route decides.
    routes += [route("azure", "*.corp.test"), route("gcp", "*.corp.test", NET)]
    with hub_running(hub, tmp_path, bastions(clouds), routes) as program:
        for way in WAYS:
            for name in clouds:
                url = f"http://app.{name}.test:{WEB}/"
                assert curl(hub, *way, url) == f"backend of {name}", (way, url)
            for url in (f"http://shared.corp.test:{WEB}/", f"http://{BACKEND}:{WEB}/"):
                assert curl(hub, *way, url) == "backend of gcp", (way, url)
        refused = curl(
            hub, "--proxy", HTTP, "--write-out", "%{http_code}", f"http://app.aws.test:{WEB + 1}/"
        )
        assert refused.endswith("502")
        assert f"app.aws.test:{WEB + 1}" in refused
        closed = (event["stream"] for event in events_of(program, "stream-closed"))
        reached = {(stream["target"], stream["to_host"]) for stream in closed}
        assert reached >= {(f"app.{name}.test:{WEB}", name) for name in clouds}, reached


def test_git_clones_over_the_http_proxy(
    netns: Callable[[str], Namespace], clouds: dict[str, Cloud], tmp_path: Path, evidence: Evidence
) -> None:
    need_program("git", "git")
    hub = netns("hub")
    commit = make_repository(tmp_path / "source", tmp_path / "www-azure" / "project.git")
    routes = [route(name, f"*.{name}.test") for name in clouds]
    with hub_running(hub, tmp_path, bastions(clouds), routes):
        clone = tmp_path / "clone"
        url = f"http://app.azure.test:{WEB}/project.git"
        git_clone(hub, url, clone)
        assert run("git", "-C", str(clone), "rev-parse", "HEAD").strip() == commit
        assert (clone / "big").read_bytes() == (tmp_path / "source" / "big").read_bytes()


def git_clone(hub: Namespace, url: str, into: Path) -> None:
    """By this machine's git, over the HTTP proxy."""
    no_proxies = ("env", "-u", "no_proxy", "-u", "NO_PROXY", "-u", "all_proxy")
    git = (*no_proxies, "git", "-c", f"http.proxy=http://{HTTP}", "clone", "--quiet")
    run(*hub.enter(*git, url, str(into)), timeout=50)


@pytest.mark.engine
@pytest.mark.timeout(180)
def test_every_way_leads_through_bastions_of_every_kind(stage: ReadmeHosts, tmp_path: Path) -> None:
    """Both proxies' every protocol, by names that only the bastions resolve."""
    bastions = {
        "docker": ("docker exec -i bastion", "docker/bastion", "nginx", "nginx-of-docker"),
        "podman": (
            "podman exec -i bastion",
            "podman/bastion",
            "nginx.dns.podman",
            "nginx-of-podman",
        ),
        "kube": (
            "kubectl --context=west exec -i bastion --",
            "west",
            SERVICE,
            "backend-of-west",
        ),
        "ssh": ("ssh aws_bastion --", "aws", BASTIONS["aws"], "backend-of-aws"),
    }
    hosts: dict[str, dict[str, Any]] = {
        "local": {"vip": "127.0.42.100", "http": {"listen": HTTP}, "socks": {"listen": SOCKS}}
    }
    for number, (name, (cmd, *_)) in enumerate(bastions.items(), 101):
        hosts[name] = {"vip": f"127.0.42.{number}", "cmd": cmd}
    routes = [route(name, known) for name, (_, _, known, _) in bastions.items()]
    text = yaml.safe_dump({"hosts": hosts, "routes": routes})
    places = {name: stage.places[place] for name, (_, place, _, _) in bastions.items()}
    with running(prepare_run(text, stage.hub, places), text, stage.hub, stage.env, tmp_path):
        for _, _, name, page in bastions.values():
            for way in WAYS:
                assert curl(stage.hub, *way, f"http://{name}/") == page, (way, name)


def make_repository(source: Path, bare: Path) -> str:
    """A bare repository that any web server can serve, and its head."""
    git = ("git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@b.test")
    run("git", "init", "--quiet", str(source))
    for number in range(20):
        (source / f"file{number}").write_text(f"{number}\n" * 1000)
        run(*git, "add", ".")
        run(*git, "commit", "--quiet", "-m", f"change {number}")
    (source / "big").write_bytes(os.urandom(4 << 20))
    run(*git, "add", ".")
    run(*git, "commit", "--quiet", "-m", "much data")
    run("git", "clone", "--quiet", "--bare", str(source), str(bare))
    run("git", "-C", str(bare), "update-server-info")
    return run("git", "-C", str(source), "rev-parse", "HEAD").strip()
