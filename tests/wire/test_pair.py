"""A connected pair does the same whatever way its bytes are cut up."""

from __future__ import annotations

import random

import pytest

from norouter_core.wire import messages, states
from norouter_core.wire.limits import EARLY_WINDOW, START_WINDOW
from tests.wire.pair import Pair, Side, Split, every_byte, output, whole

SPLITS = pytest.mark.parametrize("split", [whole, every_byte], ids=["whole", "every byte"])


def conversation(pair: Pair) -> None:
    """Every kind of frame, in both directions."""
    hub, agent = pair.hub.connection, pair.agent.connection
    agent.message(messages.event("hello", {"protocol": 1, "hostname": "h\u00e9"}))
    hub.message(messages.request(1, "listen", {"listener": 3}))
    pair.pump()
    dialled = hub.open({"target": ["db", 5432]})
    hub.send(dialled, b"early")
    pair.pump()
    agent.accept(pair.agent.streams[dialled.id], {"peer": ["10.0.0.1", 5432]})
    agent.send(pair.agent.streams[dialled.id], b"answer" * 1000)
    pair.pump()
    offered = agent.open({"listener": 3, "peer": ["127.0.0.1", 9]})
    agent.send(offered, b"x" * EARLY_WINDOW)
    pair.pump()
    hub.accept(pair.hub.streams[offered.id], {"peer": ["10.0.0.2", 1]})
    agent.send(offered, b"y" * 3 * START_WINDOW)
    agent.end(offered)
    pair.pump()
    hub.send(pair.hub.streams[offered.id], b"after their end")
    hub.end(pair.hub.streams[offered.id])
    pair.pump()
    hub.reset(dialled, "killed", "by \u2603")
    pair.pump()


@SPLITS
def test_a_conversation_is_understood(split: Split) -> None:
    pair = Pair(split)
    conversation(pair)
    assert pair.agent.log[1:] == [
        ("opened", 1, True),
        ("opened", 2, False),
        ("ended", 2),
        ("reset", 1, "killed", "by \u2603"),
    ]
    assert [entry[:2] for entry in pair.hub.log] == [
        ("message", "event"),
        ("opened", 1),
        ("opened", 2),
        ("ended", 2),
    ]
    assert bytes(pair.agent.data[1]) == b"early"
    assert bytes(pair.hub.data[1]) == b"answer" * 1000
    assert bytes(pair.hub.data[2]) == b"x" * EARLY_WINDOW + b"y" * 3 * START_WINDOW
    assert bytes(pair.agent.data[2]) == b"after their end"
    assert not pair.hub.connection.streams
    assert not pair.agent.connection.streams


def test_a_split_at_every_single_place_changes_nothing() -> None:
    reference = Pair()
    conversation(reference)
    stream = _bytes_to_hub()
    for at in range(len(stream) + 1):
        side = _hub_expecting_a_dial()
        side.receive([stream[:at], stream[at:]])
        assert side.violation is None
        assert side.log == [("opened", 1, False), ("opened", 2, True), ("ended", 1), ("ended", 2)]
        assert bytes(side.data[1]) == b"abc"
        assert bytes(side.data[2]) == b"0123456789"


def _bytes_to_hub() -> bytes:
    pair = Pair()
    pair.hub.connection.open({"target": ["a", 1]})
    pair.pump()
    agent = pair.agent.connection
    answer = pair.agent.streams[1]
    agent.accept(answer, {"peer": ["a", 1]})
    offered = agent.open({"listener": 1, "peer": ["b", 2]})
    data = output(agent)
    agent.send(answer, b"abc")
    agent.send(offered, b"0123456789")
    agent.end(answer)
    agent.end(offered)
    return data + output(agent)


def _hub_expecting_a_dial() -> Side:
    side = Side("hub")
    side.connection.open({"target": ["a", 1]})
    return side


