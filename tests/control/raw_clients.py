"""A session of a few words for what is the socket's own, and raw clients of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.results import (
    Bytes,
    Completion,
    Emit,
    Failure,
    Lines,
    Outcome,
    Question,
)
from norouter_core.control import ControlServer
from norouter_core.engine.bus import Bus
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Event, Log
from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.session.client import INTERVAL, DocumentState, Preview, Rate, Snapshot, Summary
from norouter_core.session.snapshots import Sampler

TIMEOUT = 15.0
MIB = 1 << 20


def command(words: str) -> Call:
    """Return a call that carries words for `Words`."""
    return build_call("exec", host="web", cmd=[words])


class FakeSession:
    """A client (`norouter_core.session.client.Client`) that says what its words ask it to."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.answers: list[tuple[int, str | None, bool]] = []
        self.running: list[str] = []
        self.ended: list[str] = []

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        line = " ".join(call.all("cmd"))
        self.running.append(line)
        try:
            return await self._run(line, emit, confirmed)
        finally:
            self.running.remove(line)
            self.ended.append(line)

    async def _run(self, line: str, emit: Emit, confirmed: bool) -> Outcome:
        word, _, rest = line.partition(" ")
        match word:
            case "say":
                emit(Lines(rest))
                return Outcome(message="said", data={"said": rest})
            case "hang":
                emit(Lines("hanging"))
                await asyncio.Event().wait()
            case "flood" | "tap":
                for _ in range(int(rest)):
                    emit(Bytes("stdout" if word == "flood" else "sent", bytes(MIB)))
                    await asyncio.sleep(0)
                return Outcome()
            case "ask":
                return Outcome() if confirmed else Outcome(question=Question("really?", cuts=(1,)))
            case "quit":
                return Outcome(ended=True)
            case "break":
                raise RuntimeError("out of order")
            case "odd":
                return Outcome(data={"odd": object()})
        return Outcome(
            failure=Failure(f"no such word: {word}", "cmd", hint="say, hang, flood, ask, quit")
        )

    async def preview(self, calls: Sequence[Call]) -> Preview:
        messages = tuple(" ".join(call.all("cmd")) for call in calls)
        return Preview(messages, (7,), changes=True)

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        return Outcome("; ".join(" ".join(call.all("cmd")) for call in calls), changed=True)

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        return [("docker exec -i web", "a container")]

    async def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        sampler = Sampler(Engine(), DocumentState)
        while True:
            yield sampler.sample()
            await asyncio.sleep(interval)

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]:
        return [Completion("say", 0, "says it"), Completion(line[:cursor], cursor)]

    async def summary(self) -> Summary:
        return Summary(DocumentState("a.yaml", True, "x", ""), 3, 2, 1, 7, Rate(1.5, 2.0, (3.5,)))

    async def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        with self.bus.subscribe(64, streams) as events:
            async for event in events:
                yield event

    async def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        yield (Prompt(1, "web", "me@web's password:", PromptKind.SECRET),)
        await asyncio.Event().wait()

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        self.answers.append((number, text, remember))
        return number == 1

    def tell(self, text: str) -> None:
        self.bus.publish(Log(level="info", host="web", text=text))


@asynccontextmanager
async def served(client: Any = None, **options: Any) -> AsyncIterator[ControlServer]:
    async with ControlServer(client or FakeSession(), **options) as server:
        yield server


class RawClient:
    """A client that sends what no client should."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, path: Path) -> Self:
        async with asyncio.timeout(TIMEOUT):
            return cls(*await asyncio.open_unix_connection(path, limit=64 * MIB))

    async def __aenter__(self) -> Self:
        assert "hello" in await self.answer()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def ask(self, **request: Any) -> None:
        """Send a request; `run` can be words for `Words`."""
        if isinstance(request.get("run"), str):
            request["run"] = command(request["run"]).to_json()
        self.send(json.dumps(request).encode() + b"\n")

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT):
            line = await self.reader.readuntil(b"\n")
        assert line.isascii()
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def rest(self) -> list[dict[str, Any]]:
        """What comes up to the end."""
        async with asyncio.timeout(TIMEOUT):
            try:
                lines = (await self.reader.read()).splitlines()
            except ConnectionError:
                lines = []
        return [json.loads(line) for line in lines]


def blocking(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(TIMEOUT)
    sock.connect(os.fspath(path))
    return sock
