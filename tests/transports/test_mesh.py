"""Every host reaches every other's page at its VIP, over every kind of exec command here."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.model import DEFAULT_DNS_PORT
from tests.transports.engines import Container
from tests.transports.hosts import Hosts
from tests.transports.mesh import PAGE_PORT, Evidence, Mesh, MeshHost, fetch_all, listening_in
from tests.transports.netns import Namespace
from tests.transports.procs import run
from tests.transports.pythons import pythons
from tests.transports.require import need
from tests.transports.sshd import Ssh

pytestmark = pytest.mark.root

READY = 30.0
MIB = 1 << 20


def fetch_everything(hosts: Sequence[MeshHost]) -> None:
    wanted = [host.name for host in hosts]
    assert {host.name: fetch_all(host, hosts) for host in hosts} == dict.fromkeys(wanted, wanted)


@pytest.mark.engine
@pytest.mark.timeout(180)
def test_every_host_fetches_every_page(
    netns: Callable[[str], Namespace],
    ssh: Ssh,
    container: Callable[[str, str], Container],
    evidence: Evidence,
    mesh: Callable[..., Mesh],
) -> None:
    hub = netns("hub")
    hosts = Hosts(netns)
    for number in range(1, 6):
        hosts.nsenter(f"ns{number}")
    hosts.ssh("ssh1", ssh)
    hosts.ssh("ssh2", ssh)
    hosts.ssh_port("sshport", ssh, hub, 20022)
    py = hosts.docker(container("py", "python"))
    up = list(hosts.made)
    bare = replace(hosts.docker(container("bare", "busybox")), agent="python")
    hosts.made[-1] = bare
    for host in up:
        evidence.serve_pages(host)
    with ssh.daemon(hub, 20022):
        tested = mesh(hosts.made, at=hub)
        tested.start(env=container_env(py))
        for host in up:
            tested.wait_state(host.name, "ready", timeout=READY)
        tested.wait_bound([host.name for host in up], READY)
        problem = tested.wait_state(bare.name, "failed", "backing off", timeout=READY)["problem"]
        assert problem["kind"] == "no-python"
        assert "docker exec -i bare" in problem["command"]
        assert problem["hint"]
        fetch_everything(up)
        tested.stop()


def container_env(host: MeshHost) -> Mapping[str, str]:
    assert isinstance(host.place, Container)
    return host.place.engine.env


def test_ready_is_told_and_a_clean_stop_leaves_nothing(
    netns: Callable[[str], Namespace], ssh: Ssh, evidence: Evidence, mesh: Callable[..., Mesh]
) -> None:
    hosts = Hosts(netns)
    hosts.nsenter("one")
    hosts.ssh("two", ssh)
    for host in hosts.made:
        evidence.serve_pages(host)
    served = {host.name: listening_in(host.place) for host in hosts.made}
    tested = mesh(hosts.made)
    tested.start(wait_ready=READY)
    assert tested.wait_event("ready", READY)["hosts"] == 2
    for host in hosts.made:
        assert tested.agents(host.name), f"no agent on {host.name}: nothing to leave behind"
        wanted = {f"{to.vip}:{PAGE_PORT}" for to in hosts.made}
        wanted.add(f"{host.vip}:{DEFAULT_DNS_PORT}")
        assert listening_in(host.place) - served[host.name] == wanted
    fetch_everything(hosts.made)
    tested.stop()
    assert {host.name: listening_in(host.place) for host in hosts.made} == served


def test_interrupt_is_a_clean_stop_too(
    netns: Callable[[str], Namespace], ssh: Ssh, mesh: Callable[..., Mesh]
) -> None:
    hosts = Hosts(netns)
    hosts.nsenter("one")
    hosts.ssh("two", ssh)
    tested = mesh(hosts.made)
    tested.start(wait_ready=READY)
    tested.wait_event("ready", READY)
    tested.stop(signal.SIGINT)


@pytest.mark.timeout(120)
def test_every_python_carries_an_agent(
    netns: Callable[[str], Namespace],
    tmp_path: Path,
    evidence: Evidence,
    mesh: Callable[..., Mesh],
) -> None:
    found = pythons()
    need(len(found) > 1, "only one Python was found")
    hosts = Hosts(netns)
    for number, python in enumerate(found):
        path = python.only_python(tmp_path / f"path{number}")
        hosts.nsenter(f"py{number}", "env", f"PATH={path}")
    for host in hosts.made:
        evidence.serve_pages(host)
    tested = mesh(hosts.made)
    tested.start(wait_ready=60)
    tested.wait_event("ready", 60)
    for host, python in zip(hosts.made, found, strict=True):
        agent = str(tested.hosts[host.name]["agent"])
        assert python.dotted in agent or (python.is_pypy and "PyPy" in agent), agent
    fetch_everything(hosts.made)
    tested.stop()


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(64 * MIB, id="64MiB", marks=pytest.mark.timeout(120)),
        pytest.param(1024 * MIB, id="1GiB", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_a_file_crosses_whole(
    size: int,
    netns: Callable[[str], Namespace],
    ssh: Ssh,
    tmp_path: Path,
    evidence: Evidence,
    mesh: Callable[..., Mesh],
) -> None:
    """Down by GET and up by PUT, remote to remote, one of the two behind ssh."""
    hosts = Hosts(netns)
    owner, other = hosts.nsenter("owner"), hosts.ssh("other", ssh)
    wanted = write_noise(tmp_path / "noise", size)
    evidence.serve_pages(owner, tmp_path)
    evidence.serve_pages(other)
    tested = mesh(hosts.made)
    tested.start(wait_ready=READY)
    tested.wait_event("ready", READY)
    curl = ("curl", "-sS", "--fail", "--max-time", "270")
    got = tmp_path / "got"
    url = f"{owner.url}/file/noise"
    run(*other.place.enter(*curl, "-o", str(got), url), timeout=280)
    assert got.stat().st_size == size
    assert sha256_of(got) == wanted
    put = ("-T", str(tmp_path / "noise"), f"{other.url}/put")
    assert run(*owner.place.enter(*curl, *put), timeout=280).strip() == wanted
    got.unlink()
    (tmp_path / "noise").unlink()
    tested.stop()


def write_noise(path: Path, size: int) -> str:
    """Write `size` bytes that no compression and no repetition can hide in; their sha256."""
    digest = hashlib.sha256()
    with path.open("wb") as sink:
        for _ in range(size // MIB):
            block = os.urandom(MIB)
            digest.update(block)
            sink.write(block)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
