"""The protocol as docs/control.md has it, by clients of our own and by raw ones."""

from __future__ import annotations

import asyncio
import os
import stat
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import anyio.lowlevel
import pytest

from norouter_core.commands.results import Bytes, Lines, Output
from norouter_core.control import ControlLost, RemoteClient
from norouter_core.engine.events import Event, Log
from tests.control.raw_clients import MIB, FakeSession, RawClient, command, served
from tests.servers import eventually

pytestmark = pytest.mark.anyio


async def test_a_client_of_ours_has_what_the_session_gives() -> None:
    words = FakeSession()
    async with served(words, manifest="/x/mesh.yaml") as server:
        async with RemoteClient(server.path) as client:
            assert (client.hello.pid, client.hello.name) == (os.getpid(), "mesh")
            assert client.hello.manifest == "/x/mesh.yaml"
            said: list[Output] = []
            outcome = await client.run(command("say it's ünï \x1b[31m"), said.append)
            assert outcome.ok and outcome.data == {"said": "it's ünï \x1b[31m"}
            assert said == [Lines("it's ünï \x1b[31m")]
            outcome = await client.run(command("nonsense"), said.append)
            assert outcome.failure is not None and outcome.failure.argument == "cmd"
            outcome = await client.run(command("ask"), said.append)
            assert outcome.question is not None and outcome.question.cuts == (1,)
            assert (await client.run(command("ask"), said.append, confirmed=True)).ok
            expected = await words.summary()
            here = replace(expected.document, path=os.path.abspath(expected.document.path))
            assert await client.summary() == replace(expected, document=here)
            assert await client.complete("abc", 2) == tuple(await words.complete("abc", 2))


async def test_bytes_come_as_they_are() -> None:
    async with served() as server, RemoteClient(server.path) as client:
        said: list[Output] = []
        assert (await client.run(command("flood 3"), said.append)).ok
        assert said == [Bytes("stdout", bytes(MIB))] * 3


async def test_events_come_as_they_happen_and_end_with_the_session() -> None:
    words = FakeSession()
    async with served(words) as server, RemoteClient(server.path) as client:
        seen: deque[str] = deque()

        async def follow() -> None:
            async for event in client.events():
                assert isinstance(event, Log)
                seen.append(event.text)

        following = asyncio.ensure_future(follow())
        await eventually(lambda: words.bus._subscriptions, "it follows")
        words.tell("one")
        words.tell("two")
        await eventually(lambda: list(seen) == ["one", "two"], "both are told")
        words.bus.end()
        await asyncio.wait_for(following, 5)


async def test_whoever_stops_following_is_not_told_any_more() -> None:
    words = FakeSession()
    async with served(words) as server, RemoteClient(server.path) as client:
        events = client.events()
        asking = asyncio.ensure_future(anext(events))
        await eventually(lambda: words.bus._subscriptions, "it follows")
        words.tell("one")
        await asking
        await cast(AsyncGenerator[Event, None], events).aclose()
        await eventually(lambda: not words.bus._subscriptions, "nobody follows")


async def test_many_requests_at_once_and_each_can_be_cancelled() -> None:
    words = FakeSession()
    async with served(words) as server, RemoteClient(server.path) as client:
        said: list[Output] = []
        hanging = [
            asyncio.ensure_future(client.run(command(f"hang {n}"), said.append)) for n in range(5)
        ]
        await eventually(lambda: len(said) == 5, "they hang")
        assert (await client.run(command("say hello"), said.append)).ok
        hanging[2].cancel()
        await eventually(lambda: words.ended == ["say hello", "hang 2"], "that one ends")
        assert len(words.running) == 4
    await asyncio.gather(*hanging, return_exceptions=True)
    assert not words.running
    outcomes = [task.result() for n, task in enumerate(hanging) if n != 2]
    assert all(outcome.failure is not None for outcome in outcomes)


