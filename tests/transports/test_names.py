"""The names of a mesh on every kind of host: by DNS, and in its /etc/hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.transports.medley import Medley
from tests.transports.mesh import Place
from tests.transports.procs import run
from tests.transports.require import need_program
from tests.transports.stage import BACKEND, SERVICE, Stage
from tests.transports.trial import make_trial, running

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]

TRANSPORTS = ("+tcp", "+notcp")


def dig(at: Place, server: str, transport: str, *names: str) -> list[str]:
    """The addresses that a real dig gets for these names in a place's network."""
    need_program("dig", "bind9-dnsutils")
    options = ("+short", "+tries=1", "+timeout=10", "+nosearch", transport, "-p", "10053")
    return run(*at.net("dig", f"@{server}", *options, *names)).split()


def test_every_vip_tells_every_name_on_every_host(medley: Medley, tmp_path: Path) -> None:
    text = medley.manifest()
    hosts = medley.hosts()
    names = [host.name for host in hosts]
    vips = [host.vip for host in hosts]
    trial = make_trial(text, medley.hub, medley.places)
    with running(trial, text, medley.hub, medley.env, tmp_path):
        for at in hosts:
            for asked in hosts:
                for transport in TRANSPORTS:
                    told = dig(at.place, asked.vip, transport, *names)
                    assert told == vips, f"{at.name} asks {asked.name} {transport}"


def test_other_names_are_those_of_the_host_whose_vip_is_asked(stage: Stage, tmp_path: Path) -> None:
    """Docker's own DNS knows its containers, a cluster's its services; the hub knows neither."""
    pod = "kubectl --context=west exec -i bastion --"
    hosts = {
        "local": {"vip": "127.0.42.100"},
        "docker": {"vip": "127.0.42.101", "cmd": "docker exec -i bastion"},
        "kube": {"vip": "127.0.42.102", "cmd": pod},
    }
    text = yaml.safe_dump({"hosts": hosts})
    places = {"docker": stage.places["docker/bastion"], "kube": stage.places["west"]}
    nginx = run(*stage.places["docker/nginx"].enter("hostname", "-i")).strip()
    with running(make_trial(text, stage.hub, places), text, stage.hub, stage.env, tmp_path):
        for transport in TRANSPORTS:
            for at in (stage.hub, *places.values()):
                assert dig(at, "127.0.42.101", transport, "nginx") == [nginx]
                assert dig(at, "127.0.42.102", transport, SERVICE) == [BACKEND]
