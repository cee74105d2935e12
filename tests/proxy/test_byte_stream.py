"""Byte streams over ends: back-pressure in both directions, and every kind of end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from anyio import EndOfStream

from norouter_core.agent.ends import join
from norouter_core.byte_stream import MAX_BUFFERED, ByteStream, DatagramStream, StreamReset
from tests.datagrams import Played
from tests.proxy.memory_ends import Clock, MemoryEnd


class Joined:
    """A stream joined to an end in memory, and tasks in a time of their own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.peer = MemoryEnd(self.clock.run)
        self.stream = ByteStream()
        join(self.peer, self.stream.end)

    def begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = self.clock.create_task(work)
        self.clock.run()
        return task


def test_the_buffer_is_bounded_and_credited_when_the_reader_comes_back() -> None:
    there = Joined()
    while there.stream.end.room():
        there.peer.bring(b"x" * there.stream.end.room())
    assert there.peer.unconsumed == MAX_BUFFERED
    assert len(there.begin(there.stream.receive(100_000)).result()) == 100_000
    assert there.peer.unconsumed == MAX_BUFFERED and there.peer.wakes == 0
    there.begin(there.stream.receive())
    assert there.peer.unconsumed == MAX_BUFFERED - 100_000 and there.peer.wakes == 1


def test_a_sender_waits_for_the_peer() -> None:
    there = Joined()
    there.peer.blocked = True
    sending = there.begin(there.stream.send(b"a" * 100_000))
    assert len(there.peer.waiting) == 1 << 16 and not sending.done()
    there.peer.unblock()
    assert sending.done() and there.peer.take() == b"a" * 100_000
    assert there.begin(there.stream.drain()).done()
    there.peer.blocked = True
    assert there.begin(there.stream.send(b"b")).done()
    draining = there.begin(there.stream.drain())
    assert not draining.done()
    there.peer.unblock()
    assert draining.done()


def test_what_is_put_back_is_not_credited_and_comes_again() -> None:
    there = Joined()
    there.peer.bring(b"one two")
    data = there.begin(there.stream.receive()).result()
    there.stream.put_back(data[3:])
    there.stream.acknowledge()
    assert there.peer.unconsumed == 4
    assert there.begin(there.stream.receive_exactly(4)).result() == b" two"


def test_data_comes_before_eof_and_before_a_reset() -> None:
    for reset in (False, True):
        there = Joined()
        there.peer.bring(b"last")
        if reset:
            there.peer.bring_reset()
        else:
            there.peer.bring_end()
        assert there.begin(there.stream.receive()).result() == b"last"
        with pytest.raises(StreamReset if reset else EndOfStream):
            there.begin(there.stream.receive()).result()


def test_a_reset_wakes_reader_and_writer() -> None:
    there = Joined()
    there.peer.blocked = True
    tasks = [there.begin(there.stream.receive()), there.begin(there.stream.send(b"x" * 100_000))]
    there.peer.bring_reset("gone", "the host was lost")
    for task in tasks:
        with pytest.raises(StreamReset, match="gone: the host was lost"):
            task.result()


def test_a_close_in_order_waits_for_the_peer_and_resets_one_that_stays() -> None:
    there = Joined()
    there.peer.bring(b"unread")
    closing = there.begin(there.stream.aclose(linger=5))
    assert there.peer.ended and there.peer.unconsumed == 0
    there.peer.bring(b"dropped")
    assert there.peer.unconsumed == 0
    there.clock.advance(4)
    assert not closing.done()
    there.peer.bring_end()
    assert closing.done() and not there.peer.was_reset and not there.clock.set_timers
    there = Joined()
    closing = there.begin(there.stream.aclose(linger=5))
    there.clock.advance(5)
    assert closing.done() and there.peer.was_reset == ("timeout", "it did not close")


def test_datagrams_are_received_whole_and_the_oldest_dropped() -> None:
    clock, peer, stream = Clock(), Played(), DatagramStream()
    join(peer, stream.end)
    for number in range(100):
        peer.says(b"%d" % number)

    async def receive_all() -> list[bytes]:
        found = []
        try:
            while True:
                found.append(await stream.receive())
        except EndOfStream:
            return found

    task = clock.create_task(receive_all())
    stream.end.end()
    clock.run()
    assert task.result() == [b"%d" % number for number in range(36, 100)]
