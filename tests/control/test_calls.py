"""A client behind the socket can do what one in the process can; text is parsed once."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

import pytest

from norouter_core.commands import parser, tokenizer
from norouter_core.commands.tokenizer import Word
from norouter_core.control import ControlServer, RemoteClient
from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.session.client import Client, Snapshot
from norouter_tui.cli import ctl
from norouter_tui.repl.event_lines import EventLines
from norouter_tui.repl.script import Script, lines_in
from norouter_tui.run.remote_session import RemoteSession
from tests.commands.calls import call
from tests.control.raw_clients import FakeSession, RawClient, served
from tests.engine.meshes import forward, local, relayed
from tests.output.test_rendering import Sheet
from tests.repl.repl_driver import ENTER, drive_client
from tests.servers import connect, echoing
from tests.session.sessions import talk

pytestmark = pytest.mark.anyio


async def test_previews_and_changes_are_those_of_the_session() -> None:
    async with talk(local("hub")) as say, ControlServer(say.session) as server:
        async with RemoteClient(server.path) as remote:
            calls = [call("port add hub 28080:80"), call("port add hub 28081:80")]
            assert await remote.preview(calls) == await say.session.preview(calls)
            bad = [*calls, call("port rm hub 1")]
            seen = await remote.preview(bad)
            assert seen == await say.session.preview(bad)
            assert seen.failure is not None and (seen.at, seen.failure.argument) == (2, "port")
            assert not say.session.unsaved
            assert (await remote.apply(calls)).changed
            assert len(say.session.spec.hosts[0].options.ports) == 2
            assert (await remote.run(call("undo"), print)).changed
            assert not say.session.spec.hosts[0].options.ports
            refused = await remote.apply(bad)
            assert refused.failure is not None and refused.failure.argument == "port"
            assert not say.session.spec.hosts[0].options.ports


async def test_questions_are_followed_and_answered() -> None:
    session = FakeSession()
    async with served(session) as server, RemoteClient(server.path) as remote:
        questions = await anext(remote.questions())
        assert questions == (Prompt(1, "web", "me@web's password:", PromptKind.SECRET),)
        assert await remote.answer(1, "secret", remember=True)
        assert not await remote.answer(2, None)
        assert session.answers == [(1, "secret", True), (2, None, False)]


async def test_snapshots_are_followed_with_their_rates() -> None:
    async with echoing() as port, talk(local("hub"), relayed("web", forward(port))) as say:
        async with ControlServer(say.session) as server, RemoteClient(server.path) as remote:
            web = say.session.spec.host("web")
            assert web is not None
            following = remote.snapshots(0.05)
            async with asyncio.timeout(10):
                first = await anext(following)
                assert first.spec == say.session.spec
                # Their round trips may have been measured again since.
                hosts = say.session.engine.status().hosts
                assert [h.vip for h in first.status.hosts] == [h.vip for h in hosts]
                with await connect((web.vip, 8080)) as client:
                    assert await client.says(b"x" * 65536)
                    await _until(following, lambda seen: seen.total.total > 0)
                    (stream,) = (await anext(following)).streams.values()
                    assert sum(stream.history) > 0
                    await say.ok("host add other -- sh -c 'exec cat >/dev/null'")
                    seen = await _until(following, lambda seen: seen.spec != first.spec)
                    assert seen.spec == say.session.spec and seen.document.unsaved
            await cast(AsyncGenerator[Snapshot, None], following).aclose()


async def _until(following: Any, holds: Callable[[Snapshot], bool]) -> Snapshot:
    while not holds(seen := await anext(following)):
        pass
    return cast(Snapshot, seen)


async def test_snapshots_end_with_the_session() -> None:
    async with served() as server:
        async with RemoteClient(server.path) as remote:
            following = remote.snapshots(0.05)
            await anext(following)
            closing = asyncio.ensure_future(_rest(following))
            assert await remote.find_hosts() == (("docker exec -i web", "a container"),)
    await asyncio.wait_for(closing, 5)


async def _rest(following: Any) -> int:
    return sum([1 async for _ in following])


async def test_a_typed_line_is_run_and_its_mistakes_have_columns() -> None:
    async with talk(local("hub")) as say, ControlServer(say.session) as server:
        async with await RawClient.connect(server.path) as raw:
            for line, column in (("host rm hub wbe", 13), ("hots", 1), ("  # nothing", 0)):
                raw.send(json.dumps({"id": 1, "run": line}).encode() + b"\n")
                outcome = (await raw.answer())["outcome"]
                assert (outcome["failure"] or {}).get("column", 0) == column, outcome
            raw.ask(id=1, run=5)
            assert "got `int`" in (await raw.answer())["error"]["message"]
            raw.ask(id=1, run={"verb": "host rm", "values": {"host": ["hub", "wbe"]}})
            failure = (await raw.answer())["outcome"]["failure"]
            assert (failure["argument"], failure["index"]) == ("host", 1)
            raw.ask(id=1, run={"verb": "host rm"})
            failure = (await raw.answer())["outcome"]["failure"]
            assert "missing HOST" in failure["message"]
            raw.ask(id=1, preview=[{"verb": "port add", "values": {"host": "hub"}}])
            preview = (await raw.answer())["preview"]
            assert preview["at"] == 0 and "missing SPEC" in preview["failure"]["message"]


async def test_a_line_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    mains: list[Callable[[], Awaitable[int]]] = []

    def counted(text: str) -> tuple[Word, ...]:
        parsed.append(text)
        return tokenizer.tokenize(text)

    def noted(main: Callable[[], Awaitable[int]], uvloop: bool) -> int:
        mains.append(main)
        return 0

    monkeypatch.setattr(parser, "tokenize", counted)
    monkeypatch.setattr(ctl, "run_async", noted)
    async with talk(local("hub")) as say, ControlServer(say.session) as server:
        async with RemoteClient(server.path) as remote:
            attached = RemoteSession(remote, stays=True)
            clients: tuple[Client, ...] = (say.session, attached)
            for client in clients:
                parsed.clear()
                script = Script(client, "x.nr", Sheet(None), print, EventLines(client, print))
                assert await script.run(lines_in("host stop hub\nhosts --json\n")) == 0
                assert parsed == ["host stop hub", "hosts --json"]
                await say.ok("host start hub")
                async with drive_client(client) as at:
                    parsed.clear()
                    at.type("host stop hub" + ENTER)
                    await at.shows("stopped hub")
                    assert parsed == ["host stop hub"]
                await say.ok("host start hub")
        parsed.clear()
        ctl.run_ctl(["host", "stop", "hub"], str(os.getpid()))
        assert await mains[0]() == 0
        assert parsed == ["host stop hub"]
