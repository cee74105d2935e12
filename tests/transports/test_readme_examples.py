"""The examples of NoRouter's README, each on the hosts that it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.transports.medley import Medley
from tests.transports.mesh import Mesh, fetch_all

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(180)]

READY = 60.0


def test_hosts_of_every_kind_fetch_every_page(medley: Medley, tmp_path: Path) -> None:
    hosts = medley.hosts()
    entries = {
        host.name: {"vip": host.vip, "ports": list(host.ports)}
        | ({"cmd": " ".join(host.cmd)} if host.cmd else {})
        for host in hosts
    }
    tested = Mesh(medley.hub, hosts, tmp_path, yaml.safe_dump({"hosts": entries}))
    try:
        tested.start(wait_ready=READY, env=medley.env)
        tested.wait_event("ready", READY)
        names = [host.name for host in hosts]
        assert {at.name: fetch_all(at, hosts) for at in hosts} == dict.fromkeys(names, names)
        tested.stop()
    finally:
        tested.close()
