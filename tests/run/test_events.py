"""Events and signals of a headless run, also while it starts."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from functools import partial

import anyio
import pytest
from rich.text import Text

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Event, HostChanged, Log, Ready, Stopped
from norouter_core.engine.status import HostState
from norouter_core.model import Host, MeshSpec
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_core.session.workspace import SessionTiming
from norouter_tui.run import session_host
from norouter_tui.run.headless import HeadlessRun, RunOptions, all_failed
from tests.engine.meshes import PORT, forward, local

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Recorder:
    """Records what is shown to it."""

    def __init__(self) -> None:
        self.shown: list[Event] = []
        self.lost: list[int] = []

    def show(self, event: Event) -> None:
        self.shown.append(event)

    def missed(self, number: int) -> None:
        self.lost.append(number)


def headless(recorder: Recorder) -> HeadlessRun:
    lines: list[Text] = []
    return HeadlessRun(RunOptions(control=False), [recorder], lines.append)


async def test_lost_events_are_reported_once() -> None:
    engine, recorder = Engine(), Recorder()
    async with anyio.create_task_group() as tasks:
        await tasks.start(headless(recorder)._show, engine)
        for number in range(5000):
            engine._bus.publish(Log(level="info", host="", text=str(number)))
            engine._bus.publish(Ready(hosts=1, listeners=number))
        engine._bus.publish(Stopped())
    assert len(recorder.lost) == 1 and recorder.lost[0] > 3000
    # The reader knows the last state all the same.
    ready = [event.listeners for event in recorder.shown if isinstance(event, Ready)]
    assert ready == sorted(ready) and ready[-1] == 4999


def test_a_mesh_has_failed_when_all_hosts_with_a_command_have() -> None:
    def state(command: tuple[str, ...] | None, at: HostState) -> tuple[Host, HostState]:
        return Host("x", "127.0.42.1", command), at

    here, failed = state(None, HostState.READY), state(("sh",), HostState.FAILED)
    up, trying = state(("sh",), HostState.READY), state(("sh",), HostState.BACKING_OFF)
    assert all_failed([here, failed, failed])
    assert not all_failed([here])
    assert not all_failed([])
    for other in (up, trying):
        assert not all_failed([here, failed, other])


async def test_a_signal_ends_a_run_that_is_still_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = partial(Session, timing=SessionTiming(settle=3600.0))
    monkeypatch.setattr(session_host, "Session", waiting)

    class Killer(Recorder):
        def show(self, event: Event) -> None:
            super().show(event)
            if isinstance(event, HostChanged) and event.host.state is HostState.READY:
                os.kill(os.getpid(), signal.SIGTERM)

    here = local("hub", forward(9))
    with socket.socket() as taken:
        # The host never settles, so the session keeps waiting for this machine.
        taken.bind((here.vip, PORT))
        taken.listen()
        recorder = Killer()
        host = headless(recorder).host(Document.empty(MeshSpec((here,))), lambda: None)
        async with asyncio.timeout(30):
            assert await host.run() == 0
    assert isinstance(recorder.shown[-1], Stopped)
