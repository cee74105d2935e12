"""A host in a stranger's hands: it reaches nothing, and harms nobody but itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from norouter_core.engine.events import HostChanged, Log
from norouter_core.engine.status import HostState
from norouter_core.links.base import OperationError
from norouter_core.model import AgentMode, HostOptions, HostSpec, MeshSpec, ProxySpec
from norouter_core.timing import Timing
from tests.engine.meshes import (
    BRISK,
    TIMING,
    Mesh,
    exec_command,
    forward,
    host,
    local,
    mesh,
    program,
    relayed,
    with_ports,
)
from tests.servers import Peer, connect, echoing, eventually, unused_port

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

ROGUE = Path(__file__).with_name("rogue.py")
ACTIONS = Path(__file__).with_name("rogue_actions.py")
FAKESHELL = Path(__file__).with_name("fakeshell.py")


def rogue(action: str, port: int, *, dialled: bool = False) -> HostSpec:
    """A host whose agent does that action; it listens like any other if it is not `dialled`."""
    make = relayed if dialled else host
    return make("rogue", forward(port), cmd=program(ROGUE, action))


@asynccontextmanager
async def beside(
    action: str, *, dialled: bool = False, timing: Timing = TIMING
) -> AsyncIterator[tuple[Mesh, Peer]]:
    """A rogue in a mesh, and a stream of an honest host that has to stay up all the time."""
    async with echoing() as port:
        honest = MeshSpec((local(), relayed("honest", forward(port))))
        async with mesh(*honest.hosts, timing=timing) as made:
            with await connect(made.address("honest")) as client:
                assert await client.says(b"before")
                await made.engine.apply(honest.with_host(rogue(action, port, dialled=dialled)))
                yield made, client
                assert await client.says(b"after")
                pid = made.pid("honest")
                assert psutil.pid_exists(pid) and made.host("honest").state is HostState.READY


async def test_datagrams_at_a_tcp_port_are_refused() -> None:
    async with beside("mixes") as (made, _):
        await made.log_says("reset with not-allowed")


async def test_an_agent_that_answers_nothing_is_asked_so_much_and_no_more() -> None:
    async with beside("mute") as (made, _):
        await made.in_state("rogue", HostState.READY)
        link = made.engine.link("rogue")
        assert link is not None
        asking = [asyncio.ensure_future(link.resolve("a.example")) for _ in range(5000)]
        done, open_ = await asyncio.wait(asking, return_when=asyncio.FIRST_EXCEPTION)
        codes = {getattr(task.exception(), "code", None) for task in done}
        assert codes == {"too-many"} and len(open_) <= 4096
        for task in open_:
            task.cancel()
        await asyncio.wait(open_)
        # With those given up there is room again.
        again = asyncio.ensure_future(link.resolve("a.example"))
        await asyncio.sleep(0)
        assert not again.done()
        again.cancel()
        await asyncio.wait([again])


async def test_an_agent_that_answers_at_length_is_read_as_far_as_was_asked() -> None:
    async with beside("rambles", timing=BRISK) as (made, _):
        await made.in_state("rogue", HostState.READY)
        link = made.engine.link("rogue")
        assert link is not None
        assert len(await link.read("/etc/resolv.conf", 1000)) == 1000
        assert len(await link.resolve("a.example")) == 64


@pytest.mark.parametrize("unit", ["x: is ", "x: is x, too ol"])
async def test_a_shell_whose_report_is_long_holds_nobody_up(unit: str) -> None:
    """The link of the honest host is given up where the hub stands still for 1.5 s."""
    async with echoing() as port:
        honest = MeshSpec((local(), relayed("honest", forward(port))))
        async with mesh(*honest.hosts, timing=BRISK) as made:
            with await connect(made.address("honest")) as client:
                assert await client.says(b"before")
                made.events()
                liar = relayed("liar", cmd=(sys.executable, str(FAKESHELL), unit))
                liar = replace(liar, options=replace(liar.options, agent=AgentMode.PYTHON))
                await made.engine.apply(honest.with_host(liar))
                await made.in_state("liar", HostState.FAILED)
                problem = made.host("liar").problem
                assert problem is not None and len(problem.message) < 1000
                assert await client.says(b"after")
            changed = [event.host for event in made.events() if isinstance(event, HostChanged)]
            assert {host.state for host in changed if host.name == "honest"} <= {HostState.READY}


async def test_a_direct_stream_that_its_host_does_not_kill() -> None:
    async with beside("keeps", timing=replace(TIMING, request=0.3)) as (made, _):
        await eventually(lambda: [s for s in made.streams if s.direct], "its report is taken")
        (number,) = (s.id for s in made.streams if s.direct)
        with pytest.raises(OperationError, match="no answer to 'kill'"):
            await made.engine.kill_stream(number)
        killing = asyncio.ensure_future(made.engine.kill_stream(number))
        await asyncio.sleep(0)
        os.kill(made.pid("rogue"), signal.SIGKILL)
        assert await killing in (True, False)  # it has ended with its host


async def lost_by_protocol(made: Mesh, says: str = "") -> None:
    """Waits until the rogue is lost for breaking the protocol."""
    # Asked of its supervisor: the whole status is dear where there are streams by the thousand.
    supervisor = made.engine._supervisors["rogue"]
    await eventually(lambda: supervisor.problem, "the rogue has a problem")
    problem = supervisor.problem
    assert problem is not None
    assert problem.kind == "protocol" and says in problem.message, problem
    assert supervisor.state is not HostState.READY


async def test_a_listener_that_is_not_published() -> None:
    async with beside("unpublished") as (made, _):
        warning = await made.log_says("refused a client")
        assert (warning.level, warning.host) == ("warning", "rogue")
        assert "listener 999 is not published" in warning.text
        line = await made.log_says("reset with")
        assert line.text == "reset with not-allowed"
        assert made.host("rogue").state is HostState.READY
        assert [stream.from_host for stream in made.streams] == ["hub"]


async def test_a_listener_that_was_published_once() -> None:
    async with beside("forgotten") as (made, _):
        await made.ready()
        await made.engine.apply(with_ports(made.engine.spec, "rogue"))
        assert (await made.log_says("reset with")).text == "reset with not-allowed"
        assert made.host("rogue").state is HostState.READY


async def test_every_listener_that_it_was_not_asked_for_is_refused() -> None:
    """Numbers are easy to guess: those of a proxy, and of ports that are for other hosts."""
    async with echoing() as port, echoing() as secret:
        hub = local("hub")
        proxy = ProxySpec("127.0.0.1", unused_port())
        hub = replace(hub, options=replace(hub.options, socks=proxy))
        hidden = replace(forward(secret, listen=8082), allow_from=("hub",))
        honest = relayed("honest", forward(port), hidden)
        evil = host("rogue", forward(port), cmd=program(ACTIONS, "guesses"))
        async with mesh(hub, honest, evil) as made:
            line = await made.log_says("guessed")
            assert line.text.endswith("['not-allowed']")
            assert made.engine.status().opened_total == 0
            with await connect(made.address("honest", 8082)) as client:
                assert await client.says(b"for the hub")


def redirecting(action: str) -> HostSpec:
    spec = HostSpec("rogue", "127.0.94.7", program(ACTIONS, action))
    return replace(
        spec, options=HostOptions(transparent=1, loopback=False, agent=AgentMode.NOROUTER)
    )


async def test_a_transparent_proxy_reaches_no_loopback_of_the_hubs_machine() -> None:
    async with mesh(local("hub"), redirecting("redirects")) as made:
        line = (await made.log_says("redirected")).text
        assert line.count("is not an address of the mesh") == 5


async def test_a_destination_that_is_no_address_ends_the_link() -> None:
    async with mesh(local("hub"), redirecting("odd_destination"), wait=False) as made:
        await lost_by_protocol(made, "'destination' is not an address")


async def test_requests_to_the_hub_are_refused() -> None:
    async with beside("asks") as (made, _):
        for _ in range(4):
            assert (await made.log_says("refused with")).text == "refused with unknown-op"
        assert made.host("rogue").state is HostState.READY


VIOLATIONS = {
    "garbage": "0x53",
    "lies": "direct stream",
    "reports": "direct streams",
    "counts": "",
    "answers": "",
    "deaf": "unread",
    "wrong_hello": "'python'",
    "huge_hello": "",
}


@pytest.mark.parametrize("action", VIOLATIONS)
async def test_a_violation_ends_that_link_alone(action: str) -> None:
    before = psutil.Process().memory_info().rss
    async with beside(action) as (made, _):
        await lost_by_protocol(made, VIOLATIONS[action])
        # What it could make the hub keep is bounded, and gone with it.
        assert psutil.Process().memory_info().rss - before < 100 << 20
        assert not [stream for stream in made.streams if stream.from_host == "rogue"]


async def test_another_version_of_the_protocol() -> None:
    async with beside("other_protocol") as (made, _):
        await made.in_state("rogue", HostState.FAILED)
        problem = made.host("rogue").problem
        assert problem is not None and problem.kind == "norouter-version"
        assert "version 99" in problem.message


async def test_data_beyond_its_window() -> None:
    async with beside("overruns", dialled=True) as (made, _):
        await made.ready()
        with await connect(made.address("rogue")) as client:
            # Nobody reads here: the window is not opened further.
            await lost_by_protocol(made, "data")
            assert await client.is_reset()


@pytest.mark.parametrize("action", ["boasts", "raves"])
async def test_words_that_fill_a_frame_harm_no_other_link(action: str) -> None:
    """What the hub passes on of them must not break the protocol on a client's link."""
    async with echoing() as port:
        hosts = (host("client"), rogue(action, port, dialled=True), relayed("web", forward(port)))
        async with mesh(*hosts) as made:
            pid = made.pid("client")
            with (
                await connect(made.address("web")) as kept,
                await connect(made.address("rogue")) as client,
            ):
                assert await kept.says(b"before")
                # Whatever becomes of this one, it comes to an end.
                with contextlib.suppress(ConnectionResetError):
                    await client.send(b"hello")
                await eventually(
                    lambda: all(stream.to_host == "web" for stream in made.streams),
                    "the stream to the rogue is over",
                )
                for _ in range(20):
                    assert await kept.says(b"after")
            assert made.pid("client") == pid
            assert made.host("client").state is HostState.READY


