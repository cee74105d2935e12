"""Every manifest of examples/ on hosts like those that it speaks of, unchanged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.transports.manifest_run import prepare_run, running
from tests.transports.netns import Namespace
from tests.transports.readme_hosts import BACKEND, BASTIONS, DISTANT, ReadmeHosts
from tests.transports.web import BY_ENVIRONMENT, HTTP_WAYS, WAYS, curl

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parents[2] / "examples"

# Where each host of a manifest is on the stage.
WHERE = {
    "azure-container-instances": {"aci": "gcp"},
    "docker": {"web": "docker/web", "data": "docker/data"},
    "kubernetes": {"east": "aws", "west": "west"},
    "lxd": {"web": "lxd/web", "far": "lxd/builder"},
    "macos-no-loopback": {"web": "docker/web", "db": "gcp"},
    "podman": {"web": "podman/web", "tools": "podman/tools"},
    "ssh": {"web": "aws", "bastion": "azure"},
    "vpc": {"aws_bastion": "aws", "azure_bastion": "azure", "gcp_bastion": "gcp"},
    "vpn-into-docker": {"bastion": "docker/bastion"},
}
# What is behind the names and addresses that the hosts themselves resolve and dial.
BEHIND = {
    "db.internal.example.com": ("azure-back", BACKEND),
    "postgres.shop.svc.cluster.local": ("west-back", BACKEND),
    DISTANT: ("azure", DISTANT),
}
# What the proxies of a manifest reach, and the pages there.
PROXIED = {
    "macos-no-loopback": {"http://web:8080/": "web-8080", "http://db:5432/": "db-5432"},
    "vpc": {f"http://{host}/": f"backend-of-{name}" for name, host in BASTIONS.items()},
    "vpn-into-docker": {"http://nginx/": "nginx-of-docker"},
}


def test_every_example_is_known_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == {*WHERE, "namespaces"}


@pytest.mark.parametrize("name", sorted(WHERE))
def test_an_example_runs_as_it_is(name: str, stage: ReadmeHosts, tmp_path: Path) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text()
    places = {host: stage.places[at] for host, at in WHERE[name].items()}
    behind = {at: (stage.places[where], address) for at, (where, address) in BEHIND.items()}
    trial = prepare_run(text, stage.hub, places, behind)
    with ExitStack() as stack:
        trial.serve_targets(stack, tmp_path)
        with running(trial, text, stage.hub, stage.env, tmp_path):
            trial.fetch_all()
            ways = WAYS if any(host.socks for host in trial.hosts) else HTTP_WAYS
            for url, page in PROXIED.get(name, {}).items():
                assert curl(stage.hub, "--fail", url, env=BY_ENVIRONMENT) == page
                for way in ways:
                    assert curl(stage.hub, *way, url) == page, (way, url)


def test_the_example_of_namespaces(netns: Callable[[str], Namespace], tmp_path: Path) -> None:
    """Its namespaces have other names here: the machine's own names are not the test's to take."""
    text = (EXAMPLES / "namespaces.yaml").read_text()
    hub, places = netns("hub"), {name: netns(name) for name in ("red", "blue")}
    for name, place in places.items():
        assert f"/run/netns/{name}" in text
        text = text.replace(f"/run/netns/{name}", str(place.path))
    trial = prepare_run(text, hub, places)
    with ExitStack() as stack:
        trial.serve_targets(stack, tmp_path)
        with running(trial, text, hub, {}, tmp_path):
            trial.fetch_all()
