"""A hub that stands still for 9 s, as by SIGSTOP or a suspended machine, loses no stream."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from tests.native import native_agent
from tests.programs import Start
from tests.run.test_child_command import mesh
from tests.run.test_headless import _until
from tests.servers import TIMEOUT

PAUSE = 9.0
STREAMS = 5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.mark.parametrize("agent", ["python", "native"])
@pytest.mark.parametrize("options", [(), ("--no-uvloop",)], ids=["uvloop", "asyncio"])
def test_a_hub_that_stood_still_forgives_its_links(
    start: Start, tmp_path: Path, vip: str, options: tuple[str, ...], agent: str
) -> None:
    cmd = "env A=1" if agent == "python" else str(native_agent())
    with socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(TIMEOUT)
        path = mesh(tmp_path, vip, cmd, target.getsockname()[1])
        process = start("run", path, "--headless", *options)
        _until(process.stdout, "ready: 2 hosts, 1 port")
        pairs = []
        for _ in range(STREAMS):
            client = socket.create_connection((f"{vip}.2", 18080), TIMEOUT)
            pairs.append((client, target.accept()[0]))
        process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE)  # the length of the pause is what is tested
        process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + PAUSE
        while time.monotonic() < deadline:
            # For longer than the silence that ends a link.
            for client, server in pairs:
                _passes(client, server)
                _passes(server, client)
            time.sleep(0.2)
        for pair in pairs:
            for sock in pair:
                sock.close()


def _passes(sender: socket.socket, receiver: socket.socket) -> None:
    receiver.settimeout(TIMEOUT)
    sender.sendall(b"alive")
    assert receiver.recv(5) == b"alive"
