"""A whole machine, nearly: a network namespace with a root file system of its own.

What a host's files decide can be tried in one: an own /etc/hosts, an own home, programs that are
there or not. Its root is a copy of an image, mounted at /mnt in a mount namespace that lives as
long as one process.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.image import image
from tests.transports.netns import Namespace
from tests.transports.procs import Background, run
from tests.transports.require import need_program

MOUNT = "/mnt"

# A sshd outside of the root looks its users up in the machine's /etc/passwd: this one's.
START = """\
set -e
mount --bind "$1" /mnt
mount -t proc proc /mnt/proc
mount --bind /mnt/etc/passwd /etc/passwd
mount --bind /mnt/etc/group /etc/group
[ -z "$2" ] || mount --bind "$2" /mnt/etc/hosts
echo up
exec chroot /mnt /bin/sleep 1000000
"""

PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Machine:
    """A running machine; `pid` is its only process, `root` its files as seen from outside."""

    namespace: Namespace
    root: Path
    pid: int

    python = "python3"

    @property
    def inode(self) -> int:
        """The inode of its network namespace."""
        return self.namespace.inode

    def enter(self, *command: str) -> list[str]:
        """The command that runs `command` in here, as root; nsenter execs it."""
        inside = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--root", "--wd", "--"]
        return [*inside, "/bin/env", "-i", f"PATH={PATH}", "HOME=/root", *command]

    def beside(self, *command: str) -> list[str]:
        """The command that runs a program of the outside, which sees this one at /mnt."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--", *command]

    def net(self, *command: str) -> list[str]:
        """The command that runs a program of the outside in this machine's network."""
        return self.namespace.enter(*command)


@contextmanager
def machine(namespace: Namespace, folder: Path, *, mounted_hosts: bool) -> Iterator[Machine]:
    """A machine in `namespace`, its files in `folder`, which is removed at the end.

    With `mounted_hosts` its /etc/hosts is a mount, as in a pod: it can be written and not replaced.
    """
    need_program("unshare", "util-linux")
    root = folder / "root"
    folder.mkdir(mode=0o755)
    run("cp", "-a", "--reflink=auto", str(image("python")), str(root))
    own = folder / "hosts"
    own.write_text("# Mounted here.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n")
    hosts = str(own) if mounted_hosts else ""
    private = ("unshare", "--mount", "--propagation", "private")
    argv = namespace.enter(*private, "sh", "-c", START, "sh", str(root), hosts)
    try:
        with Background(argv, stderr=folder / "stderr") as holder:
            holder.wait_line("up", 10)
            yield Machine(namespace, root, holder.pid)
    finally:
        shutil.rmtree(folder)
