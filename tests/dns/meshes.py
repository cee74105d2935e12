"""Hosts that serve DNS, and clients that ask them."""

from __future__ import annotations

from dataclasses import replace

import dns.message

from norouter_core.model import DnsSpec, HostSpec
from tests.dns.streams import query, response
from tests.engine.meshes import Mesh
from tests.servers import Address, connect

PORT = 10053


def with_dns(spec: HostSpec, dns: DnsSpec | None = None) -> HostSpec:
    return replace(spec, options=replace(spec.options, dns=dns))


def address(made: Mesh, name: str, port: int = PORT) -> Address:
    return made.address(name, port)


async def ask(at: Address, *names: str) -> list[dns.message.Message]:
    """The answers to pipelined questions for A records, in the order of the questions."""
    with await connect(at) as client:
        for number, name in enumerate(names):
            await client.send(query(name, number))
        answers = [await response(client) for _ in names]
        client.end()
        assert await client.rest() == b""
    return sorted(answers, key=lambda each: each.id)


def addresses(answer: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in answer.answer for record in rrset]
