"""The real kubectl, against an API server that knows just enough (`remote/apiserver.py`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.transports.machine import Machine
from tests.transports.mesh import REMOTE
from tests.transports.netns import Namespace
from tests.transports.procs import Background
from tests.transports.require import need_program

CONTEXT = "some-context"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster whose API server listens in one namespace: kubectl must run there."""

    env: Mapping[str, str]

    def cmd(self, pod: str) -> list[str]:
        """The exec command that a user types; `env` says which cluster."""
        return ["kubectl", f"--context={CONTEXT}", "exec", "-i", pod, "--"]


@contextmanager
def cluster(
    at: Namespace, port: int, pods: Mapping[str, Machine], folder: Path
) -> Iterator[Cluster]:
    """An API server at 127.0.0.1:`port` of a namespace, whose pods are machines.

    The kubectl must speak WebSocket to exec: Kubernetes' own does from version 1.31 on. Debian 12
    has an older one, so it is not a package that can be named here.
    """
    need_program("kubectl", "kubectl, not Debian 12's own: 1.31 or newer")
    ways = folder / "pods.json"
    ways.write_text(json.dumps({name: pod.enter() for name, pod in pods.items()}))
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{port}")))
    argv = at.enter(sys.executable, "-u", str(REMOTE / "apiserver.py"), str(port), str(ways))
    with Background(argv, stderr=folder / "apiserver.stderr") as server:
        server.wait_line("serving", 20)
        yield Cluster({"KUBECONFIG": str(config), "KUBECACHEDIR": str(folder / "cache")})
        assert server.process.poll() is None, f"the API server ended: {server.stderr}"


def _kubeconfig(server: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": "here", "user": "nobody"}}],
    }
