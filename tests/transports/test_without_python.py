"""Hosts without Python, of every kind: the native agent comes up, serves, and leaves nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.transports.engines import Container, Engine
from tests.transports.image import image
from tests.transports.lxd import Lxd
from tests.transports.manifest_run import prepare_run, running
from tests.transports.mesh import Mesh, MeshHost, Place
from tests.transports.netns import Namespace, Namespaces
from tests.transports.one_of_each import OneOfEach
from tests.transports.procs import run, wait_gone
from tests.transports.sshd import Ssh
from tests.transports.test_mesh import MIB, sha256_of, write_noise
from tests.transports.web import curl, serve

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(300)]

PORT = 8080
PACER = Path(__file__).parents[1] / "bootstrap/pacer.py"


@dataclass(frozen=True, slots=True)
class Kind:
    """A container: its image, the options of its `docker run` and of its `docker exec`."""

    image: str
    options: tuple[str, ...] = ()
    exec_options: tuple[str, ...] = ()


KINDS = {
    "busybox": Kind("busybox"),
    "perl": Kind("perl"),
    "lua": Kind("lua"),
    "read-only": Kind("perl", ("--read-only",)),
    "in-memory": Kind("perl", ("--read-only",), ("-u", "12345")),
    "noexec": Kind("busybox", ("--tmpfs", "/tmp:noexec")),
    "nameless": Kind("busybox", (), ("-u", "12345")),
    "small": Kind("busybox", ("-m", "32m")),
    "shellless": Kind("shellless"),
}


@pytest.fixture(scope="module")
def containers(
    docker: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Container]]:
    for name in ("perl", "lua"):
        docker.load(image(name), name)
    shellless = tmp_path_factory.mktemp("shellless")
    (shellless / "bin").mkdir()
    shutil.copy(image("busybox") / "bin/busybox", shellless / "bin/sleep")
    docker.load(shellless, "shellless")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(docker.container(name, kind.image, options=kind.options))
            for name, kind in KINDS.items()
        }


def changes(containers: Mapping[str, Container]) -> dict[str, set[str]]:
    """What was added to or changed in each container's file system."""
    return {
        name: set(container.engine.run("diff", name).splitlines())
        for name, container in containers.items()
    }


