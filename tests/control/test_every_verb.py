"""Every verb by script, by `norouter ctl` and at the REPL: its examples are done, and alike."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from norouter_core.commands.call import Call
from norouter_core.commands.help import example, verb_help
from norouter_core.commands.parser import parse
from norouter_core.commands.registry import VERBS
from norouter_core.commands.results import Emit, Outcome, Output, Table
from norouter_core.commands.tokenizer import join, tokenize
from norouter_core.commands.verb import Verb
from norouter_core.control import ControlServer
from norouter_core.model import MeshSpec, Route
from norouter_core.session.client import Client
from norouter_core.session.document import Document
from norouter_tui.cli import ctl
from norouter_tui.repl.event_lines import EventLines
from norouter_tui.repl.script import Script, lines_in
from norouter_tui.run.remote_session import RemoteSession
from tests.engine.meshes import forward, local, relayed
from tests.output.test_rendering import Sheet
from tests.repl.repl_driver import ENTER, ReplDriver, drive_client
from tests.servers import connect, echoing, eventually
from tests.session.sessions import Talk, talk

pytestmark = pytest.mark.anyio

_PASSING = ("age", "round_trip", "when", "time", "at", "since", "rate", "number", "opened")
_OWN = ("id", "peer", "undo", "redo")
"""What is another in each way: its stream, its history."""
_MEASURED = frozenset({"least", "mean", "most"})

Way = Callable[[str], Awaitable[None]]


class Ear:
    """A client that notes what is said by the one behind it, once nothing is asked any more."""

    def __init__(self, client: Client) -> None:
        self.heard: list[tuple[Outcome, list[Output]]] = []
        self.asks = False
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        said: list[Output] = []

        def hear(output: Output) -> None:
            said.append(output)
            emit(output)

        outcome = await self._client.run(call, hear, confirmed=confirmed)
        self.asks = outcome.question is not None
        if not self.asks:
            self.heard.append((outcome, said))
        return outcome


class Ways:
    """The faces of one session; each runs a line to its end."""

    def __init__(self, ear: Ear, far: list[Ear], at: ReplDriver) -> None:
        self._ear, self._far, self._at = ear, far, at
        self._read = 0
        self.all: tuple[Way, ...] = (self.script, self.ctl, self.repl)

    async def script(self, line: str) -> None:
        told: list[str] = []
        client = cast(Client, self._ear)
        events = EventLines(client, print)
        script = Script(client, "x.nr", Sheet(None), lambda text: told.append(text.plain), events)
        assert await script.run(lines_in(line)) == 0, told
        self._tells("\n".join(told))

    async def ctl(self, line: str) -> None:
        parsed = parse(join(word.text for word in tokenize(line)))
        assert parsed is not None
        assert await ctl.Ctl(parsed, str(os.getpid()), yes=True).main() == 0, line
        self._ear.heard += self._far.pop().heard

    async def repl(self, line: str) -> None:
        count = len(self._ear.heard)
        self._at.type(line + ENTER)
        await eventually(lambda: len(self._ear.heard) > count or self._ear.asks, line)
        if self._ear.asks:
            self._at.type("y")
        await eventually(
            lambda: len(self._ear.heard) > count and not self._at.repl.is_running, line
        )
        self._tells(self._at.text[self._read :])
        self._read = len(self._at.text)

    def _tells(self, text: str) -> None:
        assert self._ear.heard[-1][0].message in text

    async def examples(self, way: Way, lines: Sequence[str]) -> list[Any]:
        """What is heard of each of the lines, run in one of these ways."""
        heard = []
        for line in lines:
            async with asyncio.timeout(20):
                await way(line)
            outcome, said = self._ear.heard.pop()
            assert outcome.ok, f"{line}: {outcome}"
            heard.append((_lasting(outcome), [_shape(output) for output in said]))
        return heard


@pytest.mark.slow
async def test_every_example_of_every_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with echoing() as port:
        app = replace(relayed("app", forward(port)), aliases=("shop2",))
        routes = (Route("app", ("*.a",)), Route("app", ("*.b",)))
        document = Document.empty(MeshSpec((local("local"), app), routes))
        over = asyncio.Event()
        far: list[Ear] = []

        def listening(remote: Client) -> Ear:
            far.append(Ear(RemoteSession(remote)))
            return far[-1]

        monkeypatch.setattr(ctl, "RemoteSession", listening)
        async with (
            talk(document=document, folder=tmp_path / "kept") as say,
            ControlServer(say.session, on_quit=over.set),
        ):
            ear = Ear(say.session)
            async with drive_client(cast(Client, ear)) as at:
                ways = Ways(ear, far, at)
                await _streams(say, ways)
                for verb in VERBS:
                    if verb.words[0] not in ("stream", "quit"):
                        await _same(say, ways, verb, tmp_path)
            await ways.ctl("quit")
            assert ear.heard.pop()[0].ended
            await asyncio.wait_for(over.wait(), 5)


async def _streams(say: Talk, ways: Ways) -> None:
    """The verbs about single streams; each way has one of its own, which it kills."""
    app = say.session.spec.host("app")
    assert app is not None
    verbs = [verb for verb in VERBS if verb.words[0] == "stream"]
    lines = [text for verb in verbs for text in verb.examples]
    lines.sort(key=lambda line: line.startswith("stream kill"))
    heard = []
    for number, way in enumerate(ways.all, 1):
        with await connect((app.vip, 8080)) as client:
            await eventually(lambda: say.session.engine.status().streams, "a stream is open")
            told = await ways.examples(way, [re.sub(r"\b1\b", str(number), x) for x in lines])
            assert await client.is_reset()
        assert told[-1][0].message == f"killed {number}"
        heard.append(told[:-1])
    assert heard[0] == heard[1] == heard[2]


async def _same(say: Talk, ways: Ways, verb: Verb, folder: Path) -> None:
    """Runs the examples of a verb in every way; each begins with the same mesh."""
    heard, specs = [], []
    for way in ways.all:
        before = say.session.spec
        lines = [example(text, str(folder)) for text in verb.examples]
        heard.append(await ways.examples(way, lines))
        specs.append(say.session.spec)
        while say.session.spec != before:
            await say.ok("undo", confirmed=True)
        for saved in folder.glob("*.yaml"):
            saved.unlink()
        await say.ok("host start app")
        await say.ok("wait")
    assert heard[0] == heard[1] == heard[2], verb.name
    assert specs[0] == specs[1] == specs[2], verb.name
    assert (specs[0] != before) <= verb.changes, verb.name
    assert all(example(text) in verb_help(verb) for text in verb.examples)
    tables = [shape for _, said in heard[0] for shape in said]
    assert not verb.lists or all(isinstance(shape, tuple) for shape in tables), verb.name


def _lasting(outcome: Outcome) -> Outcome:
    """The outcome without what is measured anew each time."""
    kept = {key: value for key, value in outcome.data.items() if key not in _MEASURED}
    return replace(outcome, data=kept)


def _shape(output: Output) -> Any:
    if not isinstance(output, Table):
        return output
    rows = tuple(
        {
            key: value
            for key, value in row.items()
            if not any(word in key for word in _PASSING + _OWN)
        }
        for row in output.rows
    )
    named = (output.name, output.columns)
    return named if output.name.startswith("log") else (*named, rows)
