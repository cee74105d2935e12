"""Clients that mean ill, or know no better: they harm themselves alone."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from norouter_core.control import RemoteClient, codec, requests, server
from norouter_core.control.requests import MAX_REQUESTS
from norouter_core.control.server import MAX_CLIENTS, MAX_FAULTS
from tests.control.raw_clients import MIB, FakeSession, RawClient, blocking, command, served
from tests.servers import eventually

pytestmark = pytest.mark.anyio

CORPUS = [
    b"",
    b"hello",
    b"\x16\x03\x01\x02\x00",
    b"{",
    b"[]",
    b"null",
    b"1e999",
    b"{}",
    b'{"id": 1}',
    b'{"run": "exec web -- say x"}',
    b'{"id": null, "run": "exec web -- say x"}',
    b'{"id": true, "run": "exec web -- say x"}',
    b'{"id": 1.5, "run": "exec web -- say x"}',
    b'{"id": [1], "run": "exec web -- say x"}',
    b'{"id": "' + b"x" * 101 + b'", "run": "exec web -- say x"}',
    b'{"id": 99999999999999999999, "run": "exec web -- say x"}',
    b'{"id": 1, "run": 7}',
    b'{"id": 1, "run": "say x", "confirmed": "yes"}',
    b'{"id": 1, "run": "say x", "summary": true}',
    b'{"id": 1, "complete": "abc", "cursor": 4}',
    b'{"id": 1, "complete": "abc", "cursor": -1}',
    b'{"id": 1, "complete": "abc", "cursor": "2"}',
    b'{"id": 1, "events": true, "streams": 1}',
    b'{"cancel": {}}',
    b"[" * 50_000,
    b'{"id": ' + b"1" * 5_000 + b', "run": "exec web -- say x"}',
    b'{"id": 1, "id": 2, "rum": "x"}',
    bytes(range(256)).replace(b"\n", b""),
]


@pytest.mark.parametrize("line", CORPUS, ids=range(len(CORPUS)))
async def test_a_request_without_sense_gets_an_error_and_the_next_one_its_answer(
    line: bytes,
) -> None:
    async with served() as server, await RawClient.connect(server.path) as raw:
        raw.send(line + b"\n")
        answer = await raw.answer()
        assert answer["error"]["message"], answer
        raw.ask(id="next", run="say on")
        while (answer := await raw.answer()).get("id") != "next":
            assert answer["error"]["message"], answer
        assert answer == {"id": "next", "output": {"lines": {"text": "on"}}}


@pytest.mark.parametrize("head", [b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.0\n\n"])
async def test_a_web_page_runs_no_command(head: bytes) -> None:
    """It can reach the socket where something forwards a TCP port to it."""
    async with served() as server, await RawClient.connect(server.path) as raw:
        raw.send(head + b'{"id": 1, "run": "say it"}\n')
        assert await raw.rest() == [{"error": {"message": "this is not a web server"}}]


async def test_too_many_of_them_are_the_end_of_that_client() -> None:
    async with served() as server, await RawClient.connect(server.path) as raw:
        async with await RawClient.connect(server.path) as other:
            raw.send(b"?\n" * 1_000_000)
            # What it was told is lost, as a rule: its socket was closed with bytes unread.
            assert len(await raw.rest()) <= MAX_FAULTS
            other.ask(id=1, run="say on")
            assert "output" in await other.answer()


async def test_what_they_are_told_before_the_end() -> None:
    async with served() as server, await RawClient.connect(server.path) as raw:
        raw.send(b"?\n" * MAX_FAULTS)
        answers = await raw.rest()
        assert len(answers) == MAX_FAULTS
        assert answers[-1] == {"error": {"message": "too many malformed requests"}}


async def test_a_line_without_an_end() -> None:
    async with served() as server, await RawClient.connect(server.path) as raw:
        raw.send(b"x" * (codec.MAX_LINE + 1))
        (answer,) = await raw.rest()
        assert "1048576 bytes" in answer["error"]["message"]


async def test_the_longest_line_is_read() -> None:
    async with served() as server, await RawClient.connect(server.path) as raw:
        head = b'{"id":1,"run":{"verb":"exec","values":{"host":"web","cmd":["say '
        tail = b'"]}}}\n'
        raw.send(head + b"x" * (codec.MAX_LINE - len(head) - len(tail)) + tail)
        assert len((await raw.answer())["output"]["lines"]["text"]) > MIB - 100


async def test_requests_are_bounded_and_ids_are_not_shared() -> None:
    words = FakeSession()
    async with served(words) as server, await RawClient.connect(server.path) as raw:
        for number in range(MAX_REQUESTS):
            raw.ask(id=number, run="hang")
        await eventually(lambda: len(words.running) == MAX_REQUESTS, "all hang")
        for _ in range(MAX_REQUESTS):
            assert "output" in await raw.answer()
        raw.ask(id=MAX_REQUESTS, run="say x")
        assert "32 requests are open" in (await raw.answer())["error"]["message"]
        raw.ask(cancel=0)
        assert await raw.answer() == {"id": 0, "cancelled": True}
        raw.ask(id=1, run="say x")
        assert "is open" in (await raw.answer())["error"]["message"]
        raw.ask(id=0, run="say x")
        assert "output" in await raw.answer()
        raw.ask(cancel=4711)
        assert "outcome" in await raw.answer()


async def test_clients_are_bounded() -> None:
    async with served() as server:
        clients = [await RawClient.connect(server.path) for _ in range(MAX_CLIENTS)]
        for client in clients:
            assert "hello" in await client.answer()
        more = await RawClient.connect(server.path)
        assert await more.rest() == [{"error": {"message": "too many clients"}}]
        await clients.pop().close()
        await more.close()

        async def finds_room() -> bool:
            raw = await RawClient.connect(server.path)
            said = await raw.answer()
            await raw.close()
            return "hello" in said

        async with asyncio.timeout(10):
            while not await finds_room():  # noqa: ASYNC110  # the server tells nobody of room
                await asyncio.sleep(0.01)
        for client in clients:
            await client.close()


async def test_a_client_that_never_reads_is_dropped_and_holds_nobody_up() -> None:
    words = FakeSession()
    async with served(words) as server, await RawClient.connect(server.path) as other:
        with blocking(server.path) as deaf:
            deaf.sendall(b'{"id": 1, "run": "exec web -- flood 100"}\n')
            await eventually(lambda: words.running, "it floods")
            for number in range(20):
                other.ask(id=number, run="say on")
                assert "output" in await other.answer()
                assert "outcome" in await other.answer()
            await eventually(lambda: not words.running, "the flood has ended")
            assert await _is_dropped(deaf)


async def _is_dropped(sock: socket.socket) -> bool:
    def read() -> bool:
        try:
            while data := sock.recv(MIB):
                if b'"outcome"' in data:
                    return False
        except ConnectionError:
            pass
        return True

    return await asyncio.to_thread(read)


async def test_a_client_that_stops_reading_is_given_up_in_time() -> None:
    words = FakeSession()
    async with served(words, stall_timeout=0.2) as server:
        with blocking(server.path) as deaf:
            deaf.sendall(
                b'{"id": 1, "run": "exec web -- flood 3"}\n{"id": 2, "run": "exec web -- hang"}\n'
            )
            await eventually(lambda: "hang" in words.running, "it hangs")
            await eventually(lambda: not words.running, "it is given up")


async def test_a_slow_client_misses_bytes_of_a_tap_and_is_not_dropped() -> None:
    words = FakeSession()
    async with served(words) as server:
        with blocking(server.path) as slow:
            slow.sendall(b'{"id": 1, "run": "exec web -- tap 60"}\n')
            await eventually(lambda: words.ended, "all has been told")
            slow.sendall(b'{"id": 2, "run": "exec web -- tap 1"}\n')
            said = await asyncio.to_thread(_until, slow, b'"id":2,"outcome"')
            answers = [json.loads(line) for line in said.splitlines()[1:]]
            told = [a["output"]["bytes"] for a in answers if "output" in a and a["id"] == 1]
            assert 0 < len(told) < 60


async def test_a_slow_follower_misses_events_and_is_not_dropped() -> None:
    words = FakeSession()
    async with served(words) as server:
        with blocking(server.path) as slow:
            slow.sendall(b'{"id": 1, "events": true}\n')
            await eventually(lambda: words.bus._subscriptions, "it follows")
            for number in range(20_000):
                words.tell(f"{number}: {'x' * 400}")
                if number % 50 == 0:
                    await asyncio.sleep(0)
            words.bus.end()
            said = await asyncio.to_thread(_until, slow, b'"end"')
            assert 0 < said.count(b'"event"') < 20_000


def _until(sock: socket.socket, words: bytes) -> bytes:
    """What is said up to the line that holds these words."""
    said = bytearray()
    while words not in said[-2000:]:
        data = sock.recv(MIB)
        assert data, "it was dropped"
        said += data
    return bytes(said)


async def test_fifty_clients_at_once() -> None:
    async with served() as server:

        async def talk(number: int) -> None:
            async with RemoteClient(server.path) as client:
                for turn in range(5):
                    outcome = await client.run(command(f"say {number} {turn}"), lambda output: None)
                    assert outcome.data == {"said": f"{number} {turn}"}

        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                tasks.create_task(talk(number))


async def test_clients_that_come_and_go_without_a_word() -> None:
    async with served() as server:
        for _ in range(100):
            blocking(server.path).close()
            await asyncio.sleep(0)
            with blocking(server.path) as sock:
                sock.sendall(b'{"id": 1, "run": "exec web -- say x"}\n{"id"')
        async with RemoteClient(server.path) as client:
            assert (await client.run(command("say x"), lambda output: None)).ok


mutations = st.lists(
    st.tuples(
        st.integers(0, 200), st.sampled_from(["drop", "double", "flip"]), st.integers(0, 255)
    ),
    max_size=6,
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.sampled_from(CORPUS[:-2])
        | st.sampled_from(
            [
                b'{"id": 1, "run": "exec web -- say x"}',
                b'{"id": 2, "events": true}',
                b'{"id": 3, "complete": "host", "cursor": 2}',
                b'{"cancel": 2}',
            ]
        ),
        max_size=8,
    ),
    mutations,
    st.integers(0, 2**32),
)
def test_whatever_is_sent_in_whatever_pieces(
    sent: list[bytes], changes: list[tuple[int, str, int]], seed: int
) -> None:
    """By hypothesis, which knows no async tests: each example has a loop of its own."""
    asyncio.run(_survives(_mutated(b"\n".join(sent) + b"\n", changes), seed))


def _mutated(data: bytes, changes: list[tuple[int, str, int]]) -> bytes:
    changed = bytearray(data)
    for place, how, value in changes:
        at = place % len(changed)
        if how == "flip":
            changed[at] ^= value
        else:
            changed[at : at + 1] = b"" if how == "drop" else changed[at : at + 1] * 2
        changed = changed or bytearray(b"\n")
    return bytes(changed)


async def _survives(data: bytes, seed: int) -> None:
    chance = random.Random(seed)
    async with served() as server:
        raw = await RawClient.connect(server.path)
        for piece in _pieces(data, chance):
            raw.send(piece)
            await asyncio.sleep(0)
        async with RemoteClient(server.path) as client:
            assert (await client.run(command("say x"), lambda output: None)).ok
        if chance.random() < 0.5:
            raw.writer.write_eof()
        await raw.close()


def _pieces(data: bytes, chance: random.Random) -> Iterator[bytes]:
    while data:
        size = chance.randint(1, len(data))
        yield data[:size]
        data = data[size:]


def test_the_limits_are_those_of_the_manual() -> None:
    assert (codec.MAX_LINE, server.MAX_WAITING) == (MIB, 32 * MIB)
    assert (server.MAX_CLIENTS, requests.MAX_REQUESTS, server.MAX_FAULTS) == (64, 32, 50)
    assert server.STALL_TIMEOUT == 30
    assert json.loads(codec.encode({})) == {}
