"""The examples of NoRouter's README as printed, each on the hosts that it names.

Their commands end in `norouter`. Each example runs with nothing of that name on the hosts, with
this project's agent installed, and with a program as silent as NoRouter's own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.transports import readme
from tests.transports.manifest_run import prepare_run, running
from tests.transports.mesh import Mesh, Place, fetch_all, norouter
from tests.transports.netns import Namespace
from tests.transports.one_of_each import OneOfEach
from tests.transports.procs import cmdline, run
from tests.transports.readme_hosts import BASTIONS, SERVICE, ReadmeHosts
from tests.transports.web import BY_ENVIRONMENT, HTTP, HTTP_WAYS, curl

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]

MISSING, SILENT, INSTALLED = KINDS = ("missing", "silent", "installed")

each_kind = pytest.mark.parametrize("kind", KINDS)

SILENT_PROGRAM = """\
mkdir -p "$HOME/bin"
printf '#!/bin/sh\\nwhile read line; do :; done\\n' >"$HOME/bin/norouter"
chmod 755 "$HOME/bin/norouter"
"""
"""NoRouter's agent waits for a request of its hub."""


def _on_host(hub: Namespace, env: Mapping[str, str], exec_command: str, script: str) -> None:
    """Pipe a script's output, or a script, into a shell on a host, as a user would."""
    done = subprocess.run(
        hub.enter("sh", "-c", f"{script} | {exec_command} sh", norouter()),
        env={**os.environ, **env, "SILENT": SILENT_PROGRAM},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{exec_command}: {done.stderr.decode()}"


@contextmanager
def norouter_on(
    place: Place, kind: str, hub: Namespace, env: Mapping[str, str], exec_command: str
) -> Iterator[None]:
    """What the host has as `~/bin/norouter`; the installer of root links it on the PATH."""
    home = "/home/user" if "some-user@" in exec_command else "/root"
    link = "/usr/local/bin/norouter"
    try:
        if kind == SILENT:
            _on_host(hub, env, exec_command, """printf %s "$SILENT\"""")
        elif kind == INSTALLED:
            _on_host(hub, env, exec_command, '"$0" show-installer')
        if kind == SILENT or (kind == INSTALLED and home != "/root"):
            run(*place.enter("ln", "-s", f"{home}/bin/norouter", link))
        yield
    finally:
        run(*place.enter("rm", "-rf", f"{home}/bin", link))


def check_agents(mesh: Mesh, kind: str, names: Sequence[str]) -> None:
    """Every host has the installed agent, or one that was sent, and the log says why."""
    for name in names:
        (agent,) = mesh.agents(name)
        is_installed = cmdline(agent).endswith("bin/norouter agent --automated")
        assert is_installed == (kind == INSTALLED), cmdline(agent)
    lines = {
        event["host"]: event["text"]
        for event in mesh.events
        if event["event"] == "log" and "sending an agent instead" in event["text"]
    }
    assert sorted(lines) == ([] if kind == INSTALLED else sorted(names))
    why = "not found" if kind == MISSING else "sent nothing within 2.5 s"
    assert all(why in text for text in lines.values()), lines


# -- example 1 ---------------------------------------------------------------------------------


def test_hosts_of_every_kind_fetch_every_page(medley: OneOfEach, tmp_path: Path) -> None:
    """With nothing installed, podman besides, and a page of the hub's own machine, too."""
    hosts = medley.hosts()
    text = medley.manifest()
    trial = prepare_run(text, medley.hub, medley.places)
    names = [host.name for host in hosts]
    with running(trial, text, medley.hub, medley.env, tmp_path):
        assert {at.name: fetch_all(at, hosts) for at in hosts} == dict.fromkeys(names, names)


@each_kind
def test_port_forwarding(kind: str, medley: OneOfEach, tmp_path: Path) -> None:
    text = readme.PORT_FORWARDING
    hosts = medley.hosts("docker", "kube", "lxd", "ssh")
    trial = prepare_run(text, medley.hub, medley.places)
    names = [host.name for host in hosts]
    with ExitStack() as stack:
        for host in hosts:
            command = " ".join(host.cmd)
            stack.enter_context(norouter_on(host.place, kind, medley.hub, medley.env, command))
        with running(trial, text, medley.hub, medley.env, tmp_path) as mesh:
            check_agents(mesh, kind, names)
            for at in medley.hosts("local", *names):
                assert fetch_all(at, hosts) == names, at.name


# -- examples 2 and 3 --------------------------------------------------------------------------


@each_kind
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
    kind: str,
    exec_command: str,
    place: str,
    url: str,
    page: str,
    stage: ReadmeHosts,
    tmp_path: Path,
) -> None:
    """The bastion of docker is alpine in the README: busybox, and no Python."""
    text = readme.INTO_DOCKER.replace("docker exec -i bastion", exec_command)
    bastion = stage.places[place]
    trial = prepare_run(text, stage.hub, {"bastion": bastion})
    with (
        norouter_on(bastion, kind, stage.hub, stage.env, exec_command),
        running(trial, text, stage.hub, stage.env, tmp_path) as mesh,
    ):
        check_agents(mesh, kind, ["bastion"])
        assert mesh.hosts["bastion"]["agent"].startswith("Go") == (place == "docker/bastion")
        assert curl(stage.hub, "--fail", url, env=BY_ENVIRONMENT) == page
        for way in HTTP_WAYS:
            assert curl(stage.hub, *way, url) == page, way
        status = ("--proxy", HTTP, "--write-out", "%{http_code}")
        told = curl(stage.hub, *status, "http://nobody-of-that-name")
        assert told.endswith("502")
        assert "nobody-of-that-name" in told


# -- example 4 ---------------------------------------------------------------------------------


@each_kind
def test_clouds_with_the_same_addresses(kind: str, stage: ReadmeHosts, tmp_path: Path) -> None:
    names = {f"{name}_bastion": name for name in BASTIONS}
    places = {name: stage.places[at] for name, at in names.items()}
    trial = prepare_run(readme.CLOUDS, stage.hub, places)
    with ExitStack() as stack:
        for name, place in places.items():
            command = f"ssh {name} --"
            stack.enter_context(norouter_on(place, kind, stage.hub, stage.env, command))
        with running(trial, readme.CLOUDS, stage.hub, stage.env, tmp_path) as mesh:
            check_agents(mesh, kind, list(names))
            for name, host in BASTIONS.items():
                page = curl(stage.hub, "--fail", f"http://{host}", env=BY_ENVIRONMENT)
                assert page == f"backend-of-{name}"
