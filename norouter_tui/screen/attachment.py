"""A mesh that runs in another process, as the screen's client. Attaches again when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from norouter_core.commands.call import Call
from norouter_core.commands.results import Completion, Emit, Failure, Outcome
from norouter_core.control import ControlLost, RemoteClient, RunningMesh, discover
from norouter_core.engine.events import Event
from norouter_core.mailbox import Mailbox
from norouter_core.prompts.prompt import Prompt
from norouter_core.session.client import INTERVAL, DocumentState, Preview, Rate, Snapshot, Summary
from norouter_tui.run.remote_session import RemoteSession
from norouter_tui.screen.lifecycle import Post
from norouter_tui.screen.messages import MeshEnded, MeshFound, MeshLost

RETRY_INTERVAL = 0.5
"""Seconds between two searches for a mesh that has ended."""
MAX_EVENTS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    """One connection to the mesh, from its start to its loss."""

    session: RemoteSession
    is_lost: asyncio.Event = field(default_factory=asyncio.Event)


class Attachment:
    """A `Client` and the `Lifecycle` of an attachment to a running mesh.

    When the mesh ends or restarts, snapshots and events pause, and commands fail, until a mesh
    with the same manifest or, without one, the same name runs.
    """

    def __init__(self, mesh: RunningMesh, *, retry_interval: float = RETRY_INTERVAL) -> None:
        self._mesh = mesh
        self._retry_interval = retry_interval
        self._connected: asyncio.Future[_Connection]
        self._events: Mailbox[Event] = Mailbox(MAX_EVENTS)
        self._task: asyncio.Task[None]
        self._post: Post

    # -- as a life cycle -------------------------------------------------------------------

    @property
    def attached_to(self) -> str:
        return self._mesh.name

    @property
    def mesh(self) -> RunningMesh:
        """Return the mesh as it was found last."""
        return self._mesh

    def start(self, post: Post) -> None:
        self._post = post
        self._connected = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_attached())

    def leave(self) -> None:
        self._task.cancel()

    def kill_now(self) -> None:
        self._task.cancel()

    async def _keep_attached(self) -> None:
        error: BaseException | None = None
        try:
            await self._stay_attached()
        except asyncio.CancelledError:
            pass
        except Exception as bug:
            error = bug
        self._events.close()
        self._post(MeshEnded(error))

    async def _stay_attached(self) -> None:
        is_first = True
        while True:
            reason = "the mesh has ended"
            try:
                async with RemoteClient(self._mesh.path) as remote:
                    if not is_first:
                        self._post(MeshFound(f"attached again (process {self._mesh.pid})"))
                    await self._follow(_Connection(RemoteSession(remote)))
            except ControlLost as lost:
                reason = str(lost)
            is_first = False
            self._post(MeshLost(reason))
            self._mesh = await self._find_again()

    async def _follow(self, connection: _Connection) -> None:
        """Publish the connection and collect events, until the mesh ends."""
        self._connected.set_result(connection)
        try:
            async for event in connection.session.events():
                self._events.put(event)
        finally:
            self._connected = asyncio.get_running_loop().create_future()
            connection.is_lost.set()

    async def _find_again(self) -> RunningMesh:
        while True:
            for mesh in await discover():
                if mesh.summary is not None and _is_same(mesh, self._mesh):
                    return mesh
            await asyncio.sleep(self._retry_interval)

    # -- as a client -----------------------------------------------------------------------

    @property
    def _session(self) -> RemoteSession | None:
        if not self._connected.done() or self._connected.cancelled():
            return None
        return self._connected.result().session

    @property
    def _lost(self) -> Failure:
        hint = "norouter-tui attaches again when it is back; press q to leave"
        return Failure(f"{self._mesh.name} is not running", hint=hint)

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        session = self._session
        if session is None:
            return Outcome(failure=self._lost)
        return await session.run(call, emit, confirmed=confirmed)

    async def preview(self, calls: Sequence[Call]) -> Preview:
        session = self._session
        return Preview(failure=self._lost) if session is None else await session.preview(calls)

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        session = self._session
        return Outcome(failure=self._lost) if session is None else await session.apply(calls)

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        session = self._session
        return () if session is None else await session.complete(text, cursor)

    async def summary(self) -> Summary:
        session = self._session
        if session is None:
            return Summary(DocumentState(), 0, 0, 0, 0, Rate())
        return await session.summary()

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        session = self._session
        return () if session is None else await session.find_hosts()

    async def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        """As `Client.snapshots`, for as long as the screen is attached, across restarts."""
        while True:
            connection = await asyncio.shield(self._connected)
            async for snapshot in connection.session.snapshots(interval):
                yield snapshot
            await connection.is_lost.wait()

    async def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        """As `Client.questions`, for as long as the screen is attached, across restarts."""
        while True:
            connection = await asyncio.shield(self._connected)
            async for questions in connection.session.questions():
                yield questions
            yield ()
            await connection.is_lost.wait()

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        session = self._session
        return session is not None and await session.answer(number, text, remember=remember)

    async def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        """As `Client.events`, without streams, for one reader."""
        async for event in self._events:
            yield event


def _is_same(mesh: RunningMesh, wanted: RunningMesh) -> bool:
    if wanted.manifest:
        return mesh.manifest == wanted.manifest
    return mesh.name == wanted.name
