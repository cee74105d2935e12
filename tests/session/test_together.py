"""Many who talk with one session at once, and those who stop in the middle."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from norouter_core.commands.results import Bytes, Outcome, Output, Table
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Log
from norouter_core.links.base import OperationError
from norouter_core.model import HostOptions, HostSpec, MeshSpec
from norouter_core.session.autosave import Autosave, AutosaveFailed
from norouter_core.session.client import Client
from norouter_core.session.document import Document
from norouter_core.session.handlers import HANDLERS, queries
from norouter_core.session.session import Session
from norouter_core.session.workspace import LOG_LINES, SessionTiming
from tests.commands.calls import call
from tests.engine.meshes import children, exec_command, forward, host, local, relayed, vip
from tests.servers import connect, echoing, eventually
from tests.session.sessions import Talk, talk

pytestmark = pytest.mark.anyio


async def test_changes_run_one_after_the_other() -> None:
    async with talk(local("hub")) as say:
        client: Client = say.session
        lines = [f"port add hub {port}" for port in range(20000, 20020)]
        outcomes = await asyncio.gather(*(client.run(call(line), print) for line in lines))
        assert all(outcome.ok for outcome in outcomes)
        assert len(say.session.spec.hosts[0].options.ports) == 20
        await say.ok("undo 20")
        assert not say.session.unsaved


async def test_a_change_that_is_cancelled_is_made_whole_or_not_at_all() -> None:
    async with talk(local("hub"), relayed("web")) as say:
        for line in ("host rm web", "port add hub 20000"):
            running = asyncio.ensure_future(say.session.run(call(line), print))
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        await say.ok("route add hub *.x")  # comes after what has begun
        assert say.session.spec == say.session.engine.spec
        assert [host.name for host in say.session.spec.hosts] == ["hub"]
        assert say.session.history.names == (
            "host rm web",
            "port add hub 20000",
            "route add hub *.x",
        )


async def test_listings_do_not_wait_for_who_waits() -> None:
    async with talk(local("hub")) as say:
        line = f"host add web --vip {vip()} --wait -- sh -c 'exec cat >/dev/null'"
        waiting = asyncio.ensure_future(say.session.run(call(line), print))
        await eventually(lambda: len(say.session.spec.hosts) == 2, "the host is there")
        assert [row["name"] for row in await say.rows("hosts")] == ["hub", "web"]
        await say.ok("host stop web")
        assert (await waiting).ok, "a host that is stopped is waited for no longer"


async def test_who_waits_for_a_host_that_is_stopped_is_told() -> None:
    async with talk(local("hub"), relayed("web")) as say:
        await say.ok("host stop web")
        outcome = await say("wait hub web")
        assert outcome.failure is not None
        assert (outcome.failure.message, outcome.failure.hint) == (
            "web is stopped",
            "host start web",
        )
        assert say.column == 10
        assert (await say.ok("wait")).message == "ready: all hosts but web (stopped)"


async def test_waiting_has_an_end() -> None:
    async with talk(local("hub")) as say:
        await say.ok(f"host add web --vip {vip()} -- sh -c 'exec cat >/dev/null'")
        outcome = await say("wait web --timeout 200ms")
        assert outcome.failure is not None
        assert "after 0.2 s" in outcome.failure.message
        assert "web" in outcome.failure.message


async def test_a_port_that_cannot_be_bound_ends_the_wait() -> None:
    timing = SessionTiming(port_grace=0.3)
    hub = local("hub")
    async with (
        await asyncio.start_server(lambda r, w: None, hub.vip, 28081),
        talk(hub, timing=timing) as say,
    ):
        outcome = await say("port add hub 28081 --wait")
        assert outcome.changed
        assert outcome.failure is not None
        assert f"port {hub.vip}:28081 on hub cannot be served" in outcome.failure.message
        assert "norouter ps" in outcome.failure.hint


async def test_only_a_failed_port_ends_a_wait_before_its_time() -> None:
    async with talk(local("hub"), relayed("web"), timing=SessionTiming(port_grace=0.1)) as say:
        await say.ok("wait")
        (agent,) = children()
        agent.suspend()
        # Every host is ready, but this one's names files are out of date.
        await say.ok("host set hub --alias other")
        outcome = await say("wait --timeout 500ms")
        assert outcome.failure is not None
        assert "after 0.5 s" in outcome.failure.message
        agent.resume()
        await say.ok("wait")


async def test_a_fault_of_ours_costs_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async with talk(local("hub")) as say:

        async def breaks(*_: Any) -> Outcome:
            raise RuntimeError("of ours")

        monkeypatch.setitem(HANDLERS, "hosts", breaks)
        outcome = await say("hosts")
        assert outcome.failure is not None
        assert "of ours" in outcome.failure.message
        await say.ok("ports")


async def test_the_end_of_a_session_ends_what_runs_in_it() -> None:
    told: list[Output] = []
    async with talk(local("hub")) as say:
        following = asyncio.ensure_future(say.session.run(call("log --follow"), told.append))
        events = asyncio.ensure_future(_all(say.session.events()))
        # The session's own reader of the log is the third.
        await eventually(lambda: len(say.session._subscriptions) == 3, "both listen")
        say.session.engine.host_log("info", "hub", "a line")
        await eventually(lambda: len(told) > 1, "it is followed")
    assert (await following).ok
    assert any(isinstance(event, Log) and event.text == "a line" for event in await events)


async def _all(events: Any) -> list[object]:
    return [event async for event in events]


async def test_nothing_runs_in_a_session_that_has_ended() -> None:
    async with talk(local("hub")) as say:
        # Not one of them has a chance to begin.
        late = [asyncio.ensure_future(say.session.run(call("undo"), print)) for _ in range(3)]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError | Outcome) for each in outcomes)
    outcome = await say("hosts")
    assert outcome.failure is not None
    assert outcome.failure.message == "the session has ended"


async def test_the_log_keeps_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    async with talk(local("hub"), relayed("web")) as say:
        for number in range(LOG_LINES + 10):
            say.session.engine.host_log("info", "web", f"line {number}")
            if number % 500 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: say.session.log[-1].text == "line 2009", "all have come")
        rows = await say.rows("log web --lines 3")
        assert [row["text"] for row in rows] == ["line 2007", "line 2008", "line 2009"]
        assert await say.rows("log hub") == []
        assert len(say.session.log) == LOG_LINES


async def test_the_log_has_the_states_of_hosts() -> None:
    async with talk(local("hub"), relayed("web")) as say:
        for process in children():
            process.kill()

        async def states() -> list[str]:
            return [str(row["text"]).partition(":")[0] for row in await say.rows("log web")]

        await eventually(lambda: len(say.session.log) > 3, "it is back")
        assert await states() == ["ready", "lost", "backing off", "ready"]
        assert await say.rows("log hub") == []


async def test_a_stream_is_tapped_and_a_command_run() -> None:
    async with echoing() as port, talk(local("hub"), relayed("web", forward(port))) as say:
        web = say.session.spec.host("web")
        assert web is not None
        with await connect((web.vip, 8080)) as client:
            await eventually(lambda: say.session.engine.status().streams, "a stream is open")
            assert [row["rate"] for row in await say.rows("streams")] == [None]
            assert len(await say.rows("streams rate<1")) == 1
            assert [row["rate"] for row in await say.rows("streams")] == [0.0]
            told: list[Output] = []
            tapping = asyncio.ensure_future(say.session.run(call("stream tap 1"), told.append))
            # What passes before the tap stands is not seen.
            async with asyncio.timeout(10):
                while {x.source for x in told if isinstance(x, Bytes)} != {"sent", "received"}:
                    await client.send(b"hello")
                    assert await client.exactly(5) == b"hello"
            await say.ok("stream kill 1")
            outcome = await tapping
            assert outcome.ok
            pieces = [x for x in told if isinstance(x, Bytes)]
            assert outcome.data == {
                way: sum(len(x.data) for x in pieces if x.source == way)
                for way in ("sent", "received")
            }
            assert "killed" in outcome.message
        outcome = await say.ok("exec web -- sh -c 'echo out; echo err >&2; exit 7'")
        assert outcome.status == 7
        assert sorted((x.source, x.data) for x in say.said if isinstance(x, Bytes)) == [
            *(("stderr", b"err\n"), ("stdout", b"out\n"))
        ]


async def test_a_stream_that_its_host_does_not_kill_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with echoing() as port, talk(local("hub"), relayed("web", forward(port))) as say:
        web = say.session.spec.host("web")
        assert web is not None

        async def silent(number: int) -> bool:
            raise OperationError("timeout", "no answer to 'kill' within 10 s")

        with await connect((web.vip, 8080)):
            await eventually(lambda: say.session.engine.status().streams, "a stream is open")
            monkeypatch.setattr(say.session.engine, "kill_stream", silent)
            outcome = await say("stream kill 1")
        assert outcome.failure is not None
        assert outcome.failure.message.startswith("stream 1 may still be open: no answer")


async def test_hosts_stop_and_start(tmp_path: Path) -> None:
    async with talk(local("hub"), relayed("web")) as say:
        await say.ok("host stop web")
        states = {row["name"]: row["state"] for row in await say.rows("hosts")}
        assert states == {"hub": "ready", "web": "stopped"}
        await say.ok("host start web --wait")
        await say.ok("ping web --count 1")
        (table,) = say.said
        assert isinstance(table, Table)
        assert table.rows[0]["round_trip"] > 0


async def test_unsaved_work_is_kept_at_every_change(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    kept = tmp_path / "kept"
    async with talk(local("hub"), folder=kept) as say:
        assert not kept.exists()
        await say.ok("port add hub 20000")
        assert len(list(kept.glob("*.json"))) == 1
        await say.ok(f"save {file}")
        assert not list(kept.glob("*.json"))
        await say.ok("undo")
        assert len(list(kept.glob("*.json"))) == 1
        await say.ok("redo")
        assert not list(kept.glob("*.json"))
        await say.ok("port add hub 20001")
        await say.ok("quit --discard")
    assert not list(kept.glob("*.json"))


async def test_recovered_work_belongs_to_its_file(tmp_path: Path) -> None:
    file, kept = tmp_path / "mesh.yaml", tmp_path / "kept"
    async with talk(local("hub"), folder=kept) as say:
        await say.ok(f"save {file}")
        await say.ok("port add hub 20000")
        assert say.session.autosave is not None
        say.session.autosave._running.release()  # as the end of the process does it
    async with talk(local("other"), folder=kept) as say:
        await say.ok("recover 1")
        assert say.session.document.path == str(file)
        assert say.session.unsaved
        await say.ok("diff")
        assert "+" in say.text
        assert Autosave(kept).recoverable() == [], "it has an owner again"
        await say.ok("save")
    assert len(Document.load(file).spec.hosts[0].options.ports) == 1


class FullDisk(Autosave):
    """Keeps nothing any more."""

    def keep(self, *_: object) -> None:
        raise AutosaveFailed("no space left; save soon")


async def test_recovered_work_stays_where_it_was_until_it_is_kept_again(tmp_path: Path) -> None:
    async with talk(local("hub"), folder=tmp_path) as say:
        await say.ok("port add hub 20000")
        assert say.session.autosave is not None
        say.session.autosave._running.release()  # as the end of the process does it
    async with talk(local("other"), folder=tmp_path) as say:
        say.session.autosave = FullDisk(tmp_path)
        assert "save soon" in (await say.ok("recover 1")).message
        (left,) = Autosave(tmp_path).recoverable()
        assert left.spec == say.session.spec


async def test_what_changes_while_a_file_is_read_is_not_loaded_over(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    async with talk(local("hub")) as say:
        await say.ok(f"save {file}")
        run = say.session.run
        loaded, changed = await asyncio.gather(
            run(call(f"load {file}"), print), run(call("port add hub 20000"), print)
        )
        assert changed.ok
        assert loaded.question is not None and "unsaved changes" in loaded.question.text
        assert say.session.unsaved


async def test_work_that_cannot_be_kept_is_told_and_done(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    async with talk(local("hub"), folder=blocked / "x") as say:
        outcome = await say.ok("port add hub 20000")
        assert outcome.changed
        assert "save soon" in outcome.message
        assert "save soon" not in (await say.ok("port add hub 20001")).message, "told once"


async def test_passwords_stand_in_no_history(tmp_path: Path) -> None:
    async with talk(local("hub")) as say:
        await say.ok("proxy http hub 127.0.0.1:28080 --auth me:secret")
        assert "secret" not in say.session.document_state().undo


async def test_a_port_of_another_host_does_not_hold_a_wait_up() -> None:
    hub = local("hub")
    async with (
        await asyncio.start_server(lambda r, w: None, hub.vip, 28081),
        talk(hub) as say,
    ):
        await say.ok("port add hub 28081")
        await say.ok(f"host add web --vip {vip()} --wait -- {' '.join(exec_command())}")


async def test_streams_are_followed_as_they_open_and_close() -> None:
    told: list[Output] = []
    async with echoing() as port, talk(local("hub"), relayed("web", forward(port))) as say:
        session, web = say.session, say.session.spec.hosts[1]
        following = asyncio.ensure_future(session.run(call("streams --follow to:web"), told.append))
        others = asyncio.ensure_future(session.run(call("streams --follow to:hub"), told.append))
        await eventually(lambda: len(told) == 2, "what is open is told, and be it nothing")
        with await connect((web.vip, 8080)) as client:
            await client.says(b"hello")
        await eventually(lambda: not session.engine.status().streams, "the stream has ended")
        await eventually(lambda: len(told) == 4, f"its beginning and its end are told: {told}")
        rows = [row for table in told if isinstance(table, Table) for row in table.rows]
        assert {row["id"] for row in rows} == {1}
        assert [row["state"] == "closed" for row in rows] == [False, True]
        assert rows[1]["bytes_sent"] == 5
        for task in (following, others):
            task.cancel()
        await asyncio.wait((following, others))
        assert not session.engine._bus.wants_streams, "nobody listens any more"


async def test_ports_of_dns_are_listed_where_they_are_asked_for_or_fail() -> None:
    hub = HostSpec("hub", vip(), options=HostOptions(ports=(forward(9),)))
    async with await asyncio.start_server(lambda r, w: None, hub.vip, 10053), Engine() as engine:
        async with Session(engine, Document.empty(MeshSpec((hub,)))) as session:
            say = Talk(session)
            await eventually(lambda: len(engine.status().listeners) == 3, "all are there")
            await eventually(
                lambda: not any(x.state == "pending" for x in engine.status().listeners), "settled"
            )
            listed = {row["address"]: row["state"] for row in await say.rows("ports")}
            assert listed == {f"{hub.vip}:8080": "bound", f"{hub.vip}:10053": "failed"}
            assert len(await say.rows("ports --all")) == 3


async def test_a_large_mesh_shows_each_working_port_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = tuple(forward(9, listen=number) for number in (81, 82))
    async with talk(local("one", *ports), host("two", *ports)) as say:
        await say.session.engine.wait_ready()
        assert len(await say.rows("ports")) == 8
        monkeypatch.setattr(queries, "_MAX_LISTENERS", 7)
        shown = await say.rows("ports")
        assert [(row["on_host"], row["to_host"]) for row in shown] == [
            *[("one", "one")] * 2,
            *[("one", "two")] * 2,
        ]
        assert (await say("ports")).message.endswith(
            "4 more listeners of other hosts work: ports --all"
        )
        assert len(await say.rows("ports --all")) == 8
