"""Streams of datagrams (SPEC.md section 10): whole, in order, bounded, fair, and never in front."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.wire import frames, states
from norouter_core.wire.connection import HUB, Connection
from norouter_core.wire.limits import (
    MAX_DATAGRAM_SIZE,
    MAX_LINK_DATAGRAM_BYTES,
    MAX_QUEUED_DATAGRAM_BYTES,
    MAX_QUEUED_DATAGRAMS,
    MAX_WINDOW,
    QUANTUM,
    STREAM_HEADER,
)
from norouter_core.wire.stream import Stream
from tests.wire.pair import Pair, Side, Split, every_byte, output, whole

SPLITS = pytest.mark.parametrize("split", [whole, every_byte], ids=["whole", "every byte"])
TARGET = {"target": ["ns", 53], "proto": "udp"}
OFFER = {"listener": 3, "peer": ["127.0.0.1", 9], "proto": "udp"}


def sent(connection: Connection) -> list[tuple[int, int, bytes]]:
    """Every frame that a connection has to send now: type, stream, payload."""
    decoded = frames.Decoder().feed(memoryview(output(connection)))
    return [(kind, number, bytes(payload)) for kind, number, payload in decoded]


@SPLITS
def test_datagrams_both_ways_over_streams_of_both_sides(split: Split) -> None:
    pair = Pair(split)
    hub, agent = pair.hub.connection, pair.agent.connection
    asked = hub.open(TARGET)
    hub.send_datagram(asked, b"before the answer")
    hub.send_datagram(asked, b"")
    pair.pump()
    theirs = pair.agent.streams[asked.id]
    assert theirs.datagrams is not None
    agent.accept(theirs, {"peer": ["10.0.0.1", 53]})
    agent.send_datagram(theirs, b"a" * MAX_DATAGRAM_SIZE)
    offered = agent.open(OFFER)
    agent.send_datagram(offered, b"hello")
    pair.pump()
    hub.accept(pair.hub.streams[offered.id], {"peer": ["10.0.0.2", 1]})
    hub.send_datagram(pair.hub.streams[offered.id], b"world")
    pair.pump()
    hub.end(asked)
    agent.reset(offered, "idle", "no datagram for 30 s")
    pair.pump()
    assert pair.agent.datagrams == {1: [b"before the answer", b""], 2: [b"world"]}
    assert pair.hub.datagrams == {1: [b"a" * MAX_DATAGRAM_SIZE], 2: [b"hello"]}
    assert pair.hub.log[-1] == ("reset", 2, "idle", "no datagram for 30 s")
    assert pair.agent.log[-1] == ("ended", 1)
    agent.end(theirs)
    pair.pump()
    assert not hub.streams and not agent.streams
    assert pair.hub.violation is None and pair.agent.violation is None


def test_a_split_at_every_single_place_changes_nothing() -> None:
    pair = Pair()
    agent = pair.agent.connection
    stream = agent.open(OFFER)
    for data in (b"one", b"", b"three"):
        agent.send_datagram(stream, data)
    agent.end(stream)
    data = output(agent)
    for at in range(len(data) + 1):
        side = Side(HUB)
        side.receive([data[:at], data[at:]])
        assert side.datagrams == {2: [b"one", b"", b"three"]}
        assert side.log[-1] == ("ended", 2) and side.violation is None


def test_there_are_no_windows() -> None:
    kind, _, detail = sent_by_open()
    assert kind == frames.OPEN and b"window" not in detail
    pair = Pair()
    hub, agent = pair.hub.connection, pair.agent.connection
    stream = hub.open(TARGET)
    for _ in range(100):
        hub.send_datagram(stream, b"x" * 60_000)
        pair.pump()
    agent.accept(pair.agent.streams[1], {"peer": ["ns", 53]})
    assert b"window" not in sent(agent)[0][2]
    assert len(pair.agent.datagrams[1]) == 100
    assert stream.room == 0, "bytes have no room on it"
    assert hub._budget.spent == 0


def sent_by_open() -> tuple[int, int, bytes]:
    connection = Connection(HUB)
    connection.open(TARGET)
    return sent(connection)[0]


def test_the_oldest_give_way_in_a_full_queue() -> None:
    connection = Connection(HUB)
    stream = connection.open(TARGET)
    for number in range(MAX_QUEUED_DATAGRAMS + 5):
        connection.send_datagram(stream, b"%d" % number)
    assert [p for k, _, p in sent(connection) if k == frames.DATAGRAM] == [
        b"%d" % number for number in range(5, MAX_QUEUED_DATAGRAMS + 5)
    ]
    for number in range(9):
        connection.send_datagram(stream, bytes([number]) * MAX_DATAGRAM_SIZE)
    held = MAX_QUEUED_DATAGRAM_BYTES // (MAX_DATAGRAM_SIZE + STREAM_HEADER)
    assert [p[0] for _, _, p in sent(connection)] == list(range(9 - held, 9))


def test_what_is_no_datagram_is_dropped() -> None:
    connection = Connection(HUB)
    stream = connection.open(TARGET)
    connection.send_datagram(stream, b"x" * (MAX_DATAGRAM_SIZE + 1))
    connection.end(stream)
    connection.send_datagram(stream, b"after the end")
    assert [kind for kind, _, _ in sent(connection)] == [frames.OPEN, frames.EOF]


def test_all_streams_of_a_link_together_are_bounded() -> None:
    connection = Connection(HUB)
    streams = [connection.open(TARGET) for _ in range(40)]
    for stream in streams:
        for _ in range(4):
            connection.send_datagram(stream, b"x" * 60_000)
    outbox = connection.outbox
    assert outbox._datagram_size == sum(s.waiting for s in streams) <= MAX_LINK_DATAGRAM_BYTES
    full = [stream for stream in streams if stream.waiting]
    assert len(full) < 40
    # What ends makes room.
    for stream in full[:20]:
        connection.reset(stream, "killed", "")
    assert outbox._datagram_size == sum(s.waiting for s in streams)
    connection.send_datagram(streams[-1], b"y" * 60_000)
    assert streams[-1].waiting
    output(connection)
    assert outbox._datagram_size == 0 and not any(s.waiting for s in streams)


def test_control_goes_first_and_eof_last() -> None:
    connection = Connection(HUB)
    stream = connection.open(TARGET)
    connection.send_datagram(stream, b"1")
    other = connection.open(TARGET)
    connection.send_datagram(stream, b"2")
    connection.end(stream)
    assert [(kind, number) for kind, number, _ in sent(connection)] == [
        (frames.OPEN, stream.id),
        (frames.OPEN, other.id),
        (frames.DATAGRAM, stream.id),
        (frames.DATAGRAM, stream.id),
        (frames.EOF, stream.id),
    ]


def test_a_flood_of_datagrams_takes_turns_with_bytes() -> None:
    connection = Connection(HUB)
    flood, bulk = connection.open(TARGET), connection.open({"target": ["a", 1]})
    bulk.sending.available = MAX_WINDOW
    output(connection)
    connection.send(bulk, bytes(4 * QUANTUM))
    for _ in range(4):
        connection.send_datagram(flood, bytes(60_000))
    order = [number for _, number, _ in sent(connection)]
    # Two datagrams are the first whole number that uses a turn up; the excess is paid back.
    assert order == [bulk.id, flood.id, flood.id, bulk.id, flood.id, bulk.id, flood.id, bulk.id]


def test_those_that_cross_a_reset_are_ignored() -> None:
    pair = Pair()
    stream = pair.hub.connection.open(TARGET)
    pair.pump()
    theirs = pair.agent.streams[1]
    pair.agent.connection.accept(theirs, {"peer": ["ns", 53]})
    pair.agent.connection.send_datagram(theirs, b"on its way")
    pair.hub.connection.reset(stream, "killed", "")
    pair.pump()
    assert pair.hub.violation is None and pair.agent.violation is None
    assert pair.hub.datagrams == {}


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.booleans(), st.booleans()),
        st.tuples(st.just("send"), st.integers(0, 7), st.binary(max_size=70)),
        st.tuples(st.just("big"), st.integers(0, 7), st.integers(0, MAX_DATAGRAM_SIZE)),
        st.tuples(st.just("end"), st.integers(0, 7), st.none()),
        st.tuples(st.just("reset"), st.integers(0, 7), st.none()),
        st.tuples(st.just("pump"), st.none(), st.none()),
    ),
    max_size=60,
)


@given(ACTIONS, st.sampled_from([whole, every_byte]))
def test_whatever_both_sides_do(actions: list[tuple[str, object, object]], split: Split) -> None:
    """Nobody breaks the protocol, and each stream gets a part of what it was sent, in order."""
    pair = Pair(split)
    asked: dict[tuple[str, int], list[bytes]] = {}
    for name, one, other in actions:
        if name == "pump":
            pair.pump()
            _accept_all(pair)
        elif name == "open":
            side = pair.hub if one else pair.agent
            stream = side.connection.open(TARGET if other else {"target": ["a", 1]})
            side.streams[stream.id] = stream
        else:
            assert isinstance(one, int)
            for side in (pair.hub, pair.agent):
                every = list(side.connection.streams.values())
                if one < len(every):
                    _act(side, name, every[one], other, asked)
    _accept_all(pair)
    pair.pump()
    assert pair.hub.violation is None and pair.agent.violation is None
    for receiver, sender in ((pair.hub, "agent"), (pair.agent, "hub")):
        assert receiver.connection.outbox._datagram_size == 0
        for number, got in receiver.datagrams.items():
            rest = iter(asked[sender, number])
            assert all(datagram in rest for datagram in got), "out of order, or never sent"


def _accept_all(pair: Pair) -> None:
    for side in (pair.hub, pair.agent):
        for stream in list(side.connection.streams.values()):
            if stream.state in (states.OFFERED, states.OFFERED_GOT_EOF):
                side.connection.accept(stream, {"peer": ["a", 1]})


def _act(
    side: Side,
    name: str,
    stream: Stream,
    what: object,
    asked: dict[tuple[str, int], list[bytes]],
) -> None:
    connection = side.connection
    if name == "end":
        connection.end(stream)
    elif name == "reset":
        connection.reset(stream, "killed", "")
    elif stream.datagrams is not None:
        data = what if isinstance(what, bytes) else b"%d" % side.connection.outbox._datagram_size
        if isinstance(what, int):
            data = data.ljust(what, b".")[:MAX_DATAGRAM_SIZE]
        asked.setdefault((connection.role, stream.id), []).append(data)
        connection.send_datagram(stream, data)
