"""What a task does counts for the link whose frame has caused it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from norouter_core.engine.attribution import Attributed
from norouter_core.engine.log_throttle import LogThrottle
from norouter_core.links.agent_client import MAX_SHARED_REQUESTS, AgentClient, Requests
from norouter_core.links.base import OperationError
from norouter_core.model import Route
from norouter_core.wire.outbox import Cause
from tests.engine.meshes import host
from tests.proxy.engines import tunnel, world
from tests.servers import echoing

pytestmark = pytest.mark.anyio


async def test_every_step_of_a_task_has_its_source() -> None:
    cause = Cause()
    seen: list[object] = []

    async def session(wait: Awaitable[None]) -> None:
        seen.append(cause.source)
        try:
            await wait
        finally:
            seen.append(cause.source)

    loop = asyncio.get_running_loop()
    tasks = []
    for source in ("one", "two", "three"):
        cause.source = source
        tasks.append(asyncio.create_task(Attributed(session(loop.create_future()), cause)))
    cause.source = None
    await asyncio.sleep(0)
    assert seen == ["one", "two", "three"] and cause.source is None
    # In between, other frames are handled; a task may also be cancelled.
    cause.source = "four"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert seen == ["one", "two", "three"] * 2 and cause.source == "four"
    assert all(task.cancelled() for task in tasks)


async def test_requests_that_one_host_causes_leave_room_for_others() -> None:
    requests = Requests()
    begun = [requests.begin(dict, "rogue") for _ in range(MAX_SHARED_REQUESTS)]
    with pytest.raises(OperationError, match="of one host's clients"):
        requests.begin(dict, "rogue")
    requests.begin(dict, "other")
    requests.begin(dict)
    requests.end(begun[0][0])
    requests.begin(dict, "rogue")


def test_too_many_streams_are_logged_once_a_minute() -> None:
    now, logged = [0], dict[int, str]()
    throttle = LogThrottle(lambda _, host, text: logged.update({now[0]: text}), lambda: now[0])
    for now[0] in range(130):
        throttle.too_many("web", "7 streams are open on this link")
    assert logged == {
        0: "refused a client: 7 streams are open on this link",
        60: "refused a client: 7 streams are open on this link; 59 more since the last such line",
        120: "refused a client: 7 streams are open on this link; 59 more since the last such line",
    }


async def test_a_stream_of_a_proxys_client_counts_for_the_host_of_that_client() -> None:
    """The proxy looks the name up before it dials: the frame of the request is long handled."""
    async with echoing() as port:
        async with world(port, Route("bastion", ("127.0.0.0/8",)), at=host("entry")) as there:
            link = there.mesh.engine.link
            entry, bastion = link("entry"), link("bastion")
            assert isinstance(entry, AgentClient) and isinstance(bastion, AgentClient)
            opened_for = bastion._mux.connection._opened_for
            with await tunnel(there.http, "localhost", port) as client:
                assert await client.says(b"through the bastion")
                assert opened_for == {entry._mux.connection.outbox.source: 1}
            await there.idle()
            assert not opened_for
