"""An EOF behind its bytes is the last frame of a stream; its observer then learns of the end."""

from __future__ import annotations

import asyncio

import pytest

from norouter_core.agent.ends import End, join
from norouter_core.wire import frames
from norouter_core.wire.connection import HUB
from tests.agent.agents import Watcher
from tests.agent.muxes import Bare, over_sockets
from tests.servers import eventually

pytestmark = pytest.mark.anyio


class Source(End):
    """The other end of the stream: a target that has sent all that it had."""

    ended = False
    was_reset = ""
    gone = 0

    def end(self) -> None:
        self.ended = True

    def reset(self, code: str, reason: str) -> None:
        self.was_reset = code

    def wake(self) -> None: ...

    def consumed(self, size: int) -> None:
        self.gone += size


async def test_an_end_that_waits_for_its_bytes_is_observed_when_it_goes() -> None:
    peer = Bare(over_sockets, HUB)
    loop = asyncio.get_running_loop()
    try:
        end, source, seen = peer.behind.mux.open({"target": ["a", 1]}), Source(), Watcher()
        end.observer = seen
        join(source, end)
        number = end.stream.id
        opened = frames.stream_frame(frames.OPENED, number, b'{"peer":["a",1],"window":16384}')
        await loop.sock_sendall(peer._out, opened + frames.stream_frame(frames.EOF, number))
        await eventually(lambda: source.ended, "the client has half-closed")
        end.send(memoryview(bytes(100_000)))
        end.end()
        # The window is short: the rest of the answer waits here, and our EOF behind it.
        await eventually(lambda: source.gone == 16384, "what the window lets go has gone")
        assert not seen.closed.done()
        await loop.sock_sendall(peer._out, frames.credit_frame(number, 1_000_000))
        assert await seen.outcome() == ("closed", "")
        assert source.gone == 100_000
        assert peer.behind.mux.connection.streams == {}
    finally:
        peer.close()


async def test_a_stream_of_a_link_that_has_just_ended_is_reset() -> None:
    """Its opener may not know yet, and nothing else would end it."""
    peer = Bare(over_sockets, HUB)
    mux = peer.behind.mux
    try:
        mux.close("lost")
        end, source, seen = mux.open({"target": ["a", 1]}), Source(), Watcher()
        end.observer = seen
        join(source, end)
        assert (await seen.outcome())[0] == "gone"
        assert source.was_reset == "gone" and not mux.connection.streams
        # A stream that is reset meanwhile ends once.
        end, source, seen = mux.open({"target": ["a", 1]}), Source(), Watcher()
        end.observer = seen
        join(source, end)
        end.reset("killed", "")
        assert (await seen.outcome())[0] == "killed"
        await asyncio.sleep(0)
        assert source.was_reset == ""
    finally:
        peer.close()
