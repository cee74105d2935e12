"""Every example of every verb, run for real."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.commands.manual import example, verb_help
from norouter_core.commands.outcome import Table
from norouter_core.commands.registry import VERBS
from norouter_core.commands.verb import Verb
from norouter_core.model import MeshSpec, Route
from norouter_core.session.document import Document
from tests.engine.meshes import forward, local, relayed
from tests.servers import connect, echoing, eventually
from tests.session.sessions import Talk, talk

pytestmark = pytest.mark.anyio


async def test_every_example_does_what_help_says(tmp_path: Path) -> None:
    async with echoing() as port:
        app = replace(relayed("app", forward(port)), aliases=("shop2",))
        hosts = (local("local"), app)
        document = Document.empty(MeshSpec(hosts, (Route("app", ("*.a",)), Route("app", ("*.b",)))))
        async with talk(document=document, folder=tmp_path / "kept") as say:
            streams = [verb for verb in VERBS if verb.words[0] == "stream"]
            last = [verb for verb in VERBS if verb.name == "quit"]
            others = [verb for verb in VERBS if verb not in streams + last]
            await _examples_of_streams(say, streams, tmp_path)
            for verb in others + last:
                await _examples(say, verb, tmp_path)


async def _examples_of_streams(say: Talk, verbs: list[Verb], folder: Path) -> None:
    app = say.session.spec.host("app")
    assert app is not None
    with await connect((app.vip, 8080)) as client:
        await eventually(lambda: say.session.engine.status().streams, "a stream is open")
        # The one that is killed goes last.
        for verb in sorted(verbs, key=lambda verb: verb.name == "stream kill"):
            await _examples(say, verb, folder)
        assert await client.is_reset()


async def _examples(say: Talk, verb: Verb, folder: Path) -> None:
    """Runs the examples of one verb, and takes back what they have changed."""
    before = say.session.spec
    for text in verb.examples:
        line = example(text, str(folder))
        async with asyncio.timeout(20):
            outcome = await say(line, confirmed=True)
        assert outcome.ok, f"{line}: {outcome}"
        assert not verb.lists or all(isinstance(output, Table) for output in say.said), line
        assert example(text) in verb_help(verb)
    while say.session.spec != before:
        await say.ok("undo", confirmed=True)
    await say.ok("host start app")
    await say.ok("wait")


async def test_help_is_given_for_every_verb() -> None:
    async with talk(local()) as say:
        await say.ok("help")
        overview = say.text
        for verb in VERBS:
            assert verb.name in overview
            await say.ok(f"help {verb.name}")
            assert say.text == verb_help(verb)
            assert verb.usage in " ".join(say.text.split())
        await say.ok("help port")
        assert [line.split()[:2] for line in say.text.splitlines()] == [
            *(["port", "add"], ["port", "rm"], ["port", "retarget"])
        ]
        await say.ok("port add --help")
        assert "usage: port add" in say.text
