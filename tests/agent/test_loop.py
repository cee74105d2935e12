"""The agent's event loop: what it shares with asyncio's, kept to the letter."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from norouter_core.agent.loop import Loop
from tests.servers import TIMEOUT


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.setblocking(False)
    with one, other:
        yield one, other


def run(loop: Loop) -> None:
    """Runs until something stops the loop; a test that forgets to is stopped and fails."""
    late: list[bool] = []

    def give_up() -> None:
        late.append(True)
        loop.stop()

    timer = loop.call_later(TIMEOUT, give_up)
    loop.run()
    timer.cancel()
    assert not late, "nothing stopped the loop"


def test_what_is_queued_runs_in_order_and_in_the_next_turn(loop: Loop) -> None:
    said: list[str] = []
    loop.call_soon(said.append, "one")
    loop.call_soon(lambda: loop.call_soon(said.append, "three"))
    loop.call_soon(said.append, "two")
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(loop.stop)))
    run(loop)
    assert said == ["one", "two", "three"]


def test_timers_run_in_the_order_of_their_time(loop: Loop) -> None:
    said: list[float] = []
    started = loop.time()
    for delay in (0.06, 0.02, 0.04):
        loop.call_later(delay, said.append, delay)
    loop.call_later(0.03, said.append, 0.03).cancel()
    loop.call_later(0.08, loop.stop)
    run(loop)
    assert said == [0.02, 0.04, 0.06]
    assert loop.time() - started >= 0.08


def test_timers_of_one_time_do_not_stop_each_other(loop: Loop) -> None:
    said: list[str] = []
    now = loop.time()
    loop.time = lambda: now  # a clock that stands
    later = loop.call_later(0, said.append, "cancelled by the first")
    loop.call_later(-1, later.cancel)
    loop.call_later(0, said.append, "second")
    loop.call_later(0, loop.stop)
    loop.run()
    assert said == ["second"]


def test_a_thread_wakes_it_up(loop: Loop) -> None:
    said: list[str] = []

    def work() -> None:
        for number in range(1000):
            loop.call_soon_threadsafe(said.append, str(number))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=work)
    loop.call_soon(thread.start)
    run(loop)
    thread.join()
    assert said == [str(number) for number in range(1000)]


def test_more_wake_ups_than_its_pipe_holds(loop: Loop) -> None:
    said: list[int] = []
    for number in range(100_000):
        loop.call_soon_threadsafe(said.append, number)
    loop.call_soon_threadsafe(loop.stop)
    run(loop)
    assert said == list(range(100_000))


def test_readers_and_writers(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    got: list[bytes] = []

    def write() -> None:
        one.send(b"hello")
        assert loop.remove_writer(one.fileno())

    def read() -> None:
        got.append(other.recv(100))
        loop.stop()

    loop.add_writer(one.fileno(), write)
    loop.add_reader(other.fileno(), read)
    run(loop)
    assert got == [b"hello"]
    assert loop.remove_reader(other.fileno()) is True
    assert loop.remove_reader(other.fileno()) is False
    assert loop.remove_writer(one.fileno()) is False


def test_both_ways_of_one_descriptor(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    said: list[str] = []

    def both(word: str, remove: Callable[[int], bool]) -> None:
        said.append(word)
        remove(one.fileno())
        if len(said) == 2:
            loop.stop()

    other.send(b"x")
    loop.add_reader(one.fileno(), both, "read", loop.remove_reader)
    loop.add_writer(one.fileno(), both, "write", loop.remove_writer)
    run(loop)
    assert sorted(said) == ["read", "write"]


def test_what_is_removed_while_events_are_dispatched_is_not_called(loop: Loop) -> None:
    """Two sockets are ready in one turn; the first to be called takes the other away."""
    pairs = [socket.socketpair() for _ in range(8)]
    called: list[int] = []

    def first(me: int) -> None:
        called.append(me)
        for one, _ in pairs:
            loop.remove_reader(one.fileno())
            one.close()
        # A new socket gets a number that an event of this very turn may name.
        again = socket.socketpair()
        loop.add_reader(again[0].fileno(), called.append, -1)
        made.extend(again)
        loop.call_later(0.05, loop.stop)

    made: list[socket.socket] = []
    for index, (one, other) in enumerate(pairs):
        loop.add_reader(one.fileno(), first, index)
        other.send(b"x")
    run(loop)
    assert len(called) == 1 and called[0] >= 0
    for sock in (*made, *(other for _, other in pairs)):
        sock.close()


def test_a_reader_is_replaced(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    said: list[str] = []
    loop.add_reader(one.fileno(), said.append, "old")
    loop.add_reader(one.fileno(), said.append, "new")
    other.send(b"x")
    loop.call_later(0.02, loop.stop)
    run(loop)
    assert set(said) == {"new"}


def test_what_a_callback_raises_ends_it(loop: Loop) -> None:
    loop.call_soon(int, "nothing like a number")
    with pytest.raises(ValueError, match="nothing like a number"):
        loop.run()


def test_it_sleeps_while_nothing_is_to_be_done(loop: Loop) -> None:
    loop.call_later(0.3, loop.stop)
    before = time.process_time()
    run(loop)
    assert time.process_time() - before < 0.25


def test_it_keeps_no_descriptor() -> None:
    def descriptors() -> int:
        return len(os.listdir("/dev/fd"))

    before = descriptors()
    loops = [Loop() for _ in range(5)]
    assert descriptors() > before
    for made in loops:
        made.close()
    assert descriptors() == before


def test_an_error_that_was_survived_is_reported(
    loop: Loop, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        raise ZeroDivisionError("of one stream")
    except ZeroDivisionError as error:
        loop.call_exception_handler({"message": "stream 1", "exception": error})
    said = capfd.readouterr().err
    assert said.startswith("norouter agent: internal error: stream 1\nTraceback")
    assert "ZeroDivisionError: of one stream" in said
