"""A hub near its limit of open descriptors: clients wait, one line says so, and control goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.programs import ROOT, Program
from tests.run.test_headless import _until
from tests.servers import TIMEOUT, echoing

pytestmark = pytest.mark.anyio

LIMIT = 160
CLIENTS = 200


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _mesh(folder: Path, vip: str, port: int) -> str:
    path = folder / "mesh.yaml"
    port_line = f'ports: ["18080:127.0.0.1:{port}"]'
    path.write_text(
        f"hosts:\n  here: {{vip: {vip}.1, dns: {{disable: true}}, {port_line}}}\n"
        f"  web: {{vip: {vip}.2, dns: {{disable: true}}, cmd: {json.dumps('env A=1')}}}\n"
    )
    return str(path)


@pytest.mark.parametrize("options", [(), ("--no-uvloop",)], ids=["uvloop", "asyncio"])
async def test_clients_wait_and_control_goes_on(
    norouter: Program, runtime: Path, tmp_path: Path, vip: str, options: tuple[str, ...]
) -> None:
    async with echoing() as port:
        run = ["-m", "norouter_tui", "run", _mesh(tmp_path, vip, port), "--headless", *options]
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh", sys.executable, *run],
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            await asyncio.to_thread(_until, process.stdout, "ready: 2 hosts, 1 port")
            await _overload(norouter, process, f"{vip}.1")
            process.send_signal(signal.SIGTERM)
            _, errors = await asyncio.to_thread(process.communicate, timeout=TIMEOUT)
        finally:
            process.kill()
            process.wait(TIMEOUT)
        assert process.returncode == 0
        assert errors.count("file descriptors are in use") == 1 and "internal error" not in errors


async def _overload(norouter: Program, process: subprocess.Popen[str], vip: str) -> None:
    with ExitStack() as stack:
        clients = []
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection((vip, 18080), TIMEOUT))
            client.sendall(b"x")
            clients.append(client)
        # Clients of this machine take two descriptors each. Some are served, and the rest waits.
        hub = psutil.Process(process.pid)
        served = 0
        while clients:
            client = clients.pop(0)
            assert await asyncio.to_thread(client.recv, 1) == b"x"
            assert hub.num_fds() < LIMIT - 16
            client.close()
            served += 1
            if served == 10:
                # What is reserved: a control client, and the start of a host's command.
                done = await asyncio.to_thread(norouter, "ctl", "host", "restart", "web")
                assert done.returncode == 0, done.stderr
                done = await asyncio.to_thread(norouter, "ctl", "wait", "--timeout", "20s")
                assert done.returncode == 0, done.stderr
