"""A stream that is over is over everywhere: in what is shown, on the links, at both sockets."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from norouter_core.agent.direct import REPORT_INTERVAL
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import StreamClosed, StreamOpened
from norouter_core.engine.status import HostState
from norouter_core.engine.supervisor import Supervisor
from norouter_core.links.local import LocalLink
from norouter_core.links.stdio import StdioLink
from norouter_core.model import MeshSpec
from tests.engine.meshes import TIMING, Mesh, forward, host, local, mesh, relayed
from tests.servers import Target, connect, echoing, eventually, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

ANSWER = 8_000_000


def on_the_links(made: Mesh) -> int:
    """Streams that the wire still knows."""
    links = [supervisor.link for supervisor in made.engine._supervisors.values()]
    muxes = [getattr(link, "_mux", None) for link in links]
    return sum(len(mux.connection.streams) for mux in muxes if mux is not None)


async def _answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.write(bytes(ANSWER))
    await writer.drain()


@pytest.mark.parametrize("agents", [1, 2])
async def test_answers_after_a_half_close_that_meet_a_busy_link(agents: int) -> None:
    """Our EOF then is the last frame of its stream, and waits behind its bytes."""
    async with serving(_answer_at_the_end) as port:
        listening = local("client") if agents == 1 else host("client")
        async with mesh(listening, relayed("web", forward(port))) as made:
            address = made.address("web")

            clients = [await connect(address) for _ in range(4)]
            for client in clients:
                await client.send(b"hi")
                client.end()
            # Nobody reads yet: windows and sockets are full, and the rest waits at the target.
            await eventually(
                lambda: all(each.bytes_received > ANSWER // 40 for each in made.streams),
                "answers come",
            )
            got = await asyncio.gather(*(client.rest() for client in clients))
            assert [len(answer) for answer in got] == [ANSWER] * 4
            for client in clients:
                client.close()
            await eventually(lambda: not made.streams, "none is shown", 5)
            await eventually(lambda: not on_the_links(made), "none is on a link", 5)
            assert [each.streams for each in made.engine.status().hosts] == [0, 0]
            reasons = [e.stream.reason for e in made.events() if isinstance(e, StreamClosed)]
            assert reasons == ["closed"] * 4


# -- with the local host


async def test_removing_this_machine_ends_its_streams() -> None:
    async with echoing() as port:
        web, other = relayed("web", forward(port)), relayed("other", forward(port))
        async with mesh(local("me"), web, other) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                assert [stream.from_host for stream in made.streams] == ["me"]
                await made.engine.apply(made.engine.spec.without_hosts("me"))
                assert made.streams == ()
                assert await client.is_reset()
            (closed,) = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
            assert closed.reason.startswith("gone")
            await eventually(lambda: not on_the_links(made), "none is on a link")


async def test_nothing_echoes_after_the_engine_was_left() -> None:
    """Not even from this machine to this machine, where no link's end ends it."""
    async with echoing() as port:
        hidden = replace(relayed("hidden", forward(port)), cmd=None)
        both = MeshSpec((local("me", forward(port)), hidden))
        async with Engine(TIMING) as engine:
            made = Mesh(engine)
            await made.apply(both)
            relaying = await connect(made.address("hidden"))
            direct = await connect(made.address("me"))
            assert await relaying.says(b"hello") and await direct.says(b"hello")
        with relaying, direct:
            assert await relaying.is_reset() and await direct.is_reset()
        assert engine.status().streams == ()


async def test_a_local_host_that_is_restarted_tells_of_no_stream_twice() -> None:
    async with echoing() as port:
        async with mesh(local("me", forward(port))) as made:
            with await connect(made.address("me")) as client:
                assert await client.says(b"hello")
                await eventually(lambda: made.streams, "it is shown")
                await made.engine.restart("me")
                assert await client.is_reset()
                await made.in_state("me", HostState.READY)
                await made.ready()
            with await connect(made.address("me")) as client:
                assert await client.says(b"again")
                # By then whatever the old one had yet to report has been reported.
                due = time.monotonic() + 2 * REPORT_INTERVAL
                await eventually(
                    lambda: made.streams and time.monotonic() > due, "the new one is shown"
                )
                assert len(made.streams) == 1
                assert made.engine.status().opened_total == 2
            events = made.events()
            assert sum(isinstance(event, StreamOpened) for event in events) == 2
            closed = [event.stream for event in events if isinstance(event, StreamClosed)]
            assert closed[0].reason.startswith("gone") and len(closed) <= 2


async def test_a_fault_of_ours_ends_the_streams_of_that_host(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """From ready it is failed at once: nothing of it may go on."""
    broken = asyncio.Event()
    until_down = Supervisor._run_link

    async def breaks(supervisor: Supervisor, link: LocalLink | StdioLink) -> bool:
        if not isinstance(link, LocalLink):
            return await until_down(supervisor, link)
        async with asyncio.TaskGroup() as tasks:
            parts = (supervisor.listeners.run(link), supervisor.names.run(link))
            working = [tasks.create_task(part) for part in parts]
            await broken.wait()
            for task in working:
                task.cancel()
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Supervisor, "_run_link", breaks)
    async with echoing() as port:
        async with mesh(
            local("me"), host("web", forward(port)), relayed("far", forward(port))
        ) as made:
            assert {x.on_host for x in made.listeners("far") if x.state == "bound"} <= {"me", "web"}
            with await connect(made.address("far")) as client:
                assert await client.says(b"hello")
                (stream,) = made.streams
                broken.set()
                await made.in_state("me", HostState.FAILED)
                problem = made.host("me").problem
                assert problem is not None and problem.kind == "internal"
                assert "a fault of ours" in problem.message
                if stream.from_host == "me":
                    assert await client.is_reset()
                    assert made.streams == ()
            await eventually(
                lambda: [x.on_host for x in made.listeners("far") if x.state == "bound"] == ["web"],
                "the other takes over",
            )
            with await connect(made.address("far")) as client:
                assert await client.says(b"hello")
    assert "a fault of ours" in caplog.text


# -- a reset that no read reports


@pytest.mark.parametrize("agents", [1, 2])
@pytest.mark.parametrize("build", [relayed, host], ids=["relayed", "direct"])
async def test_a_reset_of_a_client_whose_stream_is_stalled(agents: int, build: object) -> None:
    with Target() as target:
        listening = local("client") if agents == 1 else host("client")
        assert callable(build)
        async with mesh(listening, build("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                full = asyncio.ensure_future(client.send(bytes(200 << 20)))
                last = -1
                # Stalled: nothing more has come in over half a second.
                while last != (now := _bytes(made)):
                    last = now
                    await asyncio.wait([full], timeout=0.5)
                full.cancel()
                await asyncio.wait([full])
                client.abort()
                started = time.monotonic()
                await eventually(lambda: not made.streams, "the reset is seen", 4)
                assert time.monotonic() - started < 3.5
                assert await server.is_reset()
            (closed,) = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
            assert closed.reason.startswith("reset")


def _bytes(made: Mesh) -> int:
    return made.engine.status().bytes_total
