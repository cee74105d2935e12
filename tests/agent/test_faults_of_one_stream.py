"""A fault in one stream is reported, ends that stream, and costs no other stream its credit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from norouter_core.agent.ends import join
from norouter_core.agent.mux import Mux
from norouter_core.agent.wire_end import WireEnd
from norouter_core.wire import frames
from norouter_core.wire.connection import HUB
from norouter_core.wire.errors import LocalProtocolError
from tests.agent.muxes import Bare, over_sockets
from tests.agent.test_last_frames import Source
from tests.servers import eventually

pytestmark = pytest.mark.anyio


class Broken(Source):
    """Fails wherever the link calls it."""

    def wake(self) -> None:
        raise ZeroDivisionError

    def consumed(self, size: int) -> None:
        raise ZeroDivisionError


class SendsAfterItsEnd(Source):
    """Breaks the protocol when it is sent bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.received = b""
        self.breaks = False

    def send(self, data: memoryview) -> None:
        self.received += data
        end = self.peer
        if self.breaks and isinstance(end, WireEnd):
            end.end()
            end.mux.connection.send(end.stream, data)


def accept(number: int) -> bytes:
    return frames.stream_frame(frames.OPENED, number, b'{"peer":["a",1],"window":262144}')


@pytest.fixture
async def faults() -> list[dict[str, Any]]:
    """What is reported to the running loop."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    return reported


@pytest.fixture
async def peer() -> AsyncIterator[Bare]:
    peer = Bare(over_sockets, HUB)
    yield peer
    peer.close()


def open_to(mux: Mux, source: Source) -> WireEnd:
    end = mux.open({"target": ["a", 1]})
    join(source, end)
    return end


async def accepted(peer: Bare, *ends: WireEnd) -> None:
    data = b"".join(accept(end.stream.id) for end in ends)
    await asyncio.get_running_loop().sock_sendall(peer._out, data)
    await eventually(lambda: all(e.stream.state == "open" for e in ends), "the streams are open")


async def was_reset_alone(
    peer: Bare,
    bad: Source,
    number: int,
    faults: list[Any],
    error: type[Exception] = ZeroDivisionError,
) -> None:
    await eventually(lambda: bad.was_reset == "internal", "the source of the fault is reset")
    assert [type(fault["exception"]) for fault in faults] == [error]
    assert f"stream {number}" in faults[0]["message"]
    mux = peer.behind.mux
    assert number not in mux.connection.streams
    assert not peer.behind.down


async def test_credit_of_the_others_of_a_batch(peer: Bare, faults: list[dict[str, Any]]) -> None:
    mux = peer.behind.mux
    sources = [Source(), Broken(), Source()]
    ends = [open_to(mux, source) for source in sources]
    await accepted(peer, *ends)
    for end in ends:
        mux.connection.send(end.stream, bytes(30_000))
    mux.schedule_flush()
    await eventually(lambda: sources[0].gone == sources[2].gone == 30_000, "all has gone")
    assert isinstance(sources[1], Broken)
    await was_reset_alone(peer, sources[1], ends[1].stream.id, faults)


async def test_the_turn_of_a_source(peer: Bare, faults: list[dict[str, Any]]) -> None:
    mux = peer.behind.mux
    bad, good = Broken(), Source()
    ends = [open_to(mux, bad), open_to(mux, good)]
    await accepted(peer, *ends)
    mux.connection.outbox.wait_turn(ends[0].stream)
    mux.schedule_flush()
    ends[1].send(memoryview(bytes(50_000)))
    await eventually(lambda: good.gone == 50_000, "the other one's bytes have gone")
    await was_reset_alone(peer, bad, ends[0].stream.id, faults)


async def test_our_own_breach_of_the_protocol(peer: Bare, faults: list[dict[str, Any]]) -> None:
    mux = peer.behind.mux
    bad, good = SendsAfterItsEnd(), SendsAfterItsEnd()
    bad.breaks = True
    ends = [open_to(mux, bad), open_to(mux, good)]
    await accepted(peer, *ends)
    data = b"".join(frames.stream_frame(frames.DATA, e.stream.id, b"hello") for e in ends)
    await asyncio.get_running_loop().sock_sendall(peer._out, data)
    await eventually(lambda: good.received == b"hello", "the other stream's bytes have come")
    await was_reset_alone(peer, bad, ends[0].stream.id, faults, LocalProtocolError)
