"""Listening: a fall-back where an address is not ours, a pause where descriptors run out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from norouter_core.agent.io import Io
from norouter_core.agent.listen import Listener
from norouter_core.exec_commands.command import StartPlan
from norouter_core.links.base import OperationError
from norouter_core.model import AgentMode
from tests.agent.agents import agent, plain_path, shell_plan
from tests.native import native_agent
from tests.servers import Peer, Target, connect, eventually

pytestmark = pytest.mark.anyio

Arrived = list[tuple[Peer, tuple[str, int]]]


@pytest.fixture
def arrived() -> Iterator[Arrived]:
    """What a listener has accepted; closed in the end."""
    peers: Arrived = []
    yield peers
    for peer, _ in peers:
        peer.close()


@contextlib.contextmanager
def listening(arrived: Arrived, host: str, port: int = 0) -> Iterator[Listener]:
    io = Io(asyncio.get_running_loop())
    listener = Listener(io, host, port, lambda sock, peer: arrived.append((Peer(sock), peer)))
    try:
        yield listener
    finally:
        listener.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.42.7", "::1"])
async def test_takes_what_arrives(arrived: Arrived, host: str) -> None:
    try:
        opened = listening(arrived, host)
        listener = opened.__enter__()
    except OSError as error:
        pytest.skip(f"{host} is no address here: {error}")
    try:
        with await connect(listener.address) as client:
            await eventually(lambda: arrived, "the client arrives")
            assert arrived[0][1] == client.address
    finally:
        opened.__exit__(None, None, None)
    with pytest.raises(ConnectionRefusedError):
        await connect(listener.address)


async def test_what_cannot_be_bound_is_said(arrived: Arrived) -> None:
    with Target() as taken:
        for host, port in (
            taken.address,
            ("192.0.2.7", 8080),
            ("2001:db8::7", 8080),
            ("localhost", 8080),
            ("127.0.0.1", 70_000),
            ("127.0.0.1", -1),
        ):
            with pytest.raises(OSError):
                Listener(Io(asyncio.get_running_loop()), host, port, lambda sock, peer: None)


@pytest.mark.parametrize("kind", ["python", "native"])
async def test_a_loopback_interface_that_is_down_is_said(kind: str, tmp_path: Path) -> None:
    """As in a namespace that was made by `ip netns add`, where nobody could connect."""
    new_network = ("unshare", "--user", "--map-root-user", "--net")
    if shutil.which("unshare") is None or subprocess.run([*new_network, "true"]).returncode:
        pytest.skip("this user cannot make network namespaces")
    plan = shell_plan(plain_path(tmp_path / "bin"), *new_network)
    if kind == "native":
        words = (*new_network, str(native_agent()), "agent", "--automated")
        plan = StartPlan(words, AgentMode.NOROUTER)
    async with agent(plan) as host:
        for port in (8080, 8081):
            with pytest.raises(OperationError, match="loopback interface is down"):
                await host.link.listen(1, "127.0.42.7", port, None)


async def test_many_at_once(arrived: Arrived) -> None:
    with listening(arrived, "127.0.0.1") as listener, contextlib.ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.address)
        await eventually(lambda: len(arrived) == 200, "all arrive")


async def test_waits_while_there_are_no_descriptors(
    arrived: Arrived, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    accept = Listener._accept

    def counted(listener: Listener) -> None:
        tries.append(1)
        accept(listener)

    monkeypatch.setattr(Listener, "_accept", counted)
    with listening(arrived, "127.0.0.1") as listener, socket.socket() as sock:
        sock.setblocking(False)
        with no_more_descriptors():
            sock.connect_ex(listener.address)
            await eventually(lambda: len(tries) >= 2, "it tries again after a while")
            assert arrived == []
            # At most one try in each pause, so no loop that burns.
            assert len(tries) <= 4
        await eventually(lambda: arrived, "the client that waited arrives")


@contextlib.contextmanager
def no_more_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
