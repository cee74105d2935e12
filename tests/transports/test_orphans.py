"""`kill -9` of the hub: no agent may stay on any host, whatever its exec client does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from norouter_core.timing import Timing
from norouter_core.wire.heartbeat import AGENT_TIMEOUT
from tests.transports.engines import Container
from tests.transports.hosts import Hosts
from tests.transports.mesh import Mesh
from tests.transports.netns import Namespace
from tests.transports.one_of_each import OneOfEach
from tests.transports.procs import wait_gone
from tests.transports.sshd import Ssh

pytestmark = pytest.mark.root

READY = 30.0
GONE = AGENT_TIMEOUT * Timing().heartbeat + 4.0
"""Seconds in which every agent has ended by itself, also one whose stdin stays open."""


def killed_leaves_no_agent(tested: Mesh, env: Mapping[str, str]) -> None:
    tested.start(wait_ready=READY, env=env)
    tested.wait_event("ready", READY)
    for host in tested.spec:
        assert tested.agents(host.name), f"no agent on {host.name}: nothing to leave behind"
    tested.kill()
    left = wait_gone(tested.agents, GONE)
    assert not left, f"agents left {GONE:g} s after the hub was killed: {left}"
    left = wait_gone(tested.started, 5)
    assert not left, f"no agent, but this is left: {left}"


def test_agents_behind_nsenter_and_ssh(
    netns: Callable[[str], Namespace], ssh: Ssh, mesh: Callable[..., Mesh]
) -> None:
    hosts = Hosts(netns)
    hosts.nsenter("plain")
    hosts.ssh("ssh", ssh)
    killed_leaves_no_agent(mesh(hosts.made), {})


def test_an_agent_behind_ssh_whose_stdin_never_closes(
    netns: Callable[[str], Namespace], ssh: Ssh, mesh: Callable[..., Mesh]
) -> None:
    hosts = Hosts(netns)
    hosts.ssh("held", ssh, held=True)
    killed_leaves_no_agent(mesh(hosts.made), {})


@pytest.mark.engine
def test_agents_behind_docker_one_with_a_stdin_that_never_closes(
    netns: Callable[[str], Namespace],
    container: Callable[[str, str], Container],
    mesh: Callable[..., Mesh],
) -> None:
    hosts = Hosts(netns)
    plain = container("plain", "python")
    hosts.docker(plain)
    hosts.docker(container("held", "python"), held=True)
    killed_leaves_no_agent(mesh(hosts.made), plain.engine.env)


@pytest.mark.engine
@pytest.mark.timeout(120)
def test_agents_on_hosts_of_every_kind(medley: OneOfEach, tmp_path: Path) -> None:
    hosts = [host for host in medley.hosts() if host.cmd]
    tested = Mesh(medley.hub, hosts, tmp_path)
    try:
        killed_leaves_no_agent(tested, medley.env)
    finally:
        tested.close()
