"""One host goes, by its exec client, its sshd, or a pause: the others must not notice.

While it is gone a trickle and a bulk stream run between two other hosts, the bulk one with a
reader slower than its sender, so that windows are full and back-pressure is at work all the
time. What is measured is the longest time that nothing arrived: liveness, not speed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.transports.engines import Container
from tests.transports.hosts import Hosts
from tests.transports.mesh import Evidence, Mesh, MeshHost, Meter, fetch_all
from tests.transports.netns import Namespace
from tests.transports.one_of_each import OneOfEach
from tests.transports.procs import cmdline, kill_all, processes_in, wait_gone
from tests.transports.sshd import Ssh

pytestmark = pytest.mark.root

READY = 30.0
LONGEST_GAP = 2.0
"""Seconds; a hiccup of a mesh that waits for a dead host lasts heartbeats, which are longer."""
BACK = 90.0
"""Seconds in which a host is ready again by itself: the longest back-off is 60 s."""
BULK = (1 << 16, 0.002)
TRICKLE = (1 << 12, 0.0)


@dataclass(frozen=True, slots=True)
class Scene:
    """A running mesh of two bystanders and one victim."""

    mesh: Mesh
    one: MeshHost
    other: MeshHost
    victim: MeshHost
    evidence: Evidence

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Streams between the bystanders, both ways, that must not stop for long meanwhile."""
        meters = [
            self.evidence.meter(self.one, self.other, "/trickle", *TRICKLE),
            self.evidence.meter(self.other, self.one, "/bulk", *BULK),
        ]
        for meter in meters:
            meter.wait_bytes(640, READY)
        yield
        for meter in meters:
            # Still moving after all of it, not merely never seen to stop.
            meter.wait_bytes(640, LONGEST_GAP)
            last = meter.last
            assert last["ended"] is None, f"a bystander's stream ended: {last}"
            assert last["gap"] < LONGEST_GAP, f"a bystander's stream stood still: {last}"

    def agents(self) -> frozenset[int]:
        """The victim's agents."""
        agents = self.mesh.agents(self.victim.name)
        assert agents, "the victim has no agent"
        return agents

    def to_victim(self) -> Meter:
        """A stream that reads from the victim."""
        meter = self.evidence.meter(self.one, self.victim, "/trickle", *TRICKLE)
        meter.wait_bytes(640, READY)
        return meter

    def wait_back(self, mark: int, old: frozenset[int]) -> None:
        """Wait until the victim was ready again after event `mark`, and is whole.

        `old` are the agents that it had before, none of which may stay.
        """
        self.mesh.wait_states_since(mark, self.victim.name, "ready", BACK)
        left = wait_gone(lambda: self.mesh.agents(self.victim.name) & old, 15)
        assert not left, f"the agent of before is still there: {left}"
        assert len(self.agents()) == 1
        names = [host.name for host in self.mesh.spec]
        self.mesh.wait_bound(names, READY)
        assert fetch_all(self.victim, self.mesh.spec) == names
        assert fetch_all(self.one, self.mesh.spec) == names


@pytest.fixture
def scene(
    netns: Callable[[str], Namespace], evidence: Evidence, mesh: Callable[..., Mesh]
) -> Callable[[Callable[[Hosts], MeshHost]], Scene]:
    """Brings up a mesh whose victim the test makes."""

    def bring_up(make_victim: Callable[[Hosts], MeshHost]) -> Scene:
        hosts = Hosts(netns)
        one, other, victim = hosts.nsenter("one"), hosts.nsenter("other"), make_victim(hosts)
        for host in hosts.made:
            evidence.serve_pages(host)
        tested = mesh(hosts.made)
        place = victim.place
        env = place.engine.env if isinstance(place, Container) else {}
        tested.start(wait_ready=READY, env=env)
        tested.wait_event("ready", READY)
        return Scene(tested, one, other, victim, evidence)

    return bring_up


Bring = Callable[[Callable[[Hosts], MeshHost]], Scene]


