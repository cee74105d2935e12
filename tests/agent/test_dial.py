"""Dialling: several addresses (RFC 8305), one outcome, and a reset that stays one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from norouter_core.agent import dial as dialling
from norouter_core.agent.dial import Dial
from norouter_core.agent.ends import join
from norouter_core.agent.io import Io
from norouter_core.agent.resolve import Resolver, literal, look_up
from norouter_core.agent.tcp import TcpEnd
from tests.agent.agents import Watcher
from tests.servers import TIMEOUT, Peer, Target, eventually, tcp_pair, unused_port

pytestmark = pytest.mark.anyio


class Names:
    """A resolver whose answers the test gives."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)

    def resolve(self, name: str, done: Callable[[list[str], str], None]) -> None:
        done(self._addresses, "" if self._addresses else "nobody knows it")


class Dialled:
    """A client's socket joined to a dial that is under way."""

    def __init__(
        self, port: int, *addresses: str, name: str = "web", timeout: float = TIMEOUT
    ) -> None:
        io = Io(asyncio.get_running_loop())
        self.client: Peer
        self.client, inner = tcp_pair()
        self.seen = Watcher()
        self.near = TcpEnd(io, inner.socket)
        self.far = TcpEnd(io)
        self.far.observer = self.seen
        join(self.near, self.far)
        resolver: Resolver = Names(*addresses)  # type: ignore[assignment]  # the one verb that a dial uses
        self.dial = Dial(io, resolver, self.far, name, port, timeout=timeout)

    def close(self) -> None:
        self.near.reset("killed", "")
        self.far.reset("killed", "")
        self.client.close()


