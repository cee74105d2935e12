"""One host of each kind, under the names that NoRouter's README gives them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.transports.engines import Engine
from tests.transports.kube import clusters
from tests.transports.lxd import Lxd
from tests.transports.machine import Machine, machine
from tests.transports.mesh import MeshHost, Place
from tests.transports.netns import Namespace, Namespaces
from tests.transports.sshd import Ssh, make_ssh
from tests.transports.web import serve

WEB = 80
API = 6443
SSH_HOST = "some-ssh-host.example.com"

PORTS = (f"8080:127.0.0.1:{WEB}",)
VIPS = {
    "local": "127.0.42.100",
    "docker": "127.0.42.101",
    "kube": "127.0.42.102",
    "lxd": "127.0.42.103",
    "ssh": "127.0.42.104",
    "podman": "127.0.42.105",
}
COMMANDS = {
    "local": "",
    "docker": "docker exec -i some-container",
    "kube": "kubectl --context=some-context exec -i some-pod --",
    "lxd": "lxc exec some-container --",
    "ssh": f"ssh some-user@{SSH_HOST} --",
    "podman": "podman exec -i some-podman-container",
}


@dataclass(frozen=True, slots=True)
class OneOfEach:
    """The hub's namespace, and the hosts; `env` is what the hub's exec commands need."""

    hub: Namespace
    places: Mapping[str, Place]
    env: Mapping[str, str]

    def hosts(self, *names: str) -> list[MeshHost]:
        """These hosts, all of them where none is named; the hub's own is `local`."""
        return [
            MeshHost(name, VIPS[name], self.places[name], COMMANDS[name].split(), PORTS)
            for name in names or self.places
        ]

    def manifest(self, **options: object) -> str:
        """A manifest of all hosts with nothing installed, each with these options besides."""
        entries = {
            host.name: {"vip": host.vip, "ports": list(host.ports), **options}
            | ({"cmd": " ".join(host.cmd)} if host.cmd else {})
            for host in self.hosts()
        }
        return str(yaml.safe_dump({"hosts": entries}, sort_keys=False))


@contextmanager
def start_one_of_each(
    made: Namespaces, docker: Engine, podman: Engine, lxd: Lxd, folder: Path
) -> Iterator[OneOfEach]:
    """Starts one host of each kind, with its web server on port 80 of its loopback."""
    hub = made.make("medley")
    with ExitStack() as stack:
        boxes: dict[str, Machine] = {
            name: stack.enter_context(
                machine(made.make(name), folder / name, mounted_hosts=name == "kube")
            )
            for name in ("kube", "ssh")
        }
        (folder / "cluster").mkdir()
        pods = {"some-context": {"some-pod": boxes["kube"]}}
        kube = stack.enter_context(clusters(hub, API, pods, folder / "cluster"))
        places: dict[str, Place] = {
            "local": hub,
            "docker": stack.enter_context(docker.container("some-container", "python")),
            "kube": boxes["kube"],
            "lxd": stack.enter_context(lxd.instance("some-container", "python")),
            "ssh": boxes["ssh"],
            "podman": stack.enter_context(podman.container("some-podman-container", "python")),
        }
        env = {**docker.env, **podman.env, **lxd.env, **kube.env}
        env["PATH"] = _programs(folder, boxes["ssh"])
        for name, place in places.items():
            serve(stack, folder, place, name, WEB)
        yield OneOfEach(hub, places, env)


def _programs(folder: Path, box: Machine) -> str:
    """A PATH on which `ssh` has the test's configuration."""
    (folder / "ssh-keys").mkdir(mode=0o700)
    ssh: Ssh = make_ssh(folder / "ssh-keys")
    ssh.name_machine(box, SSH_HOST)
    programs = folder / "bin"
    programs.mkdir()
    ssh.shim(programs)
    assert shutil.which("ssh", path=str(programs))
    return f"{programs}:{os.environ['PATH']}"