def without_names(found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """These changes, but for the names files in the home of root or in /."""
    return {
        name: {line for line in lines if "/.norouter" not in line and line != "C /root"}
        for name, lines in found.items()
    }


def files(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*")}


def commands(containers: Mapping[str, Container]) -> dict[str, list[str]]:
    return {name: ["docker", "exec", "-i", *KINDS[name].exec_options, name] for name in containers}


def manifest(cmds: Mapping[str, list[str]]) -> str:
    """A mesh of these hosts and this machine, in which each one publishes its page."""
    hosts: dict[str, dict[str, object]] = {"local": {"vip": "127.0.42.100"}}
    for number, (name, cmd) in enumerate(cmds.items(), 101):
        hosts[name] = {
            "vip": f"127.0.42.{number}",
            "cmd": cmd,
            "ports": [f"{PORT}:127.0.0.1:{PORT}"],
        }
    return str(yaml.safe_dump({"hosts": hosts}, sort_keys=False))


@contextmanager
def mesh_of(
    cmds: Mapping[str, list[str]],
    places: Mapping[str, Place],
    hub: Namespace,
    env: Mapping[str, str],
    folder: Path,
) -> Iterator[Mesh]:
    text = manifest(cmds)
    with running(prepare_run(text, hub, places), text, hub, env, folder) as tested:
        yield tested


def test_every_page_from_every_host(
    containers: dict[str, Container],
    docker: Engine,
    lxd: Lxd,
    ssh: Ssh,
    kept_namespaces: Namespaces,
    tmp_path: Path,
) -> None:
    hub, chroot, far = map(kept_namespaces.make, ("without", "chroot", "far"))
    jail = tmp_path / "jail"
    run("cp", "-a", str(image("busybox")), str(jail))
    before, jailed = changes(containers), files(jail)
    with ExitStack() as stack:
        instance = stack.enter_context(lxd.instance("with-python", "python"))
        places: dict[str, Place] = {**containers, "chroot": chroot, "far": far, "lxd": instance}
        cmds = {
            **commands(containers),
            "chroot": chroot.enter("chroot", str(jail)),
            "far": ssh.to_namespace(far),
            "lxd": instance.cmd,
        }
        for name, place in places.items():
            serve(stack, tmp_path, place, f"page-of-{name}", PORT)
        env = {**docker.env, **lxd.env}
        with mesh_of(cmds, places, hub, env, tmp_path) as tested:
            kinds = {name: tested.hosts[name]["agent"].split()[0] for name in cmds}
            assert kinds == dict.fromkeys(cmds, "Go") | {"far": "Python", "lxd": "Python"}
            urls = [f"http://127.0.42.{101 + number}:{PORT}/" for number in range(len(cmds))]
            pages = [f"page-of-{name}" for name in cmds]
            for name, place in {"local": hub, **places}.items():
                assert curl(place, "--fail", *urls).split() == pages, name
            assert without_names(changes(containers)) == before
            added = {path for path in files(jail) - jailed if Path(path).is_file()}
            assert all("/.norouter/agent/" in path for path in added)
    assert changes(containers) == before and files(jail) == jailed


def test_every_exec_command_carries_the_native_agent(medley: OneOfEach, tmp_path: Path) -> None:
    text, hosts = medley.manifest(agent="native"), medley.hosts()
    names, urls = [host.name for host in hosts], [host.url for host in hosts]
    trial = prepare_run(text, medley.hub, medley.places)
    with running(trial, text, medley.hub, medley.env, tmp_path) as tested:
        agents = {host.name: tested.hosts[host.name]["agent"][:3] for host in hosts if host.cmd}
        assert agents == dict.fromkeys(agents, "Go ")
        for host in hosts:
            assert curl(host.place, "--fail", *urls).split() == names, host.name


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(64 * MIB, id="64MiB"),
        pytest.param(1024 * MIB, id="1GiB", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_a_file_crosses_whole_between_native_agents(
    size: int,
    containers: dict[str, Container],
    docker: Engine,
    kept_namespaces: Namespaces,
    tmp_path: Path,
) -> None:
    names = "busybox", "perl"
    places = {name: containers[name] for name in names}
    hub = kept_namespaces.make(f"file-{size // MIB}")
    wanted = write_noise(tmp_path / "noise", size)
    got = tmp_path / "got"
    with ExitStack() as stack:
        serve(stack, tmp_path, places["busybox"], "owner", PORT, files=tmp_path)
        serve(stack, tmp_path, places["perl"], "other", PORT)
        with mesh_of(commands(places), places, hub, docker.env, tmp_path):
            fetch = ("--fail", "--max-time", "500", "-o", str(got))
            curl(places["perl"], *fetch, f"http://127.0.42.101:{PORT}/file/noise", timeout=520)
            assert (got.stat().st_size, sha256_of(got)) == (size, wanted)
            put = ("--fail", "--max-time", "500", "-T", str(tmp_path / "noise"))
            url = f"http://127.0.42.102:{PORT}/put"
            assert curl(places["busybox"], *put, url, timeout=520) == wanted
    got.unlink()
    (tmp_path / "noise").unlink()


def test_a_container_in_which_nothing_can_run(
    docker: Engine, kept_namespaces: Namespaces, tmp_path: Path
) -> None:
    options = {
        "locked": ("--read-only",),
        "full": ("--read-only", "--tmpfs", "/tmp:exec,mode=1777,size=1m"),
    }
    hub = kept_namespaces.make("locked")
    with ExitStack() as stack:
        places = {
            name: stack.enter_context(docker.container(name, "busybox", options=words))
            for name, words in options.items()
        }
        cmds = {name: ["docker", "exec", "-i", "-u", "12345", name] for name in options}
        hosts = [MeshHost(name, "", place, cmds[name]) for name, place in places.items()]
        tested = Mesh(hub, hosts, tmp_path, manifest(cmds))
        try:
            tested.start(env=docker.env)
            problems = {
                name: tested.wait_state(name, "failed", "stopped", timeout=30)["problem"]
                for name in options
            }
        finally:
            tested.close()
    assert {problem["kind"] for problem in problems.values()} == {"no-native-agent"}
    locked = problems["locked"]["message"]
    assert "/tmp, /, /run, .: Read-only file system" in locked
    assert "/dev/shm: cannot execute (exit status 126: Permission denied)" in locked
    assert "`--tmpfs /tmp:exec`" in problems["locked"]["hint"]
    assert "/tmp: no room for " in problems["full"]["message"]
    assert problems["full"]["hint"].startswith("/tmp needs ")


def test_a_hub_that_is_killed_in_mid_transfer(
    containers: dict[str, Container], docker: Engine, kept_namespaces: Namespaces, tmp_path: Path
) -> None:
    hub, chroot = map(kept_namespaces.make, ("killed", "killed-chroot"))
    jail = tmp_path / "jail"
    run("cp", "-a", str(image("busybox")), str(jail))
    names = "busybox", "perl", "nameless"
    before, jailed = changes(containers), files(jail)
    cmds = {
        **{name: words for name, words in commands(containers).items() if name in names},
        "chroot": chroot.enter("chroot", str(jail)),
    }
    slow = {name: [sys.executable, str(PACER), "4000", "--", *cmd] for name, cmd in cmds.items()}
    places: dict[str, Place] = {**containers, "chroot": chroot}
    hosts = [MeshHost(name, "", places[name], cmd) for name, cmd in slow.items()]
    tested = Mesh(hub, hosts, tmp_path, manifest(slow))
    try:
        tested.start(env=docker.env)
        tested.wait_for(
            lambda: all(received(tested, name) > 0 for name in slow), 30, "a part on each host"
        )
        assert all(received(tested, name) < tested.hosts[name]["agent_size"] for name in slow)
        tested.kill()
        assert wait_gone(tested.started, 15) == []
    finally:
        tested.close()
    assert changes(containers) == before and files(jail) == jailed


def received(tested: Mesh, name: str) -> int:
    """How many bytes of the agent have arrived on a host."""
    return int(tested.hosts.get(name, {}).get("agent_received", 0))