async def test_a_client_that_goes_takes_its_requests_along() -> None:
    words = FakeSession()
    async with served(words) as server:
        raw = await RawClient.connect(server.path)
        raw.ask(id=1, run="hang")
        raw.ask(id=2, events=True)
        await eventually(lambda: words.running and words.bus._subscriptions, "both are open")
        await raw.close()
        await eventually(lambda: not words.running, "the command ends")
        await eventually(lambda: not words.bus._subscriptions, "nobody follows")


async def test_a_client_that_has_asked_all_is_still_answered() -> None:
    """As `printf ... | socat` does."""
    async with served() as server, await RawClient.connect(server.path) as raw:
        raw.ask(id="x", run="say hello")
        raw.ask(id=2, summary=True)
        raw.writer.write_eof()
        answers = await raw.rest()
        assert {answer["id"] for answer in answers} == {"x", 2}
        assert next(a for a in answers if "outcome" in a)["outcome"]["message"] == "said"


async def test_faults_of_the_session_are_told_and_cost_that_request_only() -> None:
    async with served() as server, await RawClient.connect(server.path) as raw:
        for line, told in (("break", "out of order"), ("odd", "object is unsupported")):
            raw.ask(id=1, run=line)
            answer = await raw.answer()
            assert answer["id"] == 1 and told in answer["error"]["message"]
        raw.ask(id=1, run="say on")
        assert (await raw.answer())["output"] == {"lines": {"text": "on"}}


async def test_quit_is_answered_and_then_the_session_is_told() -> None:
    over = asyncio.Event()
    async with served(on_quit=over.set) as server:
        async with RemoteClient(server.path) as client:
            outcome = await client.run(command("quit"), lambda output: None)
            assert outcome.ended
            await asyncio.wait_for(over.wait(), 5)
    assert not server.path.exists()


async def test_what_is_answered_last_is_taken_before_the_end() -> None:
    over = asyncio.Event()
    async with served(on_quit=over.set, close_timeout=15) as server:
        raw = await RawClient.connect(server.path)
        raw.ask(id=1, run="flood 5")
        raw.ask(id=2, run="quit")
        await asyncio.wait_for(over.wait(), 5)
        reading = asyncio.ensure_future(raw.rest())
    ends = {answer["id"] for answer in await reading if "outcome" in answer}
    assert 2 in ends
    await raw.close()


async def test_the_end_of_the_engine_is_told_to_whoever_waits() -> None:
    words, stop = FakeSession(), asyncio.Event()
    paths: asyncio.Queue[Path] = asyncio.Queue()

    async def serve() -> None:
        async with served(words) as server:
            paths.put_nowait(server.path)
            await stop.wait()

    serving = asyncio.ensure_future(serve())
    async with RemoteClient(await paths.get()) as client:
        hanging = asyncio.ensure_future(client.run(command("hang"), lambda output: None))
        event = asyncio.ensure_future(anext(client.events(), None))
        await eventually(lambda: words.running and words.bus._subscriptions, "both are open")
        stop.set()
        outcome = await asyncio.wait_for(hanging, 5)
        assert outcome.failure is not None and "ended" in outcome.failure.message
        assert await asyncio.wait_for(event, 5) is None
        with pytest.raises(ControlLost):
            await client.summary()
        assert (await client.run(command("say x"), lambda output: None)).failure is not None
    await serving


async def test_modes_and_names_of_socket_and_folder(runtime: Path) -> None:
    async with served(manifest="dir/my mesh!.yaml") as server:
        assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700
        assert server.path.parent == runtime / "norouter"
        assert server.path.name == f"{os.getpid()}-my_mesh.sock"
    assert not list(server.path.parent.iterdir())


@pytest.mark.parametrize("ticks", range(8))
async def test_a_server_that_is_cancelled_while_it_begins_leaves_nothing(
    runtime: Path, ticks: int
) -> None:
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            async with served():
                await anyio.sleep_forever()

        tasks.start_soon(serve)
        for _ in range(ticks):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert not list(runtime.rglob("*.sock"))
