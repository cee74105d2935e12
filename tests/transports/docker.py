"""dockerd in a network namespace of its own: no bridge, no iptables rule, no way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.transports.engines import Engine
from tests.transports.netns import Namespace
from tests.transports.procs import Background
from tests.transports.require import need, need_program, need_root


@contextmanager
def docker_engine(at: Namespace, folder: Path, *addresses: str) -> Iterator[Engine]:
    """A docker daemon of the test's own, everything of it in `folder` and one namespace.

    It listens at a Unix socket, and at these addresses of docker's `--host`.
    """
    need_root()
    dockerd = need_program("dockerd", "docker.io")
    need_program("docker", "docker.io")
    address = f"unix://{folder}/docker.sock"
    argv = [dockerd, "-H", address, "--data-root", f"{folder}/data"]
    argv += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/docker.pid"]
    argv += ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
    argv += [word for also in addresses for word in ("-H", also)]
    log = folder / "dockerd.log"
    with Background(at.enter(*argv), stderr=log, merge_stderr=True) as daemon:
        try:
            daemon.wait_line("API listen on", 40)
        except AssertionError as error:
            need(False, f"dockerd does not start here: {error}")
        try:
            yield Engine("docker", {"DOCKER_HOST": address})
        finally:
            # An orderly end takes containerd and the mounts below `folder` with it.
            daemon.stop(timeout=30)
