"""The real kubectl, against an API server that knows just enough (`remote/apiserver.py`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.transports.machine import Machine
from tests.transports.mesh import REMOTE
from tests.transports.netns import Namespace
from tests.transports.procs import Background
from tests.transports.require import need_program


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters whose API server listens in one namespace: kubectl must run there, with `env`."""

    env: Mapping[str, str]


@contextmanager
def clusters(
    at: Namespace, port: int, pods: Mapping[str, Mapping[str, Machine]], folder: Path
) -> Iterator[Clusters]:
    """An API server at 127.0.0.1:`port` of a namespace, for each context the cluster of that name.

    Their pods are machines; a pod `X-...` belongs to the deployment `X`.

    The kubectl must speak WebSocket to exec: Kubernetes' own does from version 1.31 on. Debian 12
    has an older one, so it is not a package that can be named here.
    """
    need_program("kubectl", "kubectl, not Debian 12's own: 1.31 or newer")
    ways = folder / "pods.json"
    told = {
        context: {name: pod.enter() for name, pod in its.items()} for context, its in pods.items()
    }
    ways.write_text(json.dumps(told))
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{port}", pods)))
    argv = at.enter(sys.executable, "-u", str(REMOTE / "apiserver.py"), str(port), str(ways))
    with Background(argv, stderr=folder / "apiserver.stderr") as server:
        server.wait_line("serving", 20)
        yield Clusters({"KUBECONFIG": str(config), "KUBECACHEDIR": str(folder / "cache")})
        assert server.process.poll() is None, f"the API server ended: {server.stderr}"


def _kubeconfig(server: str, names: Iterable[str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "nobody", "user": {}}],
        "clusters": [{"name": name, "cluster": {"server": f"{server}/{name}"}} for name in names],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "nobody"}} for name in names
        ],
    }
