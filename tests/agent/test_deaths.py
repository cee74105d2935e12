"""What the clients and targets of an agent see when its process ends by a signal: a reset."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from norouter_core.agent.ends import join
from norouter_core.agent.io import Io
from norouter_core.agent.tcp import TcpEnd
from norouter_core.exec_commands.command import StartPlan
from norouter_core.model import AgentMode
from tests.agent.agents import Agent, agent, plain_path, shell_plan
from tests.agent.test_last_frames import Source
from tests.loops import on_each_loop
from tests.native import native_agent
from tests.servers import TIMEOUT, Peer, Target, connect, eventually, tcp_pair

pytestmark = pytest.mark.anyio

SIZE = 4 << 20
"""More than the sockets on the way hold, so that the death truncates it."""


@pytest.fixture(params=["python", "native"])
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> StartPlan:
    if request.param == "native":
        return StartPlan((str(native_agent()), "agent", "--automated"), AgentMode.NOROUTER)
    return shell_plan(plain_path(tmp_path / "bin"))


def end_by(host: Agent, number: signal.Signals) -> None:
    child = host.stdio._child
    assert child is not None
    process = psutil.Process(child.process.pid)
    # The exec command is a shell that has become the agent.
    assert not process.children()
    process.send_signal(number)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
async def test_the_death_of_an_agent_resets_its_sockets(
    plan: StartPlan, number: signal.Signals
) -> None:
    async with agent(plan) as host:
        bound = await host.listens(1)
        with await connect(bound) as client, Target() as target:
            offer = await host.hub.next_offer()
            async with host.dialled("127.0.0.1", target.port) as (far_client, _):
                with offer.far as far, await target.accept() as server:
                    # Both transfers are under way, in opposite directions.
                    far.fill(bytes(SIZE))
                    far_client.fill(bytes(SIZE))
                    assert await client.exactly(1000) and await server.exactly(1000)
                    end_by(host, number)
                    assert await client.is_reset()
                    assert await server.is_reset()
                    # The hub tells the other sides, too.
                    assert await far.is_reset() and await far_client.is_reset()


@pytest.mark.parametrize("half_closed", [False, True])
async def test_the_death_of_an_agent_resets_its_direct_streams(
    plan: StartPlan, half_closed: bool
) -> None:
    async with agent(plan) as host:
        with Target() as target:
            bound = await host.listens(1, ("127.0.0.1", target.port))
            with await connect(bound) as client, await target.accept() as server:
                if half_closed:
                    client.end()
                    assert await server.rest() == b""
                server.fill(bytes(SIZE))
                assert await client.exactly(1000)
                end_by(host, signal.SIGKILL)
                assert await client.is_reset()
                if half_closed:
                    # Our FIN is all that the server can read; what it sends meets the reset.
                    with pytest.raises(ConnectionError):
                        await server.send(bytes(SIZE))
                else:
                    assert await server.is_reset()


async def test_sigterm_takes_the_blocks_away(plan: StartPlan, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n")
    async with agent(plan) as host:
        await host.link.write(str(file), "127.0.42.1 web\n", "block", "web")
        assert "127.0.42.1" in file.read_text()
        end_by(host, signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT):
            await host.stdio.wait_down()
        evidence = await host.stdio.lost()
        assert evidence.exit_status == 128 + signal.SIGTERM
        assert file.read_text() == "127.0.0.1 localhost\n"


@pytest.mark.parametrize("end", ["SIGTERM", "bye"])
async def test_own_files_go_with_the_last_agent(plan: StartPlan, end: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    names = home / ".norouter" / "agent" / "names"
    made, found = home / "made" / "names", home / "found" / "names"
    found.parent.mkdir(parents=True)
    async with agent(plan) as host, agent(plan) as other:
        for file in (names, made, found):
            await host.link.write(str(file), "of norouter\n", "replace")
        for file in (names, found):
            await other.link.write(str(file), "of norouter, too\n", "replace")
        await end_of(host, end)
        assert names.exists() and found.exists() and not made.parent.exists()
        found.write_text("of a person\n")
        await end_of(other, end)
        assert os.listdir(home) == ["found"]
        assert found.read_text() == "of a person\n"


async def end_of(host: Agent, end: str) -> None:
    if end == "SIGTERM":
        end_by(host, signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT):
            await host.stdio.wait_down()
    else:
        await host.stdio.close()
    await host.stdio.lost()


class Slow(Source):
    """A far end that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        self.free = 0

    def send(self, data: memoryview) -> None:
        self.received += len(data)
        self.free -= len(data)

    def room(self) -> int:
        return self.free


def joined(far: Slow) -> tuple[Peer, Peer, TcpEnd]:
    """Return a client, our side of its connection, and the end of that, joined to `far`."""
    client, ours = tcp_pair()
    end = TcpEnd(Io(asyncio.get_running_loop()), ours.socket)
    join(end, far)
    return client, ours, end


async def reset_behind_data(far: Slow) -> TcpEnd:
    """Return an end whose client has sent 50,000 bytes and a reset.

    Nobody reads the socket meanwhile, so the reset is found by a look at it.
    """
    client, _, end = joined(far)
    await client.send(bytes(50_000))
    client.abort()
    await eventually(lambda: end.check_for_reset() and end._send_error, "the reset is found")
    return end


@on_each_loop
async def test_what_was_sent_before_a_reset_goes_on_when_there_is_room() -> None:
    far = Slow()
    end = await reset_behind_data(far)
    assert far.was_reset == "" and not end.closed
    far.free = SIZE
    end.wake()
    await eventually(lambda: far.was_reset, "the reset follows")
    assert far.received == 50_000 and not far.ended and end.closed


@on_each_loop
async def test_a_reset_ends_a_stream_that_stays_stalled() -> None:
    far = Slow()
    end = await reset_behind_data(far)
    far.free = 10_000
    end.wake()
    assert end.check_for_reset() and far.received == 10_000 and not end.closed
    assert not end.check_for_reset()
    assert far.was_reset == "reset"


@on_each_loop
async def test_a_reset_without_unread_bytes_is_passed_on_at_once() -> None:
    far = Slow()
    client, _, end = joined(far)
    client.abort()
    await eventually(lambda: not end.check_for_reset(), "the reset is found")
    assert far.was_reset == "reset"


@on_each_loop
async def test_an_orderly_end_is_no_reset() -> None:
    """Bytes that the socket's peer has yet to read are not lost by the close."""
    far = Slow()
    far.free = SIZE
    client, ours, end = joined(far)
    client.end()
    await eventually(lambda: far.ended, "the client's end arrives")
    ours.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    end.send(memoryview(os.urandom(100_000)))
    end.end()
    await eventually(lambda: end.closed, "it is closed")
    assert len(await client.rest()) == 100_000
    client.close()
