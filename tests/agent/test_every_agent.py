"""A real agent: bootstrapped onto every Python that it may meet, and the native one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from norouter_core.agent import process_identity
from norouter_core.exec_commands.command import StartPlan
from norouter_core.links.base import OperationError
from norouter_core.model import AgentMode
from tests.agent.agents import Agent, Watcher, agent, python_on_path, shell_plan
from tests.agent.wine import Wine, windows_agent, wine
from tests.datagrams import Played, UdpPeer, answering, unused_udp_port
from tests.native import native_agent
from tests.servers import TIMEOUT, Target, connect, echoing, eventually, unused_port
from tests.transports.pythons import Python, pythons

pytestmark = pytest.mark.anyio

WANTED = (*(f"CPython 3.{minor}" for minor in range(8, 14)), "PyPy 3")
NATIVE, WINDOWS = "native", "windows"


def _find(wanted: str) -> Python:
    found = [p for p in pythons() if p.label.startswith((f"{wanted}.", f"{wanted} "))]
    if not found:
        pytest.skip(f"no {wanted} is on this machine")
    return found[-1]


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    with wine(tmp_path_factory.mktemp("wine") / "prefix") as made:
        yield made


@pytest.fixture(params=(*WANTED, NATIVE, pytest.param(WINDOWS, marks=pytest.mark.slow)))
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> StartPlan:
    """How an agent comes up: on each Python, or as the native program, also that for Windows."""
    if request.param == WINDOWS:
        command = request.getfixturevalue("windows").command(windows_agent())
        return StartPlan((*command, "agent", "--automated"), AgentMode.NOROUTER)
    if request.param == NATIVE:
        return StartPlan((str(native_agent()), "agent", "--automated"), AgentMode.NOROUTER)
    return shell_plan(python_on_path(tmp_path / "bin", _find(request.param).path))


@pytest.mark.parametrize("wanted", WANTED)
async def test_what_a_python_says_about_itself(wanted: str, tmp_path: Path) -> None:
    python = _find(wanted)
    path = python_on_path(tmp_path / "bin", python.path)
    async with agent(shell_plan(path)) as host:
        hello = host.link.hello
        assert (hello.implementation, hello.python) == (python.label.split()[0], python.dotted)
        assert str(hello).startswith(python.label.replace("CPython", "Python"))


async def test_what_the_native_agent_says_about_itself() -> None:
    async with agent(
        StartPlan((str(native_agent()), "agent", "--automated"), AgentMode.NOROUTER)
    ) as host:
        hello, here = host.link.hello, process_identity.hello()
        assert str(hello).startswith("Go 1.")
        for key in ("protocol", "system", "machine", "hostname", "boot_id", "netns"):
            assert getattr(hello, key) == here[key]
        # Transparent listeners are for the shell on the hub's machine, which has a Python.
        assert hello.features == frozenset(here["features"]) - {"transparent"}


async def test_resolve_and_write(plan: StartPlan, tmp_path: Path) -> None:
    async with agent(plan) as host:
        assert "127.0.0.1" in await host.link.resolve("localhost")
        with pytest.raises(OperationError) as refused:
            await host.link.resolve("no-such-name.invalid")
        # Without a network this is unknown.
        assert refused.value.code in ("name", "try-again")
        await _writes(host, tmp_path)
    assert not (tmp_path / "deep").exists()


async def _writes(host: Agent, folder: Path) -> None:
    file = folder / "deep" / "hosts"
    written = {"path": str(file), "changed": True}
    own = "one of norouter's\n"
    assert await host.link.write(str(file), own, "replace") == written
    assert await host.link.write(str(file), own, "replace") == {**written, "changed": False}
    assert await host.link.write(str(file), "two", "block", "web") == written
    lines = file.read_text().splitlines()
    assert lines[2].startswith("# (by web ")
    assert [*lines[:2], *lines[3:]] == [
        own.strip(),
        "# <Added-by-NoRouter>",
        "two",
        "# </Added-by-NoRouter>",
    ]
    assert await host.link.write(str(file), "", "remove-block", "web") == written
    assert await host.link.read(str(file), 100) == own
    for path, mode in ((str(folder), "replace"), (str(file), "append"), ("${NO_SUCH}/x", "block")):
        with pytest.raises(OperationError) as failed:
            await host.link.write(path, "three\n", mode)
        assert failed.value.code == "write"


async def test_dials(plan: StartPlan) -> None:
    async with agent(plan) as host, echoing() as port:
        for name in ("127.0.0.1", "localhost"):
            async with host.dialled(name, port) as (client, seen):
                assert await client.says(b"x" * 300_000)
                assert await seen.opened == ("127.0.0.1", port)
                client.end()
                assert await client.rest() == b""
                assert await seen.outcome() == ("closed", "")


async def test_dials_that_fail(plan: StartPlan) -> None:
    async with agent(plan) as host:
        for name, port, code in (
            ("127.0.0.1", unused_port(), "refused"),
            ("no-such-name.invalid", 80, "name"),
        ):
            async with host.dialled(name, port) as (client, seen):
                assert (await seen.outcome())[0] == code
                assert await client.is_reset()


async def test_offers_what_arrives_at_a_listener(plan: StartPlan) -> None:
    async with agent(plan) as host:
        bound = await host.listens(7)
        with await connect(bound) as client:
            await client.send(b"before the answer")
            offer = await host.hub.next_offer()
            assert (offer.listener, offer.peer) == (7, client.address)
            with offer.far as far:
                assert await far.exactly(17) == b"before the answer"
                client.end()
                assert await far.rest() == b""
                await far.send(b"after their end")
                far.end()
                assert await client.rest() == b"after their end"
        await host.link.unlisten(7)
        with pytest.raises(ConnectionRefusedError):
            await connect(bound)


async def test_listening_twice_is_refused(plan: StartPlan) -> None:
    async with agent(plan) as host:
        with Target() as taken, pytest.raises(OperationError) as refused:
            await host.link.listen(1, *taken.address, None)
        assert refused.value.code == "in-use"
        assert str(taken.port) in refused.value.reason


async def test_half_close_and_reset_both_ways(plan: StartPlan) -> None:
    async with agent(plan) as host:
        with Target() as target:
            async with host.dialled("127.0.0.1", target.port) as (client, seen):
                with await target.accept() as server:
                    server.end()
                    assert await client.rest() == b""
                    await client.send(b"after their end")
                    client.end()
                    assert await server.rest() == b"after their end"
                    assert await seen.outcome() == ("closed", "")
            async with host.dialled("127.0.0.1", target.port) as (client, seen):
                with await target.accept() as server:
                    await seen.opened
                    server.abort()
                    assert await client.is_reset()
                    assert (await seen.outcome())[0] == "reset"
            async with host.dialled("127.0.0.1", target.port) as (client, seen):
                with await target.accept() as server:
                    client.abort()
                    assert await server.is_reset()


async def test_serves_its_own_port_without_the_hub(plan: StartPlan) -> None:
    async with agent(plan) as host, echoing() as port:
        bound = await host.listens(3, ("127.0.0.1", port))
        with await connect(bound) as client:
            assert await client.says(b"y" * 200_000)
            await _reported(host, client.address, 200_000, "open")
            client.end()
            assert await client.rest() == b""
            await _reported(host, client.address, 200_000, "closed")
        with await connect(bound) as client:
            assert await client.says(b"hello")
            await _reported(host, client.address, 5, "open")
            await host.link.kill_direct(host.hub.rows[-1][0])
            assert await client.is_reset()
            await _reported(host, client.address, 5, "closed")
        assert host.hub.offers.empty()


async def _reported(host: Agent, peer: tuple[str, int], size: int, state: str) -> None:
    """Waits for the row of that client with that count each way."""
    want = [3, *peer, size, size, state]
    await eventually(lambda: want in [row[1:7] for row in host.hub.rows], f"{want} is reported")


async def test_udp_both_ways(plan: StartPlan) -> None:
    async with agent(plan) as host, answering() as port:
        address = (await host.link.listen(5, "127.0.0.1", 0, None, "udp"))[:2]
        with UdpPeer(address) as client:
            client.send(b"asked")
            async with asyncio.timeout(TIMEOUT):
                listener, peer, played = await host.hub.datagrams.get()
            assert (listener, peer) == (5, client.address)
            await eventually(lambda: played.got == [b"asked"], "what was sent arrives")
            played.says(b"answered")
            assert await client.receive() == (b"answered", address)
        seen = Watcher()
        asking = Played()
        end = host.link.dial(asking, "localhost", port, seen)
        sizes = (0, 1, 1472, 60_000)
        for size in sizes:
            asking.says(b"x" * size)
        await eventually(lambda: len(asking.got) == len(sizes), "the answers")
        assert [len(data) for data in asking.got] == list(sizes)
        end.end()
        assert await seen.outcome() == ("closed", "")
        asking, seen = Played(), Watcher()
        host.link.dial(asking, "127.0.0.1", unused_udp_port(), seen)

        def asked() -> bool:
            # Wine reports no refusal that comes before the agent reads, so ask more than once.
            asking.says(b"anybody?")
            return seen.closed.done()

        await eventually(asked, "the refusal")
        assert (await seen.outcome())[0] == "refused"
        direct = (await host.link.listen(6, "127.0.0.1", 0, ("127.0.0.1", port), "udp"))[:2]
        with UdpPeer(direct) as client:
            assert await client.asks(b"direct") == b"direct"
            want = [6, *client.address, 6, 6, "open"]
            await eventually(lambda: want in [row[1:7] for row in host.hub.rows], "its row")


async def test_a_changed_target_cuts_its_direct_streams(plan: StartPlan) -> None:
    async with agent(plan) as host, echoing() as one, echoing() as other:
        bound = await host.listens(3, ("127.0.0.1", one))
        with await connect(bound) as client:
            assert await client.says(b"one")
            again = await host.link.listen(3, "127.0.0.1", 0, ("127.0.0.1", one))
            assert again[:2] == bound and await client.says(b"still one")
            again = await host.link.listen(3, "127.0.0.1", 0, ("127.0.0.1", other))
            assert again[:2] == bound and await client.is_reset()
        with await connect(bound) as client:
            assert await client.says(b"other")


async def test_the_link_ends_with_the_agent(plan: StartPlan) -> None:
    async with agent(plan) as host, echoing() as port:
        async with host.dialled("127.0.0.1", port) as (client, seen):
            assert await client.says(b"hello")
            assert host.stdio._child is not None
            os.kill(host.stdio._child.process.pid, signal.SIGKILL)
            async with asyncio.timeout(TIMEOUT):
                await host.stdio.wait_down()
            assert await client.is_reset()
            assert (await seen.outcome())[0] == "gone"
        with pytest.raises(OperationError) as gone:
            await host.link.resolve("localhost")
        assert gone.value.code == "gone"
