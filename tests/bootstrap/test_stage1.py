"""Stage 1 on a host whose hub goes away: it ends, and prints nothing into the host's log."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from norouter_core.bootstrap.bundle import bundle
from norouter_core.bootstrap.handshake import ACK
from norouter_core.bootstrap.python_agent import BLOCK, marker, payload, search_line, stage0
from tests.agent.agents import python_on_path

NONCE = "abc"
TIMEOUT = 15


@contextmanager
def shell(directory: Path) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """Start a shell that has got stage 0; yield the hub's end and the shell."""
    python_on_path(directory, Path(os.path.realpath(sys.executable)))
    hub, host = socket.socketpair()
    hub.settimeout(TIMEOUT)
    with hub, host:
        stdio = host.fileno()
        program = subprocess.Popen(["sh"], stdin=stdio, stdout=stdio, stderr=subprocess.PIPE)
        host.close()
        try:
            hub.sendall(stage0(NONCE, bundle(), 10, search_line((str(directory),))))
            yield hub, program
        finally:
            program.kill()
            program.communicate(timeout=TIMEOUT)


def read_marker(hub: socket.socket) -> None:
    wanted, data = marker(NONCE) + b"go\n", b""
    while wanted not in data:
        data += hub.recv(1000)


def expect_a_silent_end(program: subprocess.Popen[bytes]) -> None:
    assert program.communicate(timeout=TIMEOUT)[1] == b""


def test_the_hub_goes_before_the_marker(tmp_path: Path) -> None:
    with shell(tmp_path) as (hub, program):
        hub.close()
        expect_a_silent_end(program)


def test_the_hub_goes_before_the_agent(tmp_path: Path) -> None:
    with shell(tmp_path) as (hub, program):
        read_marker(hub)
        hub.close()
        expect_a_silent_end(program)


def test_the_hub_goes_while_it_sends_the_agent(tmp_path: Path) -> None:
    with shell(tmp_path) as (hub, program):
        read_marker(hub)
        hub.sendall(payload(bundle())[: 2 * BLOCK])
        # What the hub leaves unread resets the connection, so that a read fails on the host.
        assert hub.recv(1, socket.MSG_PEEK) == ACK[:1]
        hub.close()
        expect_a_silent_end(program)


def test_the_hub_goes_before_the_hello(tmp_path: Path) -> None:
    with shell(tmp_path) as (hub, program):
        read_marker(hub)
        hub.sendall(payload(bundle()))
        hub.close()
        expect_a_silent_end(program)
