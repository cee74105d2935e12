"""A hub that dies by SIGKILL resets what it relayed, so a truncated stream does not look whole."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.programs import Start
from tests.run.test_child_command import mesh
from tests.run.test_headless import _until
from tests.servers import TIMEOUT

SIZE = 4 << 20


@pytest.mark.parametrize("options", [(), ("--no-uvloop",)], ids=["uvloop", "asyncio"])
def test_a_killed_hub_resets_clients_and_targets(
    start: Start, tmp_path: Path, vip: str, options: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(TIMEOUT)
        path = mesh(tmp_path, vip, port=target.getsockname()[1])
        process = start("run", path, "--headless", *options)
        _until(process.stdout, "ready: 2 hosts, 1 port")
        with socket.create_connection((f"{vip}.2", 18080), TIMEOUT) as client:
            server, _ = target.accept()
            with server:
                server.settimeout(TIMEOUT)
                _send_some(server)
                _send_some(client)
                assert client.recv(1000) and server.recv(1000)
                process.send_signal(signal.SIGKILL)
                assert _is_reset(client) and _is_reset(server)


def _send_some(sock: socket.socket) -> None:
    sock.setblocking(False)
    try:
        sock.sendall(bytes(SIZE))
    except BlockingIOError:
        pass  # the path is full
    sock.settimeout(TIMEOUT)


def _is_reset(sock: socket.socket) -> bool:
    try:
        while sock.recv(1 << 18):
            pass
    except ConnectionResetError:
        return True
    return False
