"""A mesh of four hosts that carries real servers: `MANIFEST` says where each of them is."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.transports.engines import Container, Engine
from tests.transports.mesh import Mesh, MeshHost, Place
from tests.transports.netns import Namespace
from tests.transports.procs import Background, run
from tests.transports.sshd import Ssh

HERE, DB, WEB, BOX, ENGINE = (f"127.0.42.{number}" for number in range(100, 105))
HTTP, SOCKS = "127.0.0.1:18080", "127.0.0.1:18081"
READY = 60.0

MANIFEST = """\
hosts:
  local:
    vip: 127.0.42.100
    http: {{listen: "127.0.0.1:18080"}}
    socks: {{listen: "127.0.0.1:18081"}}
  db:                     # by ssh
    cmd: {db}
    vip: 127.0.42.101
    ports:
      - 5432              # PostgreSQL
      - 3306              # MariaDB
      - 27017             # NX-27017, which speaks MongoDB's protocol
      - 6379              # a node of the Redis cluster,
      - 16379             # and what the nodes tell each other
  web:                    # a network namespace
    cmd: {web}
    vip: 127.0.42.102
    aliases: [www.field.test]
    ports:
      - 80                # nginx, which listens on all addresses
      - 443               # with TLS and HTTP/2,
      - 8081              # with HTTP/2 alone
      - 8000              # aiohttp: WebSockets, events, the pages of the browser
      - 50051             # gRPC
      - 4433/udp          # HTTP/3
      - 53                # dnsmasq
      - 53/udp
      - 22                # sshd: git, rsync, sftp
      - 9418              # git daemon
      - 873               # rsync daemon
      - 21                # vsftpd, passive
      - 30000
      - 30001
      - 30002
      - 30003
      - 6379
      - 16379
  box:                    # a container, by docker exec
    cmd: {box}
    vip: 127.0.42.103
    ports:
      - 9092              # Tansu, a Kafka broker
      - 1883              # mosquitto
      - 25:127.0.0.1:8025 # aiosmtpd
      - 6379
      - 16379
  engine:                 # where dockerd is
    cmd: {engine}
    vip: 127.0.42.104
    ports: [2375]
"""

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def entered(place: Place) -> Iterator[None]:
    """Move this thread into the network of a place; its sockets and children are there then."""
    name = _network(place)
    with open("/proc/thread-self/ns/net") as own, open(name) as other:
        _setns(other.fileno())
        try:
            yield
        finally:
            _setns(own.fileno())


def _network(place: Place) -> str:
    if isinstance(place, Container):
        return f"/proc/{place.pid}/ns/net"
    assert isinstance(place, Namespace)
    return str(place.path)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@dataclass
class Field:
    """The running mesh; `folder` is in memory, and everybody may go through it."""

    hub: Namespace
    places: Mapping[str, Place]
    docker: Engine
    ssh: Ssh
    folder: Path
    _mesh: Mesh | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def mesh(self) -> Mesh:
        assert self._mesh is not None, "the mesh has not been started"
        return self._mesh

    @contextmanager
    def running(self) -> Iterator[None]:
        """`norouter run` of the manifest, ready; at the end nothing of it may be left."""
        cmds = {
            "db": self.ssh.to_namespace(_namespace(self.places["db"])),
            "web": self.places["web"].enter(),
            "box": ["docker", "exec", "-i", "box"],
            "engine": self.places["engine"].enter(),
        }
        text = MANIFEST.format(**{name: json.dumps(cmd) for name, cmd in cmds.items()})
        vips = {"local": HERE, "db": DB, "web": WEB, "box": BOX, "engine": ENGINE}
        hosts = [
            MeshHost(name, vip, self.places[name], cmds.get(name, ())) for name, vip in vips.items()
        ]
        self._mesh = Mesh(self.hub, hosts, self.folder, text)
        try:
            self._mesh.start(wait_ready=READY, env=self.docker.env)
            self._mesh.wait_event("ready", READY)
            yield
            self._mesh.stop()
        finally:
            self._mesh.close()

    def make_folder(self, label: str, owner: str = "root") -> Path:
        """A new folder in `folder`, of that user."""
        made = self.folder / f"{next(self._numbers)}-{label}"
        made.mkdir(mode=0o755)
        run("chown", f"{owner}:", str(made))
        return made

    def run(self, at: str, *argv: str, timeout: float = 60, stdin: bytes = b"") -> str:
        """Run a program of this machine in the network of a host and return its stdout."""
        return run(*self.places[at].net(*argv), timeout=timeout, stdin=stdin)

    @contextmanager
    def serving(
        self, at: str, argv: Sequence[str], *ports: int, env: Mapping[str, str] | None = None
    ) -> Iterator[Background]:
        """A server of this machine in the network of a host, which listens at TCP `ports`."""
        log = self.folder / f"{next(self._numbers)}-{Path(argv[0]).name}.log"
        words = self.places[at].net(*argv)
        variables = {**os.environ, **(env or {})}
        with Background(words, stderr=log, env=variables, merge_stderr=True) as server:
            wait_listening(self.places[at], server, *ports)
            try:
                yield server
            finally:
                # Some leave their children behind, which would keep the log open.
                os.killpg(server.pid, signal.SIGTERM)
                server.stop()


def _namespace(place: Place) -> Namespace:
    assert isinstance(place, Namespace)
    return place


def wait_listening(place: Place, server: Background, *ports: int, timeout: float = 30) -> None:
    """Wait until something in the place listens at each of the TCP ports."""

    def is_up() -> bool:
        ended = server.process.poll()
        assert ended is None, f"{server.argv}: exit {ended}\n" + "\n".join(server.lines)
        return _listening() >= set(ports)

    with entered(place):
        wait_until(is_up, timeout, f"{server.argv} listens at {ports}")


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Return once the condition holds, which is looked at every 20 ms."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.02)


def _listening() -> set[int]:
    """The TCP ports at which something listens at 127.0.0.1 or all addresses, from here."""
    found = set()
    for table in ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            address, port = row.split()[1].split(":")
            if row.split()[3] == "0A" and (address.endswith("0100007F") or not int(address, 16)):
                found.add(int(port, 16))
    return found
