"""Sixty real hosts at once: the mesh comes up, stays small, and can be stopped at any moment.

The times are limits for a machine that is busy with other tests; `python -m benchmarks.scale`
measures what it takes.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.transports.mesh import Mesh, MeshHost
from tests.transports.netns import Namespace
from tests.transports.procs import wait_gone

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

HOSTS = 60
READY = 90.0
STOP = 10.0
MAX_RSS = 120 << 20


@pytest.fixture
def sixty(
    netns: Callable[[str], Namespace], mesh: Callable[[list[MeshHost]], Mesh]
) -> tuple[Mesh, list[MeshHost]]:
    hosts = []
    for number in range(HOSTS):
        place = netns(f"h{number}")
        vip = f"127.0.43.{number + 1}"
        hosts.append(MeshHost(f"h{number}", vip, place, place.enter()))
    return mesh(hosts), hosts


def test_sixty_hosts(sixty: tuple[Mesh, list[MeshHost]]) -> None:
    mesh, hosts = sixty
    mesh.start()
    mesh.wait_event("ready", READY)
    assert {mesh.state(host.name) for host in hosts} == {"ready"}
    assert len(mesh.agents()) == HOSTS
    hub = psutil.Process(mesh.program.pid)
    assert hub.memory_info().rss < MAX_RSS
    # None was lost on the way: what kept the hub busy was held against no host.
    states = [e["host"]["state"] for e in mesh.events if e["event"] == "host"]
    assert "lost" not in states
    begun = time.monotonic()
    mesh.stop()
    assert time.monotonic() - begun < STOP


@pytest.mark.parametrize("moment", [0.7, 2.0, 4.0])
def test_an_interrupt_while_sixty_hosts_start(
    sixty: tuple[Mesh, list[MeshHost]], moment: float
) -> None:
    mesh, _ = sixty
    mesh.start()
    time.sleep(moment)  # any moment must do
    begun = time.monotonic()
    status = mesh.program.stop(signal.SIGINT)
    assert time.monotonic() - begun < STOP
    assert status in (0, 130), "130: before the program handled signals"
    assert "Traceback" not in mesh.program.stderr
    if status == 0:
        assert "stopping 60 hosts" in mesh.program.stderr
    assert not wait_gone(mesh.started, 5)
