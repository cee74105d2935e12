"""The demo on a screen: simulated hosts in a running mesh, and traffic to watch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import anyio

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.results import Outcome
from norouter_core.model import MeshSpec, split_cmd
from norouter_tui.demo import traffic
from norouter_tui.demo.hosts import NAMES, SimulatedHost, free_addresses, simulated_hosts

Apply = Callable[[Sequence[Call]], Awaitable[Outcome]]
"""Runs calls as one change."""
Addresses = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]
"""Returns the `IP:PORT` of each host by name, once this machine reaches all of them."""


async def play(apply: Apply, addresses: Addresses) -> None:
    """Add the hosts, and keep them and the traffic up until cancelled.

    Raises:
        OSError: the system refused something, or the hosts could not be added.
    """
    with tempfile.TemporaryDirectory(prefix="norouter-demo-") as directory:
        async with simulated_hosts(Path(directory)) as hosts:
            proxy = _proxy_of(hosts[0])
            outcome = await apply(list(_calls(hosts, proxy)))
            if outcome.failure is not None:
                raise OSError(outcome.failure.message)
            reached = await addresses(NAMES)
            await _traffic(hosts, proxy, reached)


def is_demo(spec: MeshSpec) -> bool:
    """Return whether a mesh is only the demo, so that nothing in it is worth saving."""
    names = {host.name for host in spec.hosts if host.cmd is not None}
    commands = (split_cmd(host.cmd) or () for host in spec.hosts if host.cmd is not None)
    return names == set(NAMES) and all("norouter-demo-" in word[1] for word in commands if word[1:])


def _calls(hosts: Sequence[SimulatedHost], proxy: str) -> Iterator[Call]:
    for host in hosts:
        yield build_call(
            "host add",
            name=host.name,
            vip=host.vip,
            loopback="off",
            port=host.spec.options.ports,
            cmd=split_cmd(host.spec.cmd),
        )
    yield build_call("proxy http", host=hosts[0].name, address=proxy)
    yield build_call("route add", via=hosts[1].name, target="*.birch.example")


def _proxy_of(host: SimulatedHost) -> str:
    """Return where the first host serves a proxy that leads to the others."""
    _, port = free_addresses(1)
    return f"{host.vip}:{port + 1}"


async def _traffic(hosts: Sequence[SimulatedHost], proxy: str, reached: Mapping[str, str]) -> None:
    """Run the clients in a process of their own, so that they do not slow the screen."""
    named = [f"{host.name}:{host.port}" for host in hosts[1:]]
    where = {"direct": [reached[host.name] for host in hosts], "proxy": proxy, "named": named}
    process = await anyio.open_process(
        [sys.executable, "-I", str(Path(traffic.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        await process.stdin.send(json.dumps(where).encode() + b"\n")
        await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            process.kill()
            await process.aclose()
