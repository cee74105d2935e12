"""Real hosts as fixtures. Each one skips with its reason where it cannot be had (`require`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.transports.docker import docker_engine
from tests.transports.engines import Container, Engine
from tests.transports.image import image
from tests.transports.lxd import Lxd, lxd_daemon
from tests.transports.mesh import Evidence, Mesh, MeshHost
from tests.transports.netns import Namespace, Namespaces, namespaces
from tests.transports.one_of_each import OneOfEach, start_one_of_each
from tests.transports.podman import podman_engine
from tests.transports.readme_hosts import ReadmeHosts, start_readme_hosts
from tests.transports.require import need_program
from tests.transports.root_dirs import root_dirs
from tests.transports.sshd import Ssh, make_ssh


@pytest.fixture(scope="session")
def kept_namespaces() -> Iterator[Namespaces]:
    """Namespaces that live as long as the test run."""
    with namespaces() as made:
        yield made


@pytest.fixture
def netns() -> Iterator[Callable[[str], Namespace]]:
    """Makes network namespaces for one test."""
    with namespaces() as made:
        yield made.make


@pytest.fixture
def ssh(tmp_path: Path) -> Ssh:
    """Keys and configurations of ssh and sshd, for namespaces and for a daemon on a port."""
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    return make_ssh(folder)


@pytest.fixture(scope="session")
def docker(kept_namespaces: Namespaces) -> Iterator[Engine]:
    """A docker daemon with the images `python`, `busybox` and `minimal`."""
    images = {name: image(name) for name in ("python", "busybox", "minimal")}
    at = kept_namespaces.make("dockerd")
    with root_dirs("docker") as folder, docker_engine(at, folder) as engine:
        for name, root in images.items():
            engine.load(root, name)
        yield engine


@pytest.fixture(scope="session")
def podman(kept_namespaces: Namespaces) -> Iterator[Engine]:
    """podman with the image `python`."""
    root = image("python")
    with root_dirs("podman") as folder, podman_engine(kept_namespaces, folder) as engine:
        engine.load(root, "python")
        yield engine


@pytest.fixture(scope="session")
def lxd(kept_namespaces: Namespaces) -> Iterator[Lxd]:
    """An LXD daemon with the image `python`."""
    root = image("python")
    with root_dirs("lxd") as folder, lxd_daemon(kept_namespaces, folder) as daemon:
        daemon.load(root, "python")
        yield daemon


@pytest.fixture(scope="session")
def medley(
    kept_namespaces: Namespaces, docker: Engine, podman: Engine, lxd: Lxd
) -> Iterator[OneOfEach]:
    """A host of each kind: docker, podman, kubectl, LXD and ssh, all with a page on port 80."""
    need_program("curl", "curl")
    with root_dirs("medley") as folder:
        with start_one_of_each(kept_namespaces, docker, podman, lxd, folder) as made:
            yield made


@pytest.fixture(scope="session")
def stage(
    kept_namespaces: Namespaces, docker: Engine, podman: Engine, lxd: Lxd
) -> Iterator[ReadmeHosts]:
    """The hosts that README's and examples' manifests speak of."""
    need_program("curl", "curl")
    with root_dirs("stage") as folder:
        with start_readme_hosts(kept_namespaces, docker, podman, lxd, folder) as made:
            yield made


@pytest.fixture
def container(docker: Engine) -> Iterator[Callable[[str, str], Container]]:
    """Runs containers for one test: `container(NAME, IMAGE)`."""
    with ExitStack() as stack:
        yield lambda name, tag: stack.enter_context(docker.container(name, tag))


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Evidence]:
    """Starts page servers and meters, and ends them."""
    need_program("curl", "curl")
    kept = Evidence(tmp_path)
    yield kept
    kept.close()


@pytest.fixture
def mesh(
    netns: Callable[[str], Namespace], tmp_path: Path
) -> Iterator[Callable[[list[MeshHost]], Mesh]]:
    """Makes meshes whose hub has a namespace of its own; whatever is left of one is ended."""
    hub = netns("hub")
    made: list[Mesh] = []

    def make(hosts: list[MeshHost], at: Namespace = hub) -> Mesh:
        mesh = Mesh(at, hosts, tmp_path)
        made.append(mesh)
        return mesh

    yield make
    for mesh in made:
        mesh.close()
