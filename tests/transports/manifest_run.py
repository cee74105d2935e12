"""A manifest tried: every port that it publishes is fetched on every host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from norouter_core.manifest import load_text
from norouter_core.model import Host
from tests.transports.mesh import Mesh, MeshHost, Place
from tests.transports.netns import Namespace
from tests.transports.web import curl, serve

READY = 60.0


@dataclass(frozen=True, slots=True)
class ManifestRun:
    """A manifest's hosts and where they are; `elsewhere` has the targets that are names."""

    hosts: tuple[Host, ...]
    places: Mapping[str, Place]
    elsewhere: Mapping[str, tuple[Place, str]]

    def serve_targets(self, stack: ExitStack, folder: Path) -> None:
        """A web server at every target that a port leads to; its page names the port."""
        for host in self.hosts:
            for port in host.ports:
                place, address = self.elsewhere.get(port.host, (self.places[host.name], port.host))
                text = f"{host.name}-{port.listen}"
                serve(stack, folder, place, text, port.port, address)

    def fetch_all(self) -> None:
        """Every page, on every host that listens."""
        ports = [(host, port) for host in self.hosts for port in host.ports]
        urls = [f"http://{host.vip}:{port.listen}/" for host, port in ports]
        pages = [f"{host.name}-{port.listen}" for host, port in ports]
        for at in self.hosts:
            if urls and at.loopback:
                assert curl(self.places[at.name], "--fail", *urls).split() == pages, at.name


def prepare_run(
    text: str,
    hub: Namespace,
    places: Mapping[str, Place],
    elsewhere: Mapping[str, tuple[Place, str]] | None = None,
) -> ManifestRun:
    """What a manifest's text says, its hosts without a command being in `hub`."""
    hosts = tuple(load_text(text, "tried.yaml").spec.effective())
    found = {host.name: hub if host.is_local else places[host.name] for host in hosts}
    return ManifestRun(hosts, found, elsewhere or {})


@contextmanager
def running(
    trial: ManifestRun, text: str, hub: Namespace, env: Mapping[str, str], folder: Path
) -> Iterator[Mesh]:
    """`norouter run` of the text itself, ready; at the end nothing of it may be left."""
    spec = [
        MeshHost(host.name, host.vip, trial.places[host.name], host.argv or ())
        for host in trial.hosts
    ]
    mesh = Mesh(hub, spec, folder, text)
    try:
        mesh.start(wait_ready=READY, env=env)
        mesh.wait_event("ready", READY)
        yield mesh
        mesh.stop()
    finally:
        mesh.close()
