"""LXD in a network namespace of its own, with a view of /sys that fits it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.transports.netns import Namespaces
from tests.transports.procs import Background, netns_of, run
from tests.transports.require import need, need_program, need_root

# LXD reads the network's devices in /sys: that of the machine shows another namespace's.
START = (
    'mount --rbind /sys/fs/cgroup "$0" && mount -t sysfs sysfs /sys'
    ' && mount --rbind "$0" /sys/fs/cgroup && exec "$@"'
)

PRESEED = b"""\
config: {images.auto_update_interval: "0"}
storage_pools: [{name: default, driver: dir}]
profiles:
- name: default
  devices:
    root: {path: /, pool: default, type: disk}
"""

METADATA = "architecture: {machine}\ncreation_date: 1\n"


@dataclass(frozen=True, slots=True)
class Instance:
    """A running LXD container with a loopback of its own and no other network."""

    name: str
    lxd: Lxd

    python = "python3"

    @property
    def pid(self) -> int:
        """Its first process, as the machine numbers it."""
        state = json.loads(self.lxd.run("query", f"/1.0/instances/{self.name}/state"))
        return int(state["pid"])

    @property
    def inode(self) -> int:
        """The inode of its network namespace."""
        inode = netns_of(self.pid)
        assert inode is not None, f"instance {self.name} is not running"
        return inode

    @property
    def cmd(self) -> list[str]:
        """The exec command that a user types; the `env` of LXD says which LXD."""
        return ["lxc", "exec", self.name, "--"]

    def enter(self, *command: str) -> list[str]:
        """The command that runs `command` in here."""
        return self.lxd.command("exec", self.name, "--", *command)

    def net(self, *command: str) -> list[str]:
        """The command that runs a program of the machine in this instance's network."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]


@dataclass(frozen=True, slots=True)
class Lxd:
    """An LXD daemon: `env` leads `lxc` to it and to no other."""

    folder: Path
    env: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        env = {"LXD_DIR": str(self.folder / "lxd"), "LXD_CONF": str(self.folder / "conf")}
        object.__setattr__(self, "env", env)

    def command(self, *words: str, program: str = "lxc") -> list[str]:
        """A command line for this daemon, whatever the environment says."""
        return ["env", *(f"{name}={value}" for name, value in self.env.items()), program, *words]

    def run(self, *words: str, program: str = "lxc", stdin: bytes = b"") -> str:
        """Run a command and give its stdout."""
        return run(*self.command(*words, program=program), timeout=60, stdin=stdin)

    def load(self, root: Path, alias: str) -> None:
        """Make an image of a root folder."""
        described = self.folder / "metadata.yaml"
        described.write_text(METADATA.format(machine=os.uname().machine))
        meta, archive = self.folder / "meta.tar.gz", self.folder / "root.tar"
        run("tar", "-C", str(self.folder), "-czf", str(meta), described.name)
        run("tar", "-C", str(root), "-cf", str(archive), ".")
        self.run("image", "import", str(meta), str(archive), "--alias", alias)
        archive.unlink()

    def name_remote(self, name: str) -> None:
        """Have `lxc exec NAME:INSTANCE` lead to this same daemon."""
        self.run("remote", "add", name, f"unix://{self.folder}/lxd/unix.socket")

    @contextmanager
    def instance(self, name: str, alias: str) -> Iterator[Instance]:
        """A container that does nothing until it is told to; removed at the end."""
        self.run("init", alias, name)
        try:
            self.run("start", name)
            yield Instance(name, self)
        finally:
            self.run("delete", "--force", name)


@contextmanager
def lxd_daemon(made: Namespaces, folder: Path) -> Iterator[Lxd]:
    """An LXD of the test's own, everything of it in `folder` and one namespace.

    Everybody must be able to pass through the folder: the root of its containers is nobody here.
    """
    need_root()
    program = need_program("lxd", "lxd")
    need_program("lxc", "lxd-client")
    need_program("newuidmap", "uidmap")
    need_program("iptables", "iptables")
    lxd = Lxd(folder)
    for part in ("lxd", "conf", "cgroup"):
        (folder / part).mkdir()
    private = ("unshare", "--mount", "--propagation", "private", "sh", "-c", START)
    daemon_words = lxd.command("--group", "root", program=program)
    argv = made.make("lxd").enter(*private, f"{lxd.folder}/cgroup", *daemon_words)
    with Background(argv, stderr=folder / "log", merge_stderr=True) as daemon:
        try:
            lxd.run("waitready", "--timeout=40", program=program)
        except AssertionError as error:
            need(False, f"lxd does not start here: {error}\n{daemon.lines[-10:]}")
        try:
            lxd.run("init", "--preseed", program=program, stdin=PRESEED)
            yield lxd
        finally:
            lxd.run("shutdown", "--timeout=20", program=program)
            daemon.process.wait(20)
