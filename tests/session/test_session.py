"""A session as its user has it: lines in, outcomes out, a real engine behind."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from norouter_core.commands.edits import new_mesh
from norouter_core.commands.registry import VERBS
from norouter_core.commands.results import Output
from norouter_core.engine.engine import Engine
from norouter_core.engine.status import HostState
from norouter_core.model import MeshSpec
from norouter_core.session.document import Document
from norouter_core.session.handlers import HANDLERS
from norouter_core.session.session import Session
from tests.commands.calls import call
from tests.engine.meshes import TIMING, exec_command, local, relayed, vip
from tests.servers import eventually
from tests.session.sessions import Talk, talk

pytestmark = pytest.mark.anyio

ENV = " ".join(exec_command())
"""An exec command that leads to this machine again."""


def test_every_verb_is_handled_and_nothing_else() -> None:
    assert set(HANDLERS) == {verb.name for verb in VERBS}


async def test_a_session_begins_with_this_machine_up() -> None:
    # Its ports are not waited for: another mesh of this machine may hold the usual vip.
    async with Engine(TIMING) as engine, Session(engine, Document.empty(new_mesh())) as session:
        said: list[Output] = []
        assert (await session.run(call("ping local --count 1"), said.append)).ok
        assert len(said) == 1
        (host,) = engine.status().hosts
        assert (host.name, host.vip, host.state) == ("local", "127.0.42.100", HostState.READY)
        summary = await session.summary()
        assert (summary.ready, summary.document.unsaved) == (1, False)


async def test_a_host_joins_and_can_be_waited_for() -> None:
    async with talk(local()) as say:
        outcome = await say.ok(f"host add web --vip {vip()} --wait -- {ENV}")
        assert outcome.changed
        assert outcome.data["host"] == "web"
        states = {row["name"]: row["state"] for row in await say.rows("hosts")}
        assert states == {"hub": "ready", "web": "ready"}


async def test_waiting_for_a_host_that_fails_tells_why() -> None:
    async with talk(local()) as say:
        outcome = await say(f"host add web --vip {vip()} --wait -- no-such-command-here")
        assert outcome.failure is not None
        assert "no-such-command-here" in outcome.failure.message
        assert outcome.changed


async def test_undo_and_redo() -> None:
    async with talk(local()) as say:
        await say.ok("port add hub 18080:80")
        await say.ok("route add hub *.x")
        outcome = await say.ok("undo")
        assert outcome.message == "undone: route add hub *.x"
        assert say.session.document_state().redo == "route add hub *.x"
        assert not say.session.spec.routes
        await say.ok("undo")
        assert not say.session.unsaved
        assert (await say("undo")).failure is not None
        await say.ok("redo 2")
        assert say.session.engine.spec == say.session.spec
        assert len(say.session.spec.routes) == 1
        assert (await say("redo")).failure is not None


async def test_mistakes_change_nothing_and_tell_where() -> None:
    async with talk(local()) as say:
        before = say.session.spec
        for line, column in (
            ("port add hbu 80", 10),
            ("port rm hub 80", 13),
            ("host rename hub -", 17),
            ("ports nowhere", 7),
            ("ping nowhere", 6),
            ("resolve nowhere x", 9),
            ("exec nowhere -- x", 6),
            ("stream kill 7", 13),
            ("stream show 7", 13),
            ("stream tap 7", 12),
            ("wait nowhere", 6),
            ("host stop nowhere", 11),
            ("log nowhere", 5),
            ("load /no/such/file", 6),
            ("save /no/such/folder/file", 6),
            ("recover 7", 0),
            ("help nonsense", 6),
            ("nonsense", 1),
        ):
            outcome = await say(line)
            assert outcome.failure is not None, line
            assert say.column == column, (line, outcome.failure)
            assert "norouter itself" not in outcome.failure.message
        assert say.session.spec == before
        assert not say.session.history.undo_name


async def test_blanks_and_comments_do_nothing() -> None:
    async with talk(local()) as say:
        for line in ("", "  ", "# hosts"):
            outcome = await say.ok(line)
            assert (outcome.message, say.said) == ("", [])


async def test_saving_and_loading(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    async with talk(local()) as say:
        await say.ok("port add hub 18080:80")
        assert (await say("save")).failure is not None
        await say.ok(f"save {file}")
        assert not say.session.unsaved
        await say.ok("port add hub 18081:80")
        await say.ok("diff")
        assert '+      - "18081:localhost:80"' in say.text
        outcome = await say(f"load {file}")
        assert outcome.question is not None
        assert "18081" in outcome.question.diff
        await say.ok(f"load {file}", confirmed=True)
        assert not say.session.unsaved
        assert say.session.spec == Document.load(file).spec
        await say.ok("undo")
        assert "18081" in str(say.session.spec.hosts[0].options.ports[-1])
        await say.ok("revert")
        assert not say.session.unsaved
        await say.ok("export")
        assert say.text == file.read_text().rstrip("\n")


async def test_the_mesh_of_another_file_can_be_loaded_into_the_session_s_own(
    tmp_path: Path,
) -> None:
    file, other = tmp_path / "mesh.yaml", tmp_path / "other.yaml"
    async with talk(local()) as say:
        await say.ok(f"save {file}")
        await say.ok("port add hub 18080:80")
        await say.ok(f"save {other}")
        await say.ok(f"load {file}")
        await say.ok("port add hub 18081:80")
        await say.ok(f"load --keep {other}")
        assert "18080" in str(say.session.spec)
        assert say.session.document.path == str(file)
        assert say.session.unsaved
        await say.ok("save")
        assert "18080" in file.read_text()


async def test_quitting_with_unsaved_work_asks_and_keeps_it(tmp_path: Path) -> None:
    async with talk(local(), folder=tmp_path) as say:
        assert (await say.ok("quit")).ended
        await say.ok("port add hub 18080:80")
        outcome = await say("quit")
        assert outcome.question is not None
        assert not outcome.ended
        outcome = await say.ok("quit", confirmed=True)
        assert outcome.ended
        assert "recover" in outcome.message
        spec = say.session.spec
        autosave = say.session.autosave
        assert autosave is not None
        # As the end of the process does it.
        autosave._running.release()
    async with talk(local(), folder=tmp_path) as say:
        (row,) = await say.rows("recover")
        assert (row["hosts"], row["commands"]) == ("hub", "port add hub 18080:80")
        await say.ok("recover 1")
        assert say.session.spec == spec
        assert await say.rows("recover") == []


async def _bulk(say: Talk) -> None:
    await eventually(lambda: say.session.engine.status().streams, "a stream is open")


async def test_a_change_that_cuts_streams_asks_first() -> None:
    hub = local()
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, talk(hub, relayed("far")) as say:
        await say.ok(f"port add far 8080:{port} --wait")
        far = say.session.spec.host("far")
        assert far is not None
        _, writer = await asyncio.open_connection(far.vip, 8080)
        await _bulk(say)
        outcome = await say("port rm far 8080")
        assert outcome.question is not None
        (number,) = outcome.question.cuts
        assert '-      - "8080:' in outcome.question.diff
        assert "1 stream" in outcome.question.text
        assert len(await say.rows("streams")) == 1
        assert (await say("undo")).question is not None
        assert say.session.history.undo_name.startswith("port add")
        await say.ok("port add far 8081:81")
        assert (await say("host rm far")).question is not None
        assert (await say("host restart far")).question is not None
        assert (await say.rows(f"stream show {number}"))[0]["to_host"] == "far"
        await say.ok("port rm far 8080", confirmed=True)
        await eventually(lambda: not say.session.engine.status().streams, "it is cut")
        writer.close()


class Watched(Document):
    """Notes in which threads texts are made."""

    def render(self, spec: MeshSpec) -> str:
        self.threads.add(threading.current_thread())
        return super().render(spec)

    threads: set[threading.Thread]


@pytest.mark.parametrize("command", ["diff", "export", "quit"])
async def test_texts_of_the_manifest_are_made_beside_the_loop(command: str) -> None:
    """Those of hundreds of hosts take a while, in which streams must go on."""
    document = Watched.empty(MeshSpec())
    assert isinstance(document, Watched)
    document.threads = set()
    async with talk(document=document) as say:
        await say.ok("host add web -- sh -c 'exec cat >/dev/null'")
        await say(command)
        assert document.threads and threading.main_thread() not in document.threads
