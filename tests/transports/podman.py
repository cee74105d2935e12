"""podman, which has no daemon: settings of the test's own, and a namespace for its networks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.transports.engines import Engine
from tests.transports.netns import Namespaces
from tests.transports.procs import cmdline, run, wait_gone
from tests.transports.require import need_program, need_root

CONTAINERS = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""

STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{folder}/root"
runroot = "{folder}/run"
"""


@contextmanager
def podman_engine(made: Namespaces, folder: Path) -> Iterator[Engine]:
    """podman with its storage in `folder`; its bridges and its DNS live in one namespace."""
    need_root()
    need_program("podman", "podman")
    need_program("runc", "runc")
    need_program("iptables", "iptables")
    env = {}
    for name, text in (("CONTAINERS", CONTAINERS), ("CONTAINERS_STORAGE", STORAGE)):
        path = folder / f"{name.lower()}.conf"
        path.write_text(text.format(folder=folder))
        env[f"{name}_CONF"] = str(path)
    namespace = made.make("podman")
    remove = ("rm", "-f", "-t", "0")
    engine = Engine("podman", env, namespace.enter(), remove)
    try:
        yield engine
    finally:
        engine.run(*remove, "-a")
        # What podman leaves to clean up after an exec mounts the storage again.
        wait_gone(lambda: _processes_of(folder), 10)
        unmount_below(folder)


def _processes_of(folder: Path) -> list[int]:
    """Processes whose command line names a folder, as podman's own do with their storage."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid in pids if f"{folder}/" in cmdline(pid)]


def unmount_below(folder: Path) -> None:
    """Unmount whatever is still mounted in a folder, the innermost first."""
    mounted = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    for point in sorted((at for at in mounted if at.startswith(f"{folder}/")), reverse=True):
        run("umount", "-l", point)
