"""A session in another process: finding it, and a client whose paths are those of this process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial

import anyio

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.call import Call, build_call
from norouter_core.commands.results import Completion, Emit, Outcome
from norouter_core.control import ControlLost, RemoteClient, RunningMesh
from norouter_core.engine.events import Event
from norouter_core.prompts.prompt import Prompt
from norouter_core.session.client import (
    INTERVAL,
    Client,
    DocumentState,
    Preview,
    Rate,
    Snapshot,
    Summary,
)
from norouter_core.session.completion import complete_file
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.run.meshes import lost_line
from norouter_tui.run.process import STOPPING, watch_signals


def with_absolute_files(call: Call) -> Call:
    """Return the call with absolute paths: the other process may run in another directory."""
    for argument in call.verb.arguments:
        if argument.type is ArgumentType.FILE and argument.name in call:
            path = call.get(argument.name)
            if path != "-":
                call = call.replace(argument.name, os.path.abspath(os.path.expanduser(path)))
    return call


class RemoteSession:
    """A client that does not raise once the other process has ended: `events` and `snapshots` end
    then, and commands fail.

    Args:
        remote: The session.
        stays: `quit` ends only the front end, and leaves the session running.
    """

    def __init__(self, remote: Client, *, stays: bool = False) -> None:
        self._remote = remote
        self._stays = stays
        self._last = Summary(DocumentState(), 0, 0, 0, 0, Rate())

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        if self._stays and call.verb.name == "quit":
            if "save" in call:
                saved = await self._remote.run(build_call("save"), emit, confirmed=confirmed)
                if not saved.ok:
                    return saved
            return Outcome(message="the mesh keeps running; to end it: norouter stop", ended=True)
        return await self._remote.run(with_absolute_files(call), emit, confirmed=confirmed)

    async def preview(self, calls: Sequence[Call]) -> Preview:
        return await self._remote.preview(calls)

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        return await self._remote.apply(calls)

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        """As `Client.complete`. Files are those of this process, as in `run`."""
        files = await asyncio.to_thread(complete_file, text, cursor)
        if files is not None:
            return files
        try:
            return await self._remote.complete(text, cursor)
        except ControlLost:
            return ()

    async def summary(self) -> Summary:
        """As `Client.summary`; the last one, once the other process has ended."""
        try:
            self._last = await self._remote.summary()
        except ControlLost:
            pass  # the end of `events` says so
        return self._last

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        try:
            return await self._remote.find_hosts()
        except ControlLost:
            return ()

    def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        return self._remote.snapshots(interval)

    def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        return self._remote.questions()

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        try:
            return await self._remote.answer(number, text, remember=remember)
        except ControlLost:
            return False

    def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        return self._remote.events(streams=streams)


async def run_on_mesh(
    mesh: RunningMesh,
    work: Callable[[Client], Awaitable[int]],
    signals: tuple[signal.Signals, ...] = STOPPING,
    intercept: Callable[[signal.Signals], bool] = lambda number: False,
) -> int:
    """Connect to a mesh and call `work`; return the exit status.

    A signal cancels it, unless `intercept` returns True. A lost connection becomes a line on
    stderr.
    """
    status: int = ExitCode.INTERRUPTED
    async with anyio.create_task_group() as tasks:
        cancel = tasks.cancel_scope.cancel
        await tasks.start(partial(watch_signals, intercept=intercept), cancel, cancel, signals)
        try:
            async with RemoteClient(mesh.path) as remote:
                status = await work(remote)
        except ControlLost as lost:
            line_printer(sys.stderr)(lost_line(mesh, lost))
            status = ExitCode.MESH_FAILED
        cancel()
    return status
