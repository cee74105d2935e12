"""Agents near their limit of open descriptors: clients wait, dials are refused, and it recovers."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from norouter_core.agent.tcp import TcpEnd
from norouter_core.exec_commands.command import StartPlan
from norouter_core.links.base import OperationError
from norouter_core.model import AgentMode
from tests.agent.agents import ROOT, Agent, Watcher, agent, plain_path
from tests.native import native_agent
from tests.servers import TIMEOUT, Target, connect, eventually, tcp_pair

pytestmark = pytest.mark.anyio

LIMIT = 128
CLIENTS = 150


@pytest.fixture(params=["python", "native"])
def plan(request: pytest.FixtureRequest, tmp_path: Path) -> StartPlan:
    """How an agent with a low limit comes up."""
    limited = ("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh")
    if request.param == "native":
        return StartPlan(
            (*limited, str(native_agent()), "agent", "--automated"), AgentMode.NOROUTER
        )
    path = plain_path(tmp_path / "bin")
    return StartPlan((*limited, "env", f"PATH={path}", "sh"), AgentMode.PYTHON)


async def test_clients_wait_until_descriptors_are_free(plan: StartPlan) -> None:
    async with agent(plan) as host:
        bound = await host.listens(1)
        with ExitStack() as stack:
            clients = [stack.enter_context(await connect(bound)) for _ in range(CLIENTS)]
            by_address = {client.address: client for client in clients}
            await eventually(lambda: host.hub.scarce, "the agent reports it")
            ((used, limit),) = host.hub.scarce
            assert limit == LIMIT and LIMIT // 2 < used < LIMIT
            await _dial_until_refused(host)
            # What is reserved is left for other requests.
            assert await host.link.read("/etc/passwd", 10)
            # The rest waits in the backlog; each client that ends makes room for another one.
            for _ in range(CLIENTS):
                offer = await host.hub.next_offer()
                with offer.far as far:
                    client = by_address.pop(offer.peer)
                    await far.send(b"served")
                    assert await client.exactly(6) == b"served"
                    client.abort()
        assert len(host.hub.scarce) == 1 and host.stderr == []


async def _dial_until_refused(host: Agent) -> None:
    with Target() as target, ExitStack() as stack:
        for _ in range(LIMIT):
            client, inner = tcp_pair()
            stack.enter_context(client)
            seen = Watcher()
            host.link.dial(TcpEnd(host.io, inner.socket), *target.address, seen)
            await eventually(lambda: seen.opened.done() or seen.closed.done(), "an outcome")  # noqa: B023  # called at once
            if seen.closed.done():
                assert await seen.outcome() == ("too-many", "Too many open files")
                assert await client.is_reset()
                return
    raise AssertionError("no dial was refused")


async def test_it_listens_for_no_more_than_it_can_serve(plan: StartPlan) -> None:
    async with agent(plan) as host:
        with pytest.raises(OperationError) as refused:
            for number in range(LIMIT):
                await host.listens(number)
        assert refused.value.code == "bind" and "Too many open files" in refused.value.reason
        assert number < LIMIT - 16
        await host.link.unlisten(0)
        bound = await host.listens(number)
        await host.link.unlisten(1)
        with await connect(bound) as client:
            offer = await host.hub.next_offer()
            with offer.far as far:
                await far.send(b"served")
                assert await client.exactly(6) == b"served"


_LIMITS = """
import resource, subprocess
from norouter_core.agent.descriptors import raise_limit
from norouter_core.links.child_limits import with_original_limit
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
show = "ulimit -S -n; ulimit -H -n; echo $1"
command = with_original_limit(("sh", "-c", show, "-", "an argument"))
print(*subprocess.check_output(command, text=True).splitlines())
print(*with_original_limit(("no-such-command", "x")))
"""


@pytest.mark.parametrize(
    ("soft", "expected"),
    [
        (256, ["512 512", "256 512 an argument", "no-such-command x"]),
        (512, ["512 512", "512 512 an argument", "no-such-command x"]),
    ],
)
def test_the_limit_is_raised_but_not_for_children(soft: int, expected: list[str]) -> None:
    shell = f'ulimit -S -n {soft}; ulimit -H -n 512; exec "$0" -c "$1"'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, _LIMITS],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout.splitlines() == expected
