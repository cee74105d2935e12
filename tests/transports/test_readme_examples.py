"""The examples of NoRouter's README, each on the hosts that it speaks of."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.transports import readme
from tests.transports.manifest_run import prepare_run, running
from tests.transports.mesh import Mesh, fetch_all, norouter
from tests.transports.netns import Namespace
from tests.transports.one_of_each import OneOfEach
from tests.transports.procs import cmdline, run
from tests.transports.readme_hosts import BASTIONS, SERVICE, ReadmeHosts
from tests.transports.web import BY_ENVIRONMENT, HTTP, HTTP_WAYS, curl

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]


def install(hub: Namespace, env: Mapping[str, str], exec_command: str) -> None:
    """`norouter show-installer | EXEC_COMMAND sh`, as the README says it."""
    done = subprocess.run(
        hub.enter("sh", "-c", f'"$0" show-installer | {exec_command} sh', norouter()),
        env={**os.environ, **env},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{exec_command}: {done.stderr.decode()}"


def all_are_installed(mesh: Mesh, names: Sequence[str]) -> None:
    """The agents are those that were installed, and were not sent."""
    for name in names:
        (agent,) = mesh.agents(name)
        assert cmdline(agent).endswith("bin/norouter --automated"), name


# -- example 1 ---------------------------------------------------------------------------------


def test_hosts_of_every_kind_fetch_every_page(medley: OneOfEach, tmp_path: Path) -> None:
    """With nothing installed, podman besides, and a page of the hub's own machine, too."""
    hosts = medley.hosts()
    text = medley.manifest()
    trial = prepare_run(text, medley.hub, medley.places)
    names = [host.name for host in hosts]
    with running(trial, text, medley.hub, medley.env, tmp_path):
        assert {at.name: fetch_all(at, hosts) for at in hosts} == dict.fromkeys(names, names)


def test_port_forwarding_with_an_installed_agent(medley: OneOfEach, tmp_path: Path) -> None:
    text = readme.PORT_FORWARDING
    hosts = medley.hosts("docker", "kube", "lxd", "ssh")
    for host in hosts:
        install(medley.hub, medley.env, " ".join(host.cmd))
        home = "/home/user" if host.name == "ssh" else "/root"
        # The manifest's command is a bare `norouter`: it must be on the PATH.
        run(*host.place.enter("ln", "-sf", f"{home}/bin/norouter", "/usr/local/bin/norouter"))
    trial = prepare_run(text, medley.hub, medley.places)
    names = [host.name for host in hosts]
    with running(trial, text, medley.hub, medley.env, tmp_path) as mesh:
        all_are_installed(mesh, names)
        for at in medley.hosts("local", *names):
            assert fetch_all(at, hosts) == names, at.name


# -- examples 2 and 3 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exec_command", "place", "url", "page"),
    [
        ("docker exec -i bastion", "docker/bastion", "http://nginx", "nginx-of-docker"),
        ("podman exec -i bastion", "podman/bastion", "http://nginx.dns.podman", "nginx-of-podman"),
        (
            "kubectl --context=west exec -i bastion --",
            "west",
            f"http://{SERVICE}",
            "backend-of-west",
        ),
    ],
    ids=["docker", "podman", "kubernetes"],
)
def test_into_networks_that_only_a_bastion_knows(
    exec_command: str, place: str, url: str, page: str, stage: ReadmeHosts, tmp_path: Path
) -> None:
    text = readme.INTO_DOCKER.replace("docker exec -i bastion", exec_command)
    install(stage.hub, stage.env, exec_command)
    trial = prepare_run(text, stage.hub, {"bastion": stage.places[place]})
    with running(trial, text, stage.hub, stage.env, tmp_path) as mesh:
        all_are_installed(mesh, ["bastion"])
        assert curl(stage.hub, "--fail", url, env=BY_ENVIRONMENT) == page
        for way in HTTP_WAYS:
            assert curl(stage.hub, *way, url) == page, way
        status = ("--proxy", HTTP, "--write-out", "%{http_code}")
        told = curl(stage.hub, *status, "http://nobody-of-that-name")
        assert told.endswith("502")
        assert "nobody-of-that-name" in told


# -- example 4 ---------------------------------------------------------------------------------


def test_clouds_with_the_same_addresses(stage: ReadmeHosts, tmp_path: Path) -> None:
    names = {f"{name}_bastion": name for name in BASTIONS}
    for name in names:
        install(stage.hub, stage.env, f"ssh {name} --")
    trial = prepare_run(
        readme.CLOUDS, stage.hub, {name: stage.places[at] for name, at in names.items()}
    )
    with running(trial, readme.CLOUDS, stage.hub, stage.env, tmp_path) as mesh:
        all_are_installed(mesh, list(names))
        for name, host in BASTIONS.items():
            page = curl(stage.hub, "--fail", f"http://{host}", env=BY_ENVIRONMENT)
            assert page == f"backend-of-{name}"
