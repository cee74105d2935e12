"""What a mesh costs grows with its listeners, and not with their square: calls are counted."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from norouter_core.engine.bus import Subscription
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import ListenerChanged
from norouter_core.engine.readiness import Readiness
from norouter_core.engine.status import ListenerState
from norouter_core.model import Forward, HostSpec, MeshSpec
from norouter_tui.output.printer import Printer
from tests.engine.meshes import TIMING, forward, host, local, with_ports

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

_COUNTED = ("/norouter_core/engine/", "/norouter_core/links/", "/norouter_tui/output/printer.py")


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count the calls of functions, and the steps of generators, of engine and printer."""
    calls: Counter[str] = Counter()
    total = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            calls[frame.f_code.co_filename] += 1

    def taken() -> int:
        nonlocal total
        known = total
        total = sum(n for file, n in calls.items() if any(part in file for part in _COUNTED))
        return total - known

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield taken
    finally:
        sys.setprofile(before)


async def show(events: Subscription, lines: list[str], expected: int) -> None:
    printer = Printer(lambda line: lines.append(line.plain), lambda line: None, expected=expected)
    async for event in events:
        printer.show(event)


async def costs(*hosts: HostSpec) -> tuple[int, dict[str, float]]:
    """Return how many listeners a mesh has, and the calls for each in each step of its life."""
    lines: list[str] = []
    steps = {}
    with counting() as taken:
        async with Engine(TIMING) as engine, asyncio.timeout(120):
            showing = asyncio.ensure_future(show(engine.subscribe(), lines, len(hosts)))
            await engine.apply(MeshSpec(hosts))
            await engine.wait_ready()
            steps["bring-up"] = taken()
            name = hosts[-1].name
            ports = (*hosts[-1].options.ports, forward(9, listen=999))
            await engine.apply(with_ports(engine.spec, name, *ports))
            await engine.wait_ready()
            steps["one more port"] = taken()
            await engine.restart(name)
            await engine.wait_ready()
            steps["restart"] = taken()
            listeners = len(engine.status().listeners)
        await showing
        steps["stop"] = taken()
    assert lines[-1] == "stopped" and any(line.startswith("ready: ") for line in lines)
    return listeners, {step: calls / listeners for step, calls in steps.items()}


def ports(number: int) -> list[Forward]:
    return [forward(9, listen=1000 + n) for n in range(number)]


@pytest.mark.parametrize("remote", [0, 2], ids=["local hosts", "and two remote ones"])
async def test_calls_grow_with_listeners(remote: int) -> None:
    async def mesh_of(count: int, each: int) -> tuple[int, dict[str, float]]:
        hosts = [local(f"l{n}", *ports(each)) for n in range(count)]
        return await costs(*(host(f"r{n}", *ports(each)) for n in range(remote)), *hosts)

    few, small = await mesh_of(4, 10)
    many, large = await mesh_of(12, 20)
    assert many > 5 * few
    for step, calls in large.items():
        assert calls < 2.5 * small[step] + 5, (step, small, large)


async def test_readiness_is_looked_at_once_for_what_changes_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    looked = Readiness._check

    def look(readiness: Readiness) -> None:
        nonlocal looks
        looks += 1
        looked(readiness)

    monkeypatch.setattr(Readiness, "_check", look)
    async with Engine(TIMING) as engine:
        await engine.apply(MeshSpec((local("hub", *ports(300)),)))
        await engine.wait_ready()
        assert len(engine.status().listeners) == 300
        assert 0 < looks < 30


async def test_a_status_is_made_when_a_listener_changes_and_not_when_it_is_looked_at() -> None:
    async with Engine(TIMING) as engine:
        await engine.apply(MeshSpec((local("hub", *ports(5)),)))
        await engine.wait_ready()
        one, other = engine.status().listeners, engine.status().listeners
        assert [id(listener) for listener in one] == [id(listener) for listener in other]


async def test_more_listeners_than_may_be_asked_for_at_once() -> None:
    async with Engine(TIMING) as engine, asyncio.timeout(60):
        far = host("far", *ports(200))
        await engine.apply(MeshSpec((local("hub"), far)))
        await engine.wait_ready()
        await engine.apply(with_ports(engine.spec, "far"))
        await engine.wait_ready()
        assert engine.status().listeners == ()
        await engine.apply(MeshSpec((local("hub"), far)))
        await engine.wait_ready()
        assert len(engine.status().listeners) == 400


async def test_a_host_that_comes_late_gets_its_own_places_without_a_failure() -> None:
    async with Engine(TIMING) as engine, asyncio.timeout(60):
        events = engine.subscribe(100_000)
        await engine.apply(MeshSpec((local("hub"), host("late", *ports(200)))))
        # Until then this machine listens for it.
        await engine.wait_ready(["hub"])
        await engine.wait_ready()
        changed = [e.listener for e in events.drain() if isinstance(e, ListenerChanged)]
        assert not [listener for listener in changed if listener.state is ListenerState.FAILED]
        stands = {(x.on_host, x.state) for x in engine.status().listeners}
        assert stands == {("late", ListenerState.BOUND), ("hub", ListenerState.SHARED)}