async def test_a_flood_of_streams_that_lead_nowhere() -> None:
    async with beside("flood") as (made, client):
        while made.host("rogue").state is not HostState.READY:
            assert await client.says(b"still served")
        lines: list[str] = []
        while "flooded" not in lines:
            assert await client.says(b"still served")
            lines += [event.text for event in made.events() if isinstance(event, Log)]
        assert made.engine.status().opened_total == 1
        # It does not drown other events either.
        assert 1 <= sum("is not published" in line for line in lines) < 10


async def test_streams_by_the_thousand_are_not_held_against_the_host_they_go_to() -> None:
    """The other host reads nothing meanwhile, so what the rogue causes on its link piles up."""
    timing = replace(TIMING, heartbeat=30)
    async with echoing() as port:
        web, other = relayed("web", forward(port, listen=8081)), relayed("other", forward(port))
        spec = MeshSpec((local(), web, other))
        async with mesh(*spec.hosts, timing=timing) as made:
            pid = made.pid("web")
            with await connect(made.address("web", 8081)) as kept:
                assert await kept.says(b"before")
                os.killpg(pid, signal.SIGSTOP)
                try:
                    await made.engine.apply(spec.with_host(rogue("churns", port)))
                    await made.log_says("churned")
                    await made.log_says("too-many: the host is behind")
                    with await connect(made.address("other")) as elsewhere:
                        assert await elsewhere.says(b"meanwhile")
                    new = await connect(made.address("web", 8081))
                    await new.send(b"new")
                finally:
                    os.killpg(pid, signal.SIGCONT)
                with new:
                    assert await new.exactly(3) == b"new"
                assert await kept.says(b"after")
            assert made.pid("web") == pid
            for name in ("web", "other", "rogue"):
                assert made.host(name).state is HostState.READY