@pytest.fixture
def dialled() -> Iterator[Callable[..., Dialled]]:
    with contextlib.ExitStack() as stack:

        def make(port: int, *addresses: str, **options: Any) -> Dialled:
            made = Dialled(port, *addresses, **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """An address that answers no SYN: a listening socket whose backlog is full."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket())
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        address: tuple[str, int] = sock.getsockname()
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        probe = stack.enter_context(socket.socket())
        probe.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            probe.connect(address)
            pytest.skip("this system's backlog has no end")
        yield address


def beside(address: tuple[str, int]) -> Target:
    """A server at the same port of another address of this machine, or a skip."""
    try:
        return Target("127.0.0.2", address[1])
    except OSError as error:
        pytest.skip(f"this machine has no second loopback address: {error}")


Make = Callable[..., Dialled]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_localhost_is_either_loopback_address_without_a_look_up(
    dialled: Make, address: str
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        made = dialled(port, name="LocalHost")
        assert await made.seen.opened == (address, port)


async def test_a_refusal_by_localhost_is_a_refusal(dialled: Make) -> None:
    made = dialled(unused_port(), name="localhost")
    assert (await made.seen.closed)[0] == "refused"


async def test_a_dead_address_does_not_hold_up_the_next(
    dialled: Make, deaf: tuple[str, int]
) -> None:
    with beside(deaf) as target:
        made = dialled(deaf[1], "127.0.0.1", "127.0.0.2")
        with await target.accept() as server:
            assert await made.seen.opened == ("127.0.0.2", target.port)
            await made.client.send(b"hello")
            assert await server.exactly(5) == b"hello"


async def test_a_refusing_address_gives_way_at_once(dialled: Make) -> None:
    with Target() as target:
        made = dialled(target.port, "::1", "127.0.0.1")
        with await target.accept():
            assert await made.seen.opened == target.address


async def test_the_last_reason_is_reported_when_all_refuse(dialled: Make) -> None:
    made = dialled(unused_port(), "127.0.0.1", "::1", "127.0.0.1")
    code, reason = await made.seen.outcome()
    assert code == "refused" and reason
    assert await made.client.is_reset()
    assert made.far.dialling is None


async def test_a_name_without_addresses(dialled: Make) -> None:
    made = dialled(80)
    assert await made.seen.outcome() == ("name", "nobody knows it")
    assert await made.client.is_reset()


async def test_a_literal_is_not_looked_up(dialled: Make) -> None:
    with Target() as target:
        made = dialled(target.port, name="127.0.0.1")
        with await target.accept():
            assert await made.seen.opened == target.address


async def test_gives_up_in_time(dialled: Make, deaf: tuple[str, int]) -> None:
    made = dialled(deaf[1], "127.0.0.1", timeout=0.3)
    code, reason = await made.seen.outcome()
    assert code == "timeout" and "no answer" in reason
    assert await made.client.is_reset()


async def test_a_process_that_stood_still_looks_before_it_gives_up(
    dialled: Make, deaf: tuple[str, int]
) -> None:
    made = dialled(deaf[1], "127.0.0.1", timeout=0.01)
    time.sleep(0.3)  # the length of the pause is what is tested
    await asyncio.sleep(0.01)
    assert not made.seen.closed.done()
    assert (await made.seen.outcome())[0] == "timeout"


async def test_a_reset_of_the_end_cancels_its_dial(dialled: Make, deaf: tuple[str, int]) -> None:
    made = dialled(deaf[1], "127.0.0.1")
    made.far.reset("reset", "the client went away")
    assert await made.seen.outcome() == ("reset", "the client went away")
    assert made.far.dialling is None and not made.seen.opened.done()


async def test_a_cancelled_dial_has_no_outcome(dialled: Make, deaf: tuple[str, int]) -> None:
    made = dialled(deaf[1], "127.0.0.1", "127.0.0.2")
    made.dial.cancel()
    with beside(deaf) as target:
        made.dial._next()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await asyncio.get_running_loop().sock_accept(target.socket)
    assert not made.seen.opened.done() and not made.seen.closed.done()


async def test_a_dial_that_is_cancelled_after_the_handshake_resets_its_target(
    dialled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target has accepted; the loop has not yet seen so."""
    connect = socket.socket.connect_ex

    def late(sock: socket.socket, address: tuple[str, int]) -> int:
        connect(sock, address)
        return errno.EALREADY

    monkeypatch.setattr(socket.socket, "connect_ex", late)
    with Target() as target:
        made = dialled(target.port, "127.0.0.1")
        with await target.accept() as server:
            assert not made.seen.opened.done()
            made.far.reset("reset", "")
            assert await server.is_reset()


async def test_interleaves_families() -> None:
    mixed = ["::1", "::2", "10.0.0.1", "::3", "10.0.0.2", "10.0.0.3"]
    assert dialling._interleave(mixed) == ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3", "10.0.0.3"]
    assert dialling._interleave(["10.0.0.1", "::1"]) == ["10.0.0.1", "::1"]
    assert dialling._interleave(["10.0.0.1"]) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("127.0.0.1", socket.AF_INET),
        ("::1", socket.AF_INET6),
        ("fe80::1%lo", socket.AF_INET6),
        ("localhost", None),
        ("127.0.1", None),
        ("", None),
        ("a\0b", None),
        ("\ud800", None),
    ],
)
def test_literals(text: str, family: int | None) -> None:
    assert literal(text) == family


def test_names_that_cannot_be_looked_up() -> None:
    for name in ("no-such-name.invalid", "a" * 300, "a\0b", "\ud800", ".."):
        addresses, error = look_up(name)
        assert addresses == [] and error


async def test_the_queue_of_names_is_bounded() -> None:
    go_on = threading.Event()
    running: list[str] = []

    def slow(name: str) -> tuple[list[str], str]:
        running.append(name)
        go_on.wait(TIMEOUT)
        return ["127.0.0.1"], ""

    resolver = Resolver(Io(asyncio.get_running_loop()), slow)
    answers: list[tuple[list[str], str]] = []
    before = threading.active_count()

    def ask(count: int) -> None:
        for number in range(count):
            resolver.resolve(f"name-{number}", lambda found, why: answers.append((found, why)))

    ask(8)
    await eventually(lambda: len(running) == 8, "8 look-ups run")
    ask(256 + 5)
    await eventually(lambda: len(answers) == 5, "the surplus is refused")
    assert set(map(str, answers)) == {str(([], "too many names are being resolved"))}
    assert threading.active_count() <= before + 8
    go_on.set()
    await eventually(lambda: len(answers) == 8 + 256 + 5, "the others are answered")
    assert len(running) == 8 + 256
    # What has been answered makes room again.
    ask(1)
    await eventually(lambda: len(answers) == 8 + 256 + 6, "it goes on")
    assert answers[-1] == (["127.0.0.1"], "")