def kill_client(shown: Scene) -> None:
    mark, old = len(shown.mesh.events), shown.agents()
    stream = shown.to_victim()
    with shown.undisturbed():
        shown.mesh.exec_client(shown.victim.name).send_signal(signal.SIGKILL)
        assert stream.wait_end(5) != "end of stream", "a host's death is a reset, not an end"
        shown.mesh.wait_states_since(mark, shown.victim.name, "lost", 5)
        shown.wait_back(mark, old)
    shown.mesh.stop()


@pytest.mark.timeout(180)
def test_the_exec_client_of_a_namespace_is_killed(scene: Bring) -> None:
    kill_client(scene(lambda hosts: hosts.nsenter("victim")))


@pytest.mark.timeout(180)
def test_the_exec_client_ssh_is_killed(ssh: Ssh, scene: Bring) -> None:
    kill_client(scene(lambda hosts: hosts.ssh("victim", ssh)))


@pytest.mark.engine
@pytest.mark.timeout(180)
def test_the_exec_client_docker_is_killed(
    container: Callable[[str, str], Container], scene: Bring
) -> None:
    kill_client(scene(lambda hosts: hosts.docker(container("victim", "python"))))


@pytest.mark.engine
@pytest.mark.timeout(180)
def test_the_exec_clients_of_every_kind_are_killed(
    medley: OneOfEach, evidence: Evidence, tmp_path: Path
) -> None:
    """All at once, but for the bystanders'; each host comes back, and no agent is left over."""
    hosts = {host.name: host for host in medley.hosts() if host.cmd}
    victims = ("kube", "lxd", "podman")
    tested = Mesh(medley.hub, hosts.values(), tmp_path)
    try:
        tested.start(wait_ready=READY, env=medley.env)
        tested.wait_event("ready", READY)
        scenes = [
            Scene(tested, hosts["ssh"], hosts["docker"], hosts[name], evidence) for name in victims
        ]
        old = [shown.agents() for shown in scenes]
        mark = len(tested.events)
        for name in victims:
            tested.exec_client(name).send_signal(signal.SIGKILL)
        for name in victims:
            tested.wait_states_since(mark, name, "lost", 5)
        for shown, before in zip(scenes, old, strict=True):
            shown.wait_back(mark, before)
        tested.stop()
    finally:
        tested.close()


@pytest.mark.timeout(180)
def test_the_sshd_of_the_session_is_killed(ssh: Ssh, scene: Bring) -> None:
    shown = scene(lambda hosts: hosts.ssh("victim", ssh))
    mark, old = len(shown.mesh.events), shown.agents()
    stream = shown.to_victim()
    there = processes_in([shown.victim.place.inode])
    servers = [pid for pid in there if cmdline(pid).startswith("sshd: ")]
    assert servers, f"no sshd among {[cmdline(pid) for pid in there]}"
    with shown.undisturbed():
        kill_all(servers)
        assert stream.wait_end(5) != "end of stream"
        shown.wait_back(mark, old)
    shown.mesh.stop()


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_container_is_paused_for_a_minute(
    container: Callable[[str, str], Container], scene: Bring
) -> None:
    shown = scene(lambda hosts: hosts.docker(container("victim", "python")))
    paused = shown.victim.place
    assert isinstance(paused, Container)
    mark, old = len(shown.mesh.events), shown.agents()
    stream = shown.to_victim()
    with shown.undisturbed():
        trickle = shown.evidence.meter(shown.other, shown.one, "/trickle", *TRICKLE)
        paused.pause()
        shown.mesh.wait_states_since(mark, shown.victim.name, "lost", 45)
        assert stream.wait_end(5) != "end of stream"
        # A minute by the bystanders' own clock: 64 bytes come twenty times a second.
        trickle.wait_bytes(64 * 20 * 60, 120)
        paused.unpause()
        back = len(shown.mesh.events)
        shown.wait_back(back, old)
    shown.mesh.stop()