async def test_nothing_that_it_says_reaches_a_terminal_raw() -> None:
    async with beside("paints") as (made, _):
        await eventually(
            lambda: [s for s in made.streams if s.from_host == "rogue"], "its report is taken"
        )
        entries = [event.to_json() for event in made.events()]
        assert any(isinstance(entry.get("text"), str) for entry in entries)
        shown = repr((entries, made.engine.status()))
        assert "red" in shown
        assert "\\x1b" not in shown and "\\u001b" not in json.dumps(entries, default=str)


async def test_a_hello_with_long_and_coloured_words() -> None:
    async with beside("long_hello") as (made, _):
        await made.in_state("rogue", HostState.READY)
        agent = made.host("rogue").agent
        assert "\x1b" not in agent and len(agent) < 1000


async def test_an_agent_that_dies_after_its_hello() -> None:
    async with beside("dies_after_hello") as (made, _):
        await eventually(lambda: made.host("rogue").problem, "it has a problem")
        problem = made.host("rogue").problem
        assert problem is not None
        assert problem.exit_status == 4 and problem.stderr == ("out of cheese",)
        # It broke no rule: it died.
        assert problem.kind == "link-lost"


async def test_a_command_that_dies_inside_a_frame_has_broken_no_rule() -> None:
    async with beside("dies_in_a_frame") as (made, _):
        await eventually(lambda: made.host("rogue").problem, "it has a problem")
        problem = made.host("rogue").problem
        assert problem is not None and (problem.kind, problem.exit_status) == ("link-lost", 5)


async def test_an_agent_that_keeps_silent_is_norouters_own() -> None:
    timing = replace(TIMING, installed=0.4)
    async with beside("silent", timing=timing) as (made, _):
        await made.in_state("rogue", HostState.FAILED)
        problem = made.host("rogue").problem
        assert problem is not None and problem.permanent
        assert problem.kind == "norouter-go"


async def test_what_an_agent_may_not_do_it_may_not_do_after_a_restart() -> None:
    async with beside("unpublished") as (made, _):
        await made.log_says("reset with not-allowed")
        pid = made.pid("rogue")
        os.killpg(pid, signal.SIGKILL)
        await made.log_says("reset with not-allowed")
        assert made.pid("rogue") != pid
        assert not [e for e in made.events() if isinstance(e, Log) and e.level == "error"]


async def test_an_honest_host_is_not_dialled_for_a_rogue() -> None:
    """It may offer its own listeners; what they lead to is the hub's to say."""
    async with echoing() as port:
        honest = relayed("web", forward(port), cmd=exec_command())
        async with mesh(honest, rogue("unpublished", port)) as made:
            await made.log_says("reset with not-allowed")
            assert made.host("web").streams == 0
            assert made.engine.status().opened_total == 0
