"""The demo mesh on a screen: simulated hosts, put into a mesh that runs, and traffic to watch."""

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
"""Where hosts are reached from here, `IP:PORT` by their names, once all of them are."""


async def play(apply: Apply, addresses: Addresses) -> None:
    """Adds the hosts and keeps them and the traffic up until it is cancelled.

    Raises:
        OSError: this machine refused something, or the hosts could not be added.
    """
    with tempfile.TemporaryDirectory(prefix="norouter-demo-") as folder:
        async with simulated_hosts(Path(folder)) as hosts:
            proxy = _proxy_of(hosts[0])
            outcome = await apply(list(_calls(hosts, proxy)))
            if outcome.failure is not None:
                raise OSError(outcome.failure.message)
            reached = await addresses(NAMES)
            await _traffic(hosts, proxy, reached)


def is_demo(spec: MeshSpec) -> bool:
    """Whether a mesh is nothing but the demo: there is nothing in it to be saved."""
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
    """Where the first host serves a proxy: by that the others are reached from it."""
    _, port = free_addresses(1)
    return f"{host.vip}:{port + 1}"


async def _traffic(hosts: Sequence[SimulatedHost], proxy: str, reached: Mapping[str, str]) -> None:
    """Runs the clients, in a process of their own that does not hold the screen up."""
    named = [f"{host.name}:{host.port}" for host in hosts[1:]]
    said = {"direct": [reached[host.name] for host in hosts], "proxy": proxy, "named": named}
    process = await anyio.open_process(
        [sys.executable, "-I", str(Path(traffic.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        await process.stdin.send(json.dumps(said).encode() + b"\n")
        await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            process.kill()
            await process.aclose()