def test_a_backlog_beyond_the_window_waits_for_credit() -> None:
    pair = Pair(consume=False)
    stream = pair.hub.connection.open({"target": ["a", 1]})
    pair.hub.connection.send(stream, b"z" * (2 * START_WINDOW))
    pair.pump()
    assert len(pair.agent.data[1]) == EARLY_WINDOW
    theirs = pair.agent.streams[1]
    pair.agent.connection.accept(theirs, {"peer": ["a", 1]})
    pair.pump()
    assert len(pair.agent.data[1]) == START_WINDOW
    assert stream.room < 0
    pair.agent.connection.consumed(theirs, START_WINDOW, 1.0)
    pair.pump()
    assert len(pair.agent.data[1]) == 2 * START_WINDOW


def test_one_stalled_stream_does_not_hold_up_another() -> None:
    pair = Pair(consume=False)
    hub, agent = pair.hub.connection, pair.agent.connection
    stalled, other = hub.open({"target": ["a", 1]}), hub.open({"target": ["b", 2]})
    pair.pump()
    for number in (stalled.id, other.id):
        agent.accept(pair.agent.streams[number], {"peer": ["a", 1]})
    pair.pump()
    hub.send(stalled, b"s" * (4 * START_WINDOW))
    pair.pump()
    hub.send(other, b"quick")
    pair.pump()
    assert bytes(pair.agent.data[other.id]) == b"quick"
    assert len(pair.agent.data[stalled.id]) < 4 * START_WINDOW


def test_eof_follows_the_data_it_ends() -> None:
    pair = Pair(consume=False)
    hub, agent = pair.hub.connection, pair.agent.connection
    stream = hub.open({"target": ["a", 1]})
    hub.send(stream, b"q" * (EARLY_WINDOW + 1))
    hub.end(stream)
    pair.pump()
    assert ("ended", 1) not in pair.agent.log
    agent.accept(pair.agent.streams[1], {"peer": ["a", 1]})
    pair.pump()
    assert ("ended", 1) in pair.agent.log
    assert len(pair.agent.data[1]) == EARLY_WINDOW + 1
    assert stream.state == states.HALF_CLOSED_LOCAL


def test_frames_that_cross_a_reset_are_ignored() -> None:
    pair = Pair()
    hub, agent = pair.hub.connection, pair.agent.connection
    stream = hub.open({"target": ["a", 1]})
    pair.pump()
    theirs = pair.agent.streams[1]
    agent.accept(theirs, {"peer": ["a", 1]})
    pair.pump()
    agent.send(theirs, b"on its way")
    agent.end(theirs)
    hub.reset(stream, "killed", "")
    pair.pump()
    assert pair.hub.violation is None and pair.agent.violation is None
    assert pair.agent.log[-1] == ("reset", 1, "killed", "")
    assert not hub.streams and not agent.streams


def test_more_streams_than_allowed_are_reset_alone() -> None:
    pair = Pair()
    pair.agent.connection._max_streams = 2
    streams = [pair.hub.connection.open({"target": ["a", n]}) for n in range(3)]
    pair.pump()
    assert [entry for entry in pair.hub.log if entry[0] == "reset"] == [
        ("reset", streams[2].id, "too-many", "2 streams are open on this link")
    ]
    assert len(pair.agent.connection.streams) == 2
    assert pair.hub.violation is None


def test_many_streams_interleave_and_stay_exact() -> None:
    chance = random.Random(7)
    pair = Pair()
    hub = pair.hub.connection
    sent: dict[int, bytearray] = {}
    streams = [hub.open({"target": ["a", n]}) for n in range(1, 9)]
    pair.pump()
    for stream in streams:
        pair.agent.connection.accept(pair.agent.streams[stream.id], {"peer": ["a", 1]})
        sent[stream.id] = bytearray()
    for _ in range(200):
        stream = chance.choice(streams)
        piece = chance.randbytes(chance.randrange(1, 30_000))
        hub.send(stream, piece)
        sent[stream.id] += piece
        if chance.random() < 0.3:
            pair.pump()
    pair.pump()
    assert {number: bytes(data) for number, data in sent.items()} == {
        number: bytes(pair.agent.data.get(number, b"")) for number in sent
    }
