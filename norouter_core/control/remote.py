"""The client of a mesh in another process, through its control socket."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.abc import TaskGroup

from norouter_core.commands.call import Call
from norouter_core.commands.results import Completion, Emit, Failure, Outcome
from norouter_core.control import codec
from norouter_core.control.codec import MAX_ANSWER, MAX_LINE, DecodeError, Json, decode, encode
from norouter_core.control.snapshots import SnapshotDecoder
from norouter_core.engine.events import Event
from norouter_core.errors import NorouterError
from norouter_core.mailbox import Mailbox
from norouter_core.private_sockets import is_own, peer_uid
from norouter_core.prompts.prompt import Prompt
from norouter_core.session.client import INTERVAL, Preview, Snapshot, Summary

T = TypeVar("T")
Take = Callable[[Json, asyncio.Future[Any]], None]

HELLO_TIMEOUT = 3.0
"""Seconds for the other process to send its hello."""
MAX_EVENTS = 4096
"""How many events wait for a slow reader."""


class ControlLost(NorouterError):
    """There is no connection, or it has ended; the message says why."""


@dataclass(frozen=True, slots=True)
class SessionHello:
    """How a mesh introduces itself.

    `manifest` is an absolute path or empty; `started` is in seconds since the epoch.
    """

    protocol: int
    pid: int
    name: str
    manifest: str = ""
    started: float = 0.0


class RemoteClient:
    """Implements `norouter_core.session.client.Client`; an async context manager.

    Once the other process has ended, `run`, `preview` and `apply` return a failure, and `events`
    and `snapshots` end.

    Raises:
        ControlLost: On entering, nobody answers. By the other methods, the process has ended, or
            sends what makes no sense.
    """

    hello: SessionHello

    def __init__(
        self, path: Path, hello_timeout: float = HELLO_TIMEOUT, *, user: int | None = None
    ) -> None:
        self._path = path
        self._user = os.geteuid() if user is None else user
        self._hello_timeout = hello_timeout
        self._numbers = itertools.count(1)
        self._open: dict[int, Callable[[Json], None]] = {}
        self._lost = ""
        self._tasks: TaskGroup
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._hello_timeout):
                self._reader, self._writer = await asyncio.open_unix_connection(
                    os.fspath(self._path), limit=MAX_ANSWER
                )
                self.hello = await self._read_hello()
        except TimeoutError:
            raise ControlLost(f"no hello within {self._hello_timeout:g} s") from None
        except OSError as error:
            raise ControlLost(f"{self._path}: {error.strerror or error}") from None
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._read)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._lose("the connection was closed")
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            # Also if this is cancelled again while it waits.
            await self._hang_up()

    async def _read_hello(self) -> SessionHello:
        try:
            sock = self._writer.get_extra_info("socket")
            if not is_own(peer_uid(sock), self._user):
                raise ControlLost("that socket belongs to another user")
            hello = decode(await self._reader.readuntil(b"\n"))
            if "error" in hello:
                raise ControlLost(_message(hello["error"]))
            return codec.from_json(SessionHello, hello.get("hello"))
        except (DecodeError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            await self._hang_up()
            raise ControlLost(f"not the socket of a mesh: {error}") from None
        except BaseException:
            await self._hang_up()
            raise

    async def _hang_up(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass  # the other side had closed it

    # -- as a client -------------------------------------------------------------------------

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        def take(answer: Json, done: asyncio.Future[Any]) -> None:
            if "output" in answer:
                emit(codec.output_from_json(answer["output"]))
            elif "outcome" in answer:
                done.set_result(codec.from_json(Outcome, answer["outcome"]))

        try:
            request = {"run": call.to_json(), "confirmed": confirmed}
            outcome: Outcome = await self._ask(request, take)
        except ControlLost as lost:
            return _lost(lost)
        return outcome

    async def preview(self, calls: Sequence[Call]) -> Preview:
        request = {"preview": [call.to_json() for call in calls]}
        try:
            return await self._ask_for("preview", Preview, request)
        except ControlLost as lost:
            return Preview(failure=_lost(lost).failure)

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        request = {"apply": [call.to_json() for call in calls]}
        try:
            return await self._ask_for("outcome", Outcome, request)
        except ControlLost as lost:
            return _lost(lost)

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        request = {"complete": text, "cursor": cursor}
        return await self._ask_for("completions", tuple[Completion, ...], request)

    async def summary(self) -> Summary:
        return await self._ask_for("summary", Summary, {"summary": True})

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        return await self._ask_for("hosts", tuple[tuple[str, str], ...], {"find_hosts": True})

    async def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        """As `Client.snapshots`. The rates begin with the second snapshot."""
        decoder = SnapshotDecoder()
        waiting = Mailbox[Snapshot](1)

        def take(answer: Json) -> None:
            if "part" in answer:
                decoder.take_part(answer["part"])
            elif "snapshot" in answer:
                # Each is decoded, since rates and the spec follow from those before it.
                waiting.put(decoder.decode(answer["snapshot"]))

        request = {"snapshots": True, "interval": interval}
        async with aclosing(self._follow(request, waiting, take)) as snapshots:
            async for snapshot in snapshots:
                yield snapshot

    async def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        """As `Client.questions`. A slow reader gets the latest."""
        waiting = Mailbox[tuple[Prompt, ...]](1)

        def take(answer: Json) -> None:
            if "questions" in answer:
                waiting.put(codec.from_json(tuple[Prompt, ...], answer["questions"]))

        request = {"questions": True}
        async with aclosing(self._follow(request, waiting, take)) as questions:
            async for each in questions:
                yield each

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        request = {"answer": number, "text": text, "remember": remember}
        return await self._ask_for("answered", bool, request)

    async def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        """As `Client.events`. A slow reader misses the oldest."""
        waiting = Mailbox[Event](MAX_EVENTS)

        def take(answer: Json) -> None:
            event = codec.event_from_json(answer["event"]) if "event" in answer else None
            if event is not None:
                waiting.put(event)

        request = {"events": True, "streams": streams}
        async with aclosing(self._follow(request, waiting, take)) as events:
            async for event in events:
                yield event

    async def _follow(
        self, request: Json, waiting: Mailbox[T], take: Callable[[Json], None]
    ) -> AsyncGenerator[T, None]:
        """Yield what `take` puts into the mailbox, until the answers end."""

        def answered(answer: Json, done: asyncio.Future[Any]) -> None:
            if "end" in answer:
                done.set_result(None)
            else:
                take(answer)

        try:
            number, done = self._begin(request, answered)
        except ControlLost:
            return
        done.add_done_callback(lambda _: waiting.close())
        try:
            async for value in waiting:
                yield value
            if not self._lost and (error := done.exception()) is not None:
                raise ControlLost(f"malformed answer: {error}") from None
        finally:
            self._end(number, done)

    # -- requests ----------------------------------------------------------------------------

    async def _ask_for(self, key: str, kind: type[T], request: Json) -> T:
        """Send a request and return the one answer that it has under a key."""

        def take(answer: Json, done: asyncio.Future[Any]) -> None:
            if key in answer:
                done.set_result(codec.from_json(kind, answer[key]))

        found: T = await self._ask(request, take)
        return found

    async def _ask(self, request: Json, take: Take) -> Any:
        """Send a request and wait for the answer.

        Raises:
            ControlLost: The other process has ended, or refuses.
        """
        number, done = self._begin(request, take)
        try:
            return await done
        except DecodeError as error:
            raise ControlLost(f"malformed answer: {error}") from None
        finally:
            self._end(number, done)

    def _begin(self, request: Json, take: Take) -> tuple[int, asyncio.Future[Any]]:
        """Send a request. `take` gets each answer, and resolves the future with the last."""
        if self._lost:
            raise ControlLost(self._lost)
        number = next(self._numbers)
        line = encode({"id": number, **request})
        if len(line) > MAX_LINE:
            raise ControlLost(f"the command is longer than {MAX_LINE >> 20} MiB")
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(answer: Json) -> None:
            if done.done():
                return
            try:
                if "error" in answer:
                    raise ControlLost(_message(answer["error"]))
                take(answer, done)
            except Exception as error:
                done.set_exception(error)

        self._open[number] = answered
        self._writer.write(line)
        return number, done

    def _end(self, number: int, done: asyncio.Future[Any]) -> None:
        """Take no more answers, and end the request if it is open."""
        del self._open[number]
        if done.cancelled() or not done.done():
            done.cancel()
            if not self._lost:
                self._writer.write(encode({"cancel": number}))
        else:
            done.exception()  # the waiting caller has seen it

    async def _read(self) -> None:
        why = "the mesh has ended"
        try:
            while True:
                self._answered(decode(await self._reader.readuntil(b"\n")))
        except (OSError, asyncio.IncompleteReadError):
            pass
        except (DecodeError, asyncio.LimitOverrunError) as error:
            why = f"malformed answer: {error}"
        self._lose(why)

    def _answered(self, answer: Json) -> None:
        number = answer.get("id")
        take = self._open.get(number) if isinstance(number, int) else None
        if take is not None:
            take(answer)
        elif number is None and "error" in answer:
            # The connection ends after this.
            self._lose(_message(answer["error"]))

    def _lose(self, why: str) -> None:
        self._lost = self._lost or why
        for take in list(self._open.values()):
            take({"error": {"message": self._lost}})


def _lost(error: ControlLost) -> Outcome:
    return Outcome(failure=Failure(str(error), hint="`norouter ps` lists the running meshes"))


def _message(error: object) -> str:
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else "it refuses and does not say why"
