"""What a person is told of hosts that cannot be: each by the real thing, never by a stand-in."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transports.engines import Container, Engine
from tests.transports.hosts import Hosts
from tests.transports.image import image
from tests.transports.lxd import Lxd
from tests.transports.mesh import Mesh
from tests.transports.netns import Namespace
from tests.transports.one_of_each import OneOfEach
from tests.transports.sshd import Ssh

pytestmark = pytest.mark.root


def told(tested: Mesh, name: str) -> dict[str, object]:
    status = tested.wait_state(name, "failed", "backing off", timeout=30)
    problem = status["problem"]
    assert problem["message"] and problem["hint"] and problem["command"]
    assert "Traceback" not in str(problem)
    return dict(problem)


def the_rest_is_up(tested: Mesh) -> None:
    tested.wait_state("whole", "ready", timeout=30)
    tested.stop()


def check_crippled(problem: dict[str, object]) -> None:
    """It names a module of the standard library that this Python cannot import indeed."""
    assert problem["kind"] == "python-incomplete"
    words = set(re.findall(r"\w+", f"{problem['message']} {problem['hint']}"))
    named = words & sys.stdlib_module_names
    root = str(image("minimal"))
    imports = {
        module: subprocess.run(
            ["chroot", root, "python3", "-c", f"import {module}"], capture_output=True, check=False
        ).returncode
        for module in named
    }
    assert 1 in imports.values(), (problem, imports)


def test_a_crippled_and_a_missing_python_in_a_chroot(
    netns: Callable[[str], Namespace], mesh: Callable[..., Mesh]
) -> None:
    hosts = Hosts(netns, "python")
    hosts.nsenter("crippled", "chroot", str(image("minimal")))
    hosts.nsenter("bare", "chroot", str(image("busybox")))
    hosts.nsenter("whole", "chroot", str(image("python")))
    tested = mesh(hosts.made)
    tested.start()
    check_crippled(told(tested, "crippled"))
    assert told(tested, "bare")["kind"] == "no-python"
    the_rest_is_up(tested)


@pytest.mark.engine
def test_docker_that_cannot(
    netns: Callable[[str], Namespace],
    docker: Engine,
    container: Callable[[str, str], Container],
    mesh: Callable[..., Mesh],
) -> None:
    hosts = Hosts(netns, "python")
    hosts.docker(container("crippled", "minimal"))
    hosts.command("absent", "docker", "exec", "-i", "no-such-container")
    hosts.nsenter("whole")
    hosts.command("tty", "docker", "exec", "-it", container("typed", "python").name)
    tested = mesh(hosts.made)
    tested.start(env=docker.env)
    check_crippled(told(tested, "crippled"))
    absent = told(tested, "absent")
    assert absent["kind"] == "no-such-container"
    assert absent["exit_status"] == 1
    assert told(tested, "tty")["kind"] == "tty"
    the_rest_is_up(tested)


def test_ssh_and_nothing_that_cannot(
    netns: Callable[[str], Namespace], ssh: Ssh, tmp_path: Path, mesh: Callable[..., Mesh]
) -> None:
    hosts = Hosts(netns)
    (tmp_path / "empty").touch()
    to = netns("to").name
    stranger = ssh.client("-o", f"UserKnownHostsFile={tmp_path}/empty", to)
    hosts.command("stranger", *stranger)
    hosts.command("locked", *ssh.client("-o", "PubkeyAuthentication=no", to))
    hosts.nsenter("whole")
    hosts.command("absent", "norouter-test-no-such-program")
    tested = mesh(hosts.made)
    tested.start()
    assert told(tested, "stranger")["kind"] == "host-key"
    assert told(tested, "locked")["kind"] == "login-failed"
    assert told(tested, "absent")["kind"] == "command-not-found"
    the_rest_is_up(tested)


@pytest.mark.engine
def test_podman_lxc_and_kubectl_that_cannot(
    netns: Callable[[str], Namespace],
    medley: OneOfEach,
    podman: Engine,
    lxd: Lxd,
    mesh: Callable[..., Mesh],
) -> None:
    """The hub is where kubectl finds its API server. The end sees that podman left no shell."""
    podman.load(image("busybox"), "busybox")
    lxd.load(image("busybox"), "busybox")
    kubectl = ("kubectl", "--context=some-context", "exec", "-i")
    hosts = Hosts(netns, "python")
    with podman.container("bare", "busybox"), lxd.instance("bare", "busybox"):
        hosts.command("podman-bare", "podman", "exec", "-i", "bare")
        hosts.command("podman-absent", "podman", "exec", "-i", "no-such-container")
        hosts.command("podman-tty", "podman", "exec", "-it", "some-podman-container")
        hosts.command("lxc-bare", "lxc", "exec", "bare", "--")
        hosts.command("lxc-absent", "lxc", "exec", "no-such-instance", "--")
        hosts.command("kubectl-absent", *kubectl, "no-such-pod", "--")
        hosts.command("kubectl-program", *kubectl, "some-pod", "--", "no-such-program", "sh")
        hosts.command("kubectl-words", *kubectl, "some-pod")
        nowhere = ("kubectl", "--server=http://127.0.0.1:1", "exec", "-i")
        hosts.command("kubectl-down", *nowhere, "some-pod", "--")
        hosts.nsenter("whole")
        tested = mesh(hosts.made, at=medley.hub)
        tested.start(env=medley.env)
        kinds = {host.name: told(tested, host.name)["kind"] for host in hosts.made[:-1]}
        assert kinds == {
            "podman-bare": "no-python",
            "podman-absent": "no-such-container",
            "podman-tty": "tty",
            "lxc-bare": "no-python",
            "lxc-absent": "no-such-container",
            "kubectl-absent": "no-such-container",
            "kubectl-program": "command-not-found",
            "kubectl-words": "usage",
            "kubectl-down": "engine-down",
        }
        the_rest_is_up(tested)
