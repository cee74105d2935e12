"""The real hosts by themselves: what the other tests here stand on."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.transports.engines import Container
from tests.transports.hosts import Hosts
from tests.transports.image import image
from tests.transports.mesh import Evidence, listening_in
from tests.transports.netns import Namespace
from tests.transports.procs import processes_in, run, wait_gone
from tests.transports.pythons import pythons
from tests.transports.require import need
from tests.transports.sshd import Ssh

pytestmark = pytest.mark.root


def test_namespaces_share_no_loopback(
    netns: Callable[[str], Namespace], evidence: Evidence
) -> None:
    hosts = Hosts(netns)
    one, other = hosts.nsenter("one"), hosts.nsenter("other")
    evidence.serve_pages(one)
    url = "http://127.0.0.1:8080"
    assert run(*one.place.enter("curl", "-sS", url)) == "one\n"
    assert listening_in(one.place) == {"127.0.0.1:8080"}
    refused = subprocess.run(other.place.enter("curl", "-s", url), check=False)
    assert refused.returncode == 7, "curl should have been refused"


def test_sshd_of_a_namespace_needs_no_port(netns: Callable[[str], Namespace], ssh: Ssh) -> None:
    place = netns("s")
    told = run(*ssh.to_namespace(place), "sh", stdin=b"readlink /proc/self/ns/net\n")
    assert told.strip() == f"net:[{place.inode}]"
    assert not wait_gone(lambda: processes_in([place.inode]), 5)


def test_sshd_on_a_port(netns: Callable[[str], Namespace], ssh: Ssh) -> None:
    place = netns("s")
    with ssh.daemon(place, 20022):
        assert listening_in(place) == {"127.0.0.1:20022"}
        assert run(*place.enter(*ssh.to_port(20022), "echo", "hello")) == "hello\n"


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [("python", "import asyncio, json, ctypes", 0), ("minimal", "import queue", 1)],
)
def test_an_image_holds_the_python_it_should(name: str, code: str, status: int) -> None:
    done = subprocess.run(
        ["chroot", str(image(name)), "python3", "-c", code], capture_output=True, check=False
    )
    assert done.returncode == status, done.stderr


@pytest.mark.engine
def test_containers_run_what_they_should(container: Callable[[str, str], Container]) -> None:
    py = container("py", "python")
    assert run(*py.enter("python3", "-"), stdin=b"print(6 * 7)") == "42\n"
    assert listening_in(py) == set()
    bare = container("bare", "busybox")
    assert run(*bare.enter("sh"), stdin=b"command -v python3 || echo none\n") == "none\n"


@pytest.mark.engine
def test_a_paused_container_stands_still(container: Callable[[str, str], Container]) -> None:
    py = container("py", "python")
    py.pause()
    refused = subprocess.run(py.enter("true"), capture_output=True, check=False)
    assert refused.returncode == 1
    assert b"paused" in refused.stderr
    py.unpause()
    run(*py.enter("true"))


def test_a_held_command_sees_no_end_of_input(
    netns: Callable[[str], Namespace], ssh: Ssh, evidence: Evidence
) -> None:
    """The stand-in for an exec client that survives the hub does what the orphan tests need."""
    hosts = Hosts(netns)
    host = hosts.ssh("held", ssh, held=True)
    # Its own stdin is at its end from the start; timeout's 124 says that cat's was not.
    held = evidence.start([*host.cmd, "timeout 1 cat; echo status $?"], "held")
    held.wait_line("status 124", 20)
    assert held.process.wait(10) == 0


def test_a_meter_sees_a_stream_stand_still(
    netns: Callable[[str], Namespace], evidence: Evidence
) -> None:
    host = Hosts(netns).nsenter("here")
    evidence.serve_pages(host)
    server = evidence.running[-1]
    direct = replace(host, vip="127.0.0.1")
    meter = evidence.meter(direct, direct, "/trickle", 4096, 0)
    meter.wait_bytes(640, 10)
    assert meter.last["gap"] < 1
    server.process.send_signal(signal.SIGSTOP)
    meter.program.wait_until(lambda: meter.last["gap"] > 1, 10, "a gap")
    server.process.send_signal(signal.SIGCONT)
    meter.wait_bytes(640, 10)
    server.process.kill()
    assert meter.wait_end(10)


def test_every_python_can_be_the_only_one(tmp_path: Path) -> None:
    need(pythons(), "no Python >= 3.8 was found")
    for number, python in enumerate(pythons()):
        path = python.only_python(tmp_path / str(number))
        command = ["env", f"PATH={path}", "sh", "-c", "python3 -V; command -v python3.11"]
        done = subprocess.run(command, capture_output=True, check=False)
        assert python.dotted.encode() in done.stdout or b"PyPy" in done.stdout, python
        assert b"python3.11" not in done.stdout
