"""A hub of its own, to be killed: `hub.py ETC_HOSTS [COMMAND...]` with the host `this` and, behind
a command, the host `that`; both have their names written."""

from __future__ import annotations

import asyncio
import sys

from norouter_core.engine.engine import Engine
from norouter_core.model import DnsSpec, HostOptions, HostSpec, MeshSpec


async def main(etc_hosts: str, *command: str) -> None:
    options = HostOptions(dns=DnsSpec(disable=True), write_etc_hosts=True)
    hosts = [HostSpec("this", "127.0.41.1", options=options)]
    if command:
        hosts.append(HostSpec("that", "127.0.41.2", cmd=command, options=options))
    async with Engine(etc_hosts=etc_hosts) as engine:
        await engine.apply(MeshSpec(tuple(hosts)))
        await engine.wait_ready()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
