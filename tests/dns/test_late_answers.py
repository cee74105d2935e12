"""Look-ups of a host that take longer than their clients wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from norouter_core.dns.responder import LookupFailed
from norouter_core.engine import dns_service
from norouter_core.engine.dns_service import DnsService
from norouter_core.links.base import Link, OperationError
from norouter_core.routing.table import LearnedAddresses, RouteTable
from tests.servers import eventually

pytestmark = pytest.mark.anyio


class SlowHost:
    """A mesh whose one host resolves names when the test says so."""

    routes = RouteTable((), ())

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.error: OperationError | None = None

    def link(self, host: str) -> Link | None:
        return self  # type: ignore[return-value]  # the one verb that a look-up uses

    async def resolve(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return ["10.0.0.5"]


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch) -> SlowHost:
    monkeypatch.setattr(dns_service, "_LATE", -1.0)
    monkeypatch.setattr(dns_service, "_KEPT", 0.05)
    return SlowHost()


async def test_a_late_answer_is_kept_for_the_second_try(host: SlowHost) -> None:
    service = DnsService(host, LearnedAddresses(lambda: 0.0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await service._resolve("web", "db.corp")
    second = asyncio.ensure_future(service._resolve("web", "db.corp"))
    host.may_answer.set()
    assert await second == ["10.0.0.5"]
    assert await service._resolve("web", "db.corp") == ["10.0.0.5"]
    assert host.asked == ["db.corp"]
    await eventually(lambda: not service._resolving, "it is forgotten")
    assert await service._resolve("web", "db.corp") == ["10.0.0.5"]
    assert host.asked == ["db.corp"] * 2


async def test_a_failure_is_not_kept(host: SlowHost) -> None:
    host.error = OperationError("gone", "the link was lost")
    host.may_answer.set()
    service = DnsService(host, LearnedAddresses(lambda: 0.0))
    for _ in range(2):
        with pytest.raises(LookupFailed):
            await service._resolve("web", "db.corp")
    assert host.asked == ["db.corp"] * 2
    service.close()
