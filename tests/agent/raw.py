"""An agent's process spoken to frame by frame: what no well-behaved hub would say can be said."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from norouter_core.wire import events, frames, messages
from norouter_core.wire.connection import HUB, Connection
from tests.agent.agents import ROOT
from tests.servers import TIMEOUT

_RUN = "import sys; from norouter_core.agent.main import main; sys.exit(main(['--automated']))"


def agent_command(program: Path, *options: str) -> list[str]:
    """Return the command that runs the native agent, or `norouter_core.agent` from its sources by
    any Python, every warning an error."""
    if program.name == "norouter":
        return [str(program), "agent", "--automated"]
    return [str(program), "-W", "error", *options, "-c", _RUN]


class RawAgent:
    """An agent's process, of the native agent or of a Python.

    `heard` holds every event of the wire so far; `greeted` waits for the hello.
    """

    def __init__(self, program: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            agent_command(program, *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )
        self.connection = Connection(HUB)
        self.heard: list[events.Event] = []

    # -- sending ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Any bytes at all; an agent that has ended already takes none."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def message(self, message: dict[str, Any]) -> None:
        self.write(frames.json_frame(messages.encode(message)))

    def attach(self, heartbeat: float) -> None:
        args = {"name": "hub", "protocol": 1, "heartbeat": heartbeat}
        self.message(messages.request(1, "attach", args))
        self.hears(lambda event: isinstance(event, events.Message) and event.kind == "result")

    def end(self) -> None:
        """The end of its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    # -- receiving -------------------------------------------------------------------------

    def greeted(self) -> dict[str, Any]:
        """What the hello says."""
        event = self.hears(lambda event: isinstance(event, events.Message))
        assert isinstance(event, events.Message) and event.body["type"] == "hello"
        data: dict[str, Any] = event.body["data"]
        return data

    def hears(self, wanted: Callable[[events.Event], bool]) -> events.Event:
        """The first event of that kind, waited for."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            found = next(filter(wanted, self.heard), None)
            if found is not None:
                return found
            data = self._read(deadline)
            assert data, f"the agent ended; it had said {len(self.heard)} things"
            self.heard += filter(None, self.connection.receive(memoryview(data)))

    def _read(self, deadline: float) -> bytes:
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, "the agent says nothing"
        return os.read(fd, 1 << 16)

    # -- the end ---------------------------------------------------------------------------

    def ended(self) -> tuple[int, str]:
        """Waits for its end: exit status and stderr. Its stdin stays open meanwhile."""
        assert self.process.stderr is not None
        status = self.process.wait(TIMEOUT)
        return status, self.process.stderr.read().decode()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass  # what was still to be flushed
