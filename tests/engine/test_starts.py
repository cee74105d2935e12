"""Hosts start a few at a time."""

from __future__ import annotations

import asyncio

import pytest

from norouter_core.engine import starts
from norouter_core.engine.starts import StartGate
from tests.servers import eventually

pytestmark = pytest.mark.anyio


class Starting:
    """Hosts that have their turn, and can be let go."""

    def __init__(self, gate: StartGate) -> None:
        self._gate = gate
        self.now: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._done: dict[str, asyncio.Event] = {}

    def begin(self, name: str, *argv: str) -> None:
        self._done[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._run(name, argv))

    async def _run(self, name: str, argv: tuple[str, ...]) -> None:
        async with self._gate.turn(argv):
            self.now.append(name)
            await self._done[name].wait()
        self.now.remove(name)

    def finish(self, name: str) -> None:
        self._done[name].set()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])

    async def have(self, *names: str) -> None:
        await eventually(lambda: self.now == [*names], f"{names} have their turn: {self.now}")

    async def end(self) -> None:
        for done in self._done.values():
            done.set()
        await asyncio.wait(list(self._tasks.values()))


async def test_no_more_start_than_may_and_the_first_comes_first() -> None:
    starting = Starting(StartGate(max_starts=2))
    for name in "abcd":
        starting.begin(name, "docker", "exec", "-i", name)
    await starting.have("a", "b")
    starting.finish("a")
    await starting.have("b", "c")
    # One that is stopped while it waits takes no turn.
    await starting.cancel("d")
    starting.begin("e")
    starting.finish("b")
    await starting.have("c", "e")
    await starting.end()


async def test_fewer_log_in_at_one_target() -> None:
    gate = StartGate(max_starts=3, max_logins=1)
    starting = Starting(gate)
    starting.begin("a", "ssh", "-p", "22", "me@one", "docker", "exec", "-i", "x")
    starting.begin("b", "sudo", "ssh", "me@one")
    starting.begin("c", "ssh", "two")
    starting.begin("d", "docker", "exec", "-i", "y")
    # What waits for a login leaves the machine to others.
    await starting.have("a", "c", "d")
    starting.finish("a")
    await starting.have("c", "d", "b")
    await starting.end()
    assert not gate._logins


@pytest.mark.parametrize(("limit", "argv"), [("_MAX_START", ("sh",)), ("_MAX_LOGIN", ("ssh", "x"))])
async def test_a_start_that_hangs_keeps_nobody_waiting_for_long(
    limit: str, argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, limit, 0.05)
    starting = Starting(StartGate(max_starts=1 if limit == "_MAX_START" else 9, max_logins=1))
    for name in "abc":
        starting.begin(name, *argv)
    await starting.have("a", "b", "c")
    # It gives back its turn once.
    await starting.end()
    monkeypatch.setattr(starts, limit, 60)
    starting.begin("d", *argv)
    starting.begin("e", *argv)
    await starting.have("d")
    starting.finish("d")
    await starting.have("e")
    await starting.end()
