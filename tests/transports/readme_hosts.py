"""The hosts that manifests speak of, by the same names: those of NoRouter's README about proxies,
and those of this project's examples/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.engines import DNS, Container, Engine
from tests.transports.kube import clusters
from tests.transports.lxd import Lxd
from tests.transports.machine import Machine, machine
from tests.transports.mesh import Place
from tests.transports.netns import Namespace, Namespaces, link
from tests.transports.procs import Background, run
from tests.transports.require import need_program
from tests.transports.sshd import make_ssh
from tests.transports.web import serve

API = 6443
GATEWAY, BACKEND = "10.0.0.1", "10.0.0.7"
"""In every private network the same addresses."""

# Each stands with one leg in a private network, where the backend has these names.
BASTIONS = {
    "aws": "ip-10-0-0-7.ap-northeast-1.compute.internal",
    "azure": "some-azure-host.internal.cloudapp.net",
    "gcp": "some-gcp-host.asia-northeast1-b.c.example-123456.internal",
}
SSH_NAMES = {
    "aws_bastion": "aws",
    "azure_bastion": "azure",
    "gcp_bastion": "gcp",
    "web.example.com": "aws",
    "bastion.example.com": "azure",
    "db.example.com": "gcp",
    "shop.westeurope.azurecontainer.io": "gcp",
}
MORE_NAMES = {"azure": "db.internal.example.com", "west": "postgres.shop.svc.cluster.local"}
DISTANT = "fd00::17"
"""An address beyond azure's bastion, which answers for it itself."""
SERVICE = "nginx.default.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class ReadmeHosts:
    """`places` has each container as `ENGINE/NAME`, each machine and backend by its name.

    `env` is what the hub's exec commands need, in `hub`.
    """

    hub: Namespace
    places: Mapping[str, Place]
    env: Mapping[str, str]

    def machine(self, name: str) -> Machine:
        place = self.places[name]
        assert isinstance(place, Machine)
        return place


@contextmanager
def start_readme_hosts(
    made: Namespaces, docker: Engine, podman: Engine, lxd: Lxd, folder: Path
) -> Iterator[ReadmeHosts]:
    """Starts all of it; web servers are up on port 80 of every network, not of loopbacks."""
    hub = made.make("stage")
    with ExitStack() as stack:
        places: dict[str, Place] = {}
        boxes = _machines(stack, made, folder, places)
        _containers(stack, docker, podman, lxd, places, folder)
        (folder / "cluster").mkdir()
        pods = {
            "east": {"web-0": boxes["aws"]},
            "west": {"web-7f": boxes["west"], "bastion": boxes["west"]},
        }
        kube = stack.enter_context(clusters(hub, API, pods, folder / "cluster"))
        env = {**docker.env, **podman.env, **lxd.env, **kube.env}
        (folder / "ssh-keys").mkdir(mode=0o700)
        ssh = make_ssh(folder / "ssh-keys")
        for name, box in SSH_NAMES.items():
            ssh.name_machine(boxes[box], name)
        programs = folder / "bin"
        programs.mkdir()
        ssh.shim(programs)
        env["PATH"] = f"{programs}:{os.environ['PATH']}"
        yield ReadmeHosts(hub, places, env)


def _machines(
    stack: ExitStack, made: Namespaces, folder: Path, places: dict[str, Place]
) -> dict[str, Machine]:
    """A machine for each cloud, one for Kubernetes, and a backend behind each of them."""
    boxes = {}
    for name in (*BASTIONS, "west"):
        namespace, backend = made.make(name), made.make(f"{name}-back")
        box = stack.enter_context(machine(namespace, folder / name, mounted_hosts=False))
        link(namespace, backend, "inside", (f"{GATEWAY}/24", f"{BACKEND}/24"))
        known = [BASTIONS.get(name), MORE_NAMES.get(name)]
        with (box.root / "etc/hosts").open("a") as hosts:
            hosts.write(f"{BACKEND} {' '.join(filter(None, known))}\n")
        places[name], places[f"{name}-back"] = box, backend
        boxes[name] = box
        serve(stack, folder, backend, f"backend-of-{name}", 80, BACKEND)
    run(*boxes["azure"].net("ip", "addr", "add", f"{DISTANT}/128", "dev", "lo", "nodad"))
    _cluster_dns(stack, folder, boxes["west"], places["west-back"])
    return boxes


def _cluster_dns(stack: ExitStack, folder: Path, pod: Machine, services: Place) -> None:
    """A name server that knows the service's name: no file of the pod does."""
    dnsmasq = need_program("dnsmasq", "dnsmasq-base")
    words = [dnsmasq, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--log-facility=-"]
    words += [f"--listen-address={BACKEND}", "--bind-interfaces", "--pid-file", "--conf-file"]
    words += [f"--address=/{SERVICE}/{BACKEND}", "--user=root", "--group=root"]
    log = folder / "dnsmasq.log"
    started = stack.enter_context(Background(services.enter(*words), stderr=log, merge_stderr=True))
    started.wait_line("started", 10)
    (pod.root / "etc/resolv.conf").write_text(f"nameserver {BACKEND}\noptions timeout:2\n")


def _containers(
    stack: ExitStack,
    docker: Engine,
    podman: Engine,
    lxd: Lxd,
    places: dict[str, Place],
    folder: Path,
) -> None:
    for engine, names in ((docker, ("web", "data")), (podman, ("web", "tools"))):
        for name in names:
            made = stack.enter_context(engine.container(name, "python"))
            places[f"{engine.program}/{name}"] = made
    for name in ("web", "builder"):
        places[f"lxd/{name}"] = stack.enter_context(lxd.instance(name, "python"))
    lxd.name_remote("lab")
    for engine, options in ((docker, ("--internal",)), (podman, ())):
        network = stack.enter_context(engine.network("foo", *options))
        for name in ("nginx", "bastion"):
            words = ("--hostname", name, *(DNS if engine is docker else ()))
            alpine = name == "bastion" and engine is docker
            tag = "busybox" if alpine else "python"
            made = stack.enter_context(engine.container(name, tag, network=network, options=words))
            places[f"{engine.program}/{name}"] = made
        nginx = places[f"{engine.program}/nginx"]
        assert isinstance(nginx, Container)
        serve(stack, folder, nginx, f"nginx-of-{engine.program}", 80, "0.0.0.0")
