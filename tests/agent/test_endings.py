"""An agent never outlives its hub: it ends on EOF, on `bye`, on silence and on any violation."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from norouter_core.wire import events, frames, messages
from tests.agent.agents import ROOT
from tests.agent.raw import RawAgent
from tests.native import native_agent
from tests.servers import TIMEOUT
from tests.transports.pythons import pythons

OLDEST = pythons()[0].path if pythons() else Path(sys.executable)


@pytest.fixture(params=[OLDEST, Path(sys.executable), None], ids=["oldest", "ours", "native"])
def program(request: pytest.FixtureRequest) -> Path:
    """What runs the agent: a Python, or the native agent itself."""
    path: Path | None = request.param
    return path or native_agent()


def test_ends_in_order_with_its_stdin(program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.end()
        assert agent.ended() == (0, "")


def test_ends_when_the_hub_says_goodbye(program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.attach(5)
        agent.message(messages.event("bye", {}))
        assert agent.ended() == (0, "")


def test_ends_when_the_hub_falls_silent(program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.attach(0.1)
        # Nothing more is said, while stdin stays open: 6 intervals of 0.1 s.
        assert agent.ended() == (0, "")
        assert agent.process.stdin is not None and not agent.process.stdin.closed


def test_a_hub_that_is_heard_keeps_it(program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.attach(0.1)
        for number in range(1, 9):
            agent.hears(lambda event, n=number: _is_ping(event, n))  # type: ignore[misc]  # a default binds the loop's value
            agent.message(messages.event("pong", {"n": number}))
        assert agent.process.poll() is None


def _is_ping(event: events.Event, number: int) -> bool:
    return (
        isinstance(event, events.Message)
        and event.body.get("type") == "ping"
        and event.body["data"]["n"] == number
    )


VIOLATIONS = {
    "text": b"hello, is anyone there?\n",
    "an L3 packet of NoRouter": b"\x42\x00\x00\x06\x00\x01\x00\x00ab",
    "a message too long": b"\x42\xff\xff\xff\x00\x02\x00\x00",
    "not JSON": frames.json_frame(b"{]"),
    "a stream never opened": frames.stream_frame(frames.EOF, 7),
    "an id of the wrong parity": frames.stream_frame(frames.OPEN, 2, b'{"window":65536}'),
    "an OPEN without a target": frames.stream_frame(frames.OPEN, 1, b'{"window":65536}'),
    "a request without arguments": frames.json_frame(
        messages.encode({"type": "request", "body": {"id": 1, "op": "listen"}})
    ),
    "a heartbeat of no length": frames.json_frame(
        messages.encode(messages.request(1, "attach", {"heartbeat": 0}))
    ),
}


@pytest.mark.parametrize("offence", VIOLATIONS.values(), ids=VIOLATIONS)
def test_ends_on_a_violation(offence: bytes, program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.write(offence)
        status, stderr = agent.ended()
        assert status == 1
        assert stderr.startswith("norouter agent: the hub broke the protocol: ")
        assert stderr.count("\n") == 1


def test_an_end_inside_a_frame_is_no_violation(program: Path) -> None:
    """What carries the link may be killed at any byte."""
    with RawAgent(program) as agent:
        agent.greeted()
        agent.write(frames.data_header(1, 100)[:5])
        agent.end()
        status, stderr = agent.ended()
        assert (status, stderr) == (0, "")


def test_unknown_requests_and_events_do_no_harm(program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.message(messages.event("news", {}))
        agent.message(messages.request(5, "dance", {}))
        answer = agent.hears(lambda e: isinstance(e, events.Message) and e.kind == "result")
        assert isinstance(answer, events.Message)
        assert answer.body["request_id"] == 5
        assert answer.body["error"]["code"] == "unknown-op"
        agent.end()
        assert agent.ended() == (0, "")


def test_resets_its_sockets_at_the_end(program: Path) -> None:
    with RawAgent(program) as agent, socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(TIMEOUT)
        agent.greeted()
        stream = agent.connection.open({"target": list(target.getsockname())})
        detail = {"target": list(target.getsockname()), "window": stream.receiving.size}
        agent.write(frames.stream_frame(frames.OPEN, stream.id, messages.encode(detail)))
        accepted, _ = target.accept()
        with accepted:
            accepted.settimeout(TIMEOUT)
            agent.hears(lambda event: isinstance(event, events.Opened))
            agent.end()
            assert agent.ended() == (0, "")
            with pytest.raises(ConnectionResetError):
                accepted.recv(1)


def test_a_terminals_interrupt_is_left_to_the_hub(program: Path) -> None:
    with RawAgent(program) as agent:
        agent.greeted()
        agent.signal(signal.SIGINT)
        agent.attach(5)
        agent.end()
        assert agent.ended() == (0, "")


def test_native_agent_explains_itself_to_a_user() -> None:
    done = subprocess.run([native_agent()], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2 and done.stdout == ""
    assert "norouter run MANIFEST" in done.stderr


def test_agent_explains_itself_to_a_user() -> None:
    code = "import sys; from norouter_core.agent.main import main; sys.exit(main([]))"
    done = subprocess.run(
        [OLDEST, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "norouter run MANIFEST" in done.stderr
