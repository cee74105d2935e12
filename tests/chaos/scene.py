"""The scene of a run: namespaces, sshds, a small disk, manifests and the traffic programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.chaos.clock import Clock
from tests.chaos.hosts import BY_NAME, HOSTS, LOCAL, ChaosHost
from tests.chaos.ways import AUTH, HTTP, SOCKS
from tests.transports.mesh import Event, Mesh, MeshHost
from tests.transports.netns import Namespace, Namespaces, link, namespaces
from tests.transports.procs import Background, run
from tests.transports.sshd import Ssh, make_ssh

_LINK = ("10.98.0.1", "10.98.0.2")
_SSH_PORT = 2222
_SHAPE = ("root", "tbf", "rate", "30mbit", "burst", "32kb", "limit", "40kb")
"""A queue so short that TCP loses packets whenever it sends faster than the link."""
_DISK = "512k"
_KEPT_EVENTS = 2000
MARK = "CHAOS_HOST"
"""A variable of the exec commands, by which their processes are known."""


class ChaosMesh(Mesh):
    """A mesh that runs for long: it keeps the newest events only, and hands each one on."""

    def __init__(self, hub: Namespace, hosts: Sequence[MeshHost], folder: Path, text: str) -> None:
        super().__init__(hub, hosts, folder, text)
        self.on_event: Callable[[Event], None] = lambda event: None

    def _take(self, line: str) -> None:
        super()._take(line)
        self.on_event(self.events[-1])
        if len(self.events) > _KEPT_EVENTS:
            del self.events[: _KEPT_EVENTS // 2]


class Scene:
    """Namespaces, servers, files and programs of a run. Use `scene` to make one."""

    def __init__(self, folder: Path, made: Namespaces, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.places = {host.name: made.make(host.name) for host in HOSTS}
        self.disk = self._mount_disk()
        self.clock = Clock(folder)
        self._make_networks()
        (folder / "ssh").mkdir(mode=0o700)
        self.ssh: Ssh = make_ssh(folder / "ssh")
        self.daemon = stack.enter_context(self.ssh.daemon(self.places["slow"], _SSH_PORT, _LINK[1]))
        self.base = folder / "base.yaml"
        self.other = folder / "other.yaml"
        self.saved = self.disk / "saved.yaml"
        self.base.write_text(self._manifest(HOSTS, 0))
        self.other.write_text(self._manifest(HOSTS[:-2], 1))

    # --- set-up

    def _mount_disk(self) -> Path:
        disk = self.folder / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={_DISK}", "chaos", str(disk))
        self._stack.callback(run, "umount", "-l", str(disk))
        return disk

    def _make_networks(self) -> None:
        """Give the routed hosts an address of their networks, and the slow host its link."""
        for host in HOSTS:
            if host.address:
                place = self.places[host.name].name
                run("ip", "-n", place, "addr", "add", f"{host.address}/32", "dev", "lo")
        ends = (self.places[LOCAL], self.places["slow"])
        link(*ends, "slow", (f"{_LINK[0]}/30", f"{_LINK[1]}/30"))
        self.shaped = all(_shape(place) for place in ends)

    def command(self, name: str, variant: int = 0) -> list[str]:
        """Return the exec command of a host; a `variant` differs, and leads to the same host."""
        place = self.places[name]
        relay = [sys.executable, str(Path(__file__).with_name("relay.py")), *place.enter()]
        words = {
            "nsenter": place.enter(),
            "relay": relay,
            "ssh": self.ssh.to_namespace(place),
            "link": self.ssh.to_port(_SSH_PORT, _LINK[1]),
        }[BY_NAME[name].way]
        return ["env", f"{MARK}={name}", *([f"CHAOS_TRY={variant}"] if variant else []), *words]

    def fill_in(self, line: str) -> str:
        """Return a command of the plan with the words in capitals filled in."""
        verb, _, rest = line.partition(" ")
        if verb == "ADD":
            name, number = rest.split()
            host = BY_NAME[name]
            ports = " ".join(f"--port {spec}" for spec in _PORTS)
            options = f"--vip {host.vips[int(number)]} --agent {host.agent}"
            state = f"--state-dir {self.disk / name}"
            return f"host add {name} {options} {state} {ports} -- {shlex.join(self.command(name))}"
        if verb == "SET":
            name, number = rest.split()
            return f"host set {name} -- {shlex.join(self.command(name, int(number)))}"
        files = {"BASE": self.base, "OTHER": self.other, "SAVED": self.saved}
        return " ".join(str(files.get(word, word)) for word in line.split(" "))

    # --- the mesh

    def _manifest(self, hosts: Sequence[ChaosHost], vip: int) -> str:
        entries = {host.name: self._entry(host, host.vips[vip]) for host in hosts}
        routes = [{"via": host.name, "to": [host.network]} for host in hosts if host.network]
        text = yaml.safe_dump({"hosts": entries, "routes": routes}, sort_keys=False)
        return f"# Every port is published on every host.\n{text}"

    def _entry(self, host: ChaosHost, vip: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"vip": vip, "ports": list(_PORTS)}
        if host.name != LOCAL:
            entry |= {"cmd": self.command(host.name), "agent": host.agent}
        entry["stateDir"] = {"pathOnAgent": str(self.disk / host.name)}
        if host.proxies:
            entry["http"] = {"listen": "{}:{}".format(*HTTP)}
        if host.name in (LOCAL, "enter"):
            auth = {"auth": ":".join(AUTH)} if host.name == LOCAL else {}
            entry["socks"] = {"listen": "{}:{}".format(*SOCKS), **auth}
        return entry

    @property
    def environment(self) -> dict[str, str]:
        """What the hub and `norouter ctl` get besides this process's own variables."""
        home = {"HOME": str(self.folder / "home"), "XDG_RUNTIME_DIR": str(self.folder / "run")}
        return {**home, "XDG_STATE_HOME": str(self.disk / "state"), "TMPDIR": str(self.folder)}

    def start_mesh(self, options: Sequence[str]) -> ChaosMesh:
        """Start the hub; it is ended with the scene if it still runs then."""
        for name in ("home", "run"):
            (self.folder / name).mkdir(mode=0o700)
        hosts = [
            MeshHost(host.name, host.vips[0], self.places[host.name], self.command(host.name))
            for host in HOSTS
            if host.name != LOCAL
        ]
        mesh = ChaosMesh(self.places[LOCAL], hosts, self.folder, self.base.read_text())
        self._stack.callback(mesh.close)
        mesh.start(env={**self.environment, **self.clock.environment}, options=options)
        return mesh

    @property
    def control_socket(self) -> Path:
        """The hub's control socket, once the mesh is ready."""
        return next((self.folder / "run" / "norouter").glob("*.sock"))

    # --- the traffic

    def traffic(self, host: str, *words: str, on_line: Any) -> Background:
        """Start a traffic program on a host; it is ended with the scene."""
        argv = [sys.executable, "-m", "tests.chaos.traffic", words[0], host, *words[1:]]
        stderr = self.folder / f"traffic-{host}-{'-'.join(words)}.stderr"
        program = Background(self.places[host].enter(*argv), stderr=stderr, on_line=on_line)
        return self._stack.enter_context(program)


_PORTS = ("8000:127.0.0.1:9000", "8001:127.0.0.1:9001", "8002:127.0.0.1:9002/udp")


def _shape(place: Namespace) -> bool:
    """Make the link slow and lossy; return whether this kernel can."""
    argv = place.enter("tc", "qdisc", "add", "dev", "slow", *_SHAPE)
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Make a scene in an empty folder. Nothing of it runs or is mounted afterwards."""
    with namespaces() as made, ExitStack() as stack:
        os.chmod(folder, 0o755)
        yield Scene(folder, made, stack)
