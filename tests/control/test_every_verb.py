"""Every verb says over the socket what it says in the process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from norouter_core.commands.manual import example
from norouter_core.commands.outcome import Outcome, Output, Table
from norouter_core.commands.registry import VERBS
from norouter_core.commands.verb import Verb
from norouter_core.control import ControlServer, RemoteClient
from norouter_core.model import MeshSpec, Route
from norouter_core.session.client import Client
from norouter_core.session.document import Document
from tests.engine.meshes import forward, local, relayed
from tests.servers import connect, echoing, eventually
from tests.session.sessions import Talk, talk

pytestmark = pytest.mark.anyio

_SKIPPED = ("stream kill", "quit")
"""What can be said once only."""
_PASSING = ("age", "round_trip", "when", "time", "at", "since", "rate", "number", "opened", "rtt")
_MEASURED = frozenset({"least", "mean", "most"})


async def test_every_example_of_every_verb(tmp_path: Path) -> None:
    async with echoing() as port:
        app = replace(relayed("app", forward(port)), aliases=("shop2",))
        routes = (Route("app", ("*.a",)), Route("app", ("*.b",)))
        document = Document.empty(MeshSpec((local("local"), app), routes))
        over = asyncio.Event()
        async with talk(document=document, folder=tmp_path / "kept") as say:
            async with ControlServer(say.session, quits=over.set) as server:
                async with RemoteClient(server.path) as remote:
                    await _streams(say, remote, tmp_path)
                    for verb in VERBS:
                        if verb.name not in _SKIPPED and verb.words[0] != "stream":
                            await _same(say, remote, verb, tmp_path)
                    outcome = await remote.run("quit", lambda _: None, confirmed=True)
                    assert outcome.ended
                    await asyncio.wait_for(over.wait(), 5)


async def _streams(say: Talk, remote: Client, folder: Path) -> None:
    app = say.session.spec.host("app")
    assert app is not None
    with await connect((app.vip, 8080)) as client:
        await eventually(lambda: say.session.engine.status().streams, "a stream is open")
        for verb in VERBS:
            if verb.words[0] == "stream" and verb.name not in _SKIPPED:
                await _same(say, remote, verb, folder)
        outcome = await remote.run("stream kill 1", lambda _: None)
        assert (outcome.message, outcome.data) == ("killed 1", {"killed": [1]})
        assert await client.is_reset()


async def _same(say: Talk, remote: Client, verb: Verb, folder: Path) -> None:
    """Runs the examples of a verb on the one and the other way; both begin with the same mesh."""
    heard = []
    for way in (remote, say.session):
        before = say.session.spec
        heard.append([await _run(way, example(text, str(folder))) for text in verb.examples])
        while say.session.spec != before:
            await say.ok("undo", confirmed=True)
        for saved in folder.glob("*.yaml"):
            saved.unlink()
        await say.ok("host start app")
        await say.ok("wait")
    assert heard[0] == heard[1], verb.name


async def _run(way: Client, line: str) -> tuple[Any, ...]:
    said: list[Output] = []
    async with asyncio.timeout(20):
        outcome = await way.run(line, said.append, confirmed=True)
    assert outcome.ok, f"{line}: {outcome}"
    return _lasting(outcome), [_shape(output) for output in said]


def _lasting(outcome: Outcome) -> Outcome:
    """The outcome without what is measured anew each time."""
    kept = {key: value for key, value in outcome.data.items() if key not in _MEASURED}
    return replace(outcome, data=kept)


def _shape(output: Output) -> Any:
    if not isinstance(output, Table):
        return output
    rows = tuple(
        {key: value for key, value in row.items() if not any(word in key for word in _PASSING)}
        for row in output.rows
    )
    return (
        (output.name, output.columns)
        if output.name.startswith("log")
        else (
            output.name,
            output.columns,
            rows,
        )
    )
