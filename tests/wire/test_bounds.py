"""What one side can make another keep, or pass on to a third, is bounded."""

from __future__ import annotations

import json
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.wire import events, frames, messages
from norouter_core.wire.codes import RESET_CODES
from norouter_core.wire.connection import HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import EARLY_WINDOW, MAX_HOST
from norouter_core.wire.stream import Stream
from tests.wire.pair import Pair, Side, frame, output

# -- words that are passed on

WIDE = "\U0001f600"
"""12 bytes as JSON of ASCII, 4 as UTF-8: no text of so many characters becomes longer."""

_WORDS = st.builds(
    lambda text, times: text * times, st.text(max_size=8) | st.just(WIDE), st.integers(0, 1200)
).map(lambda text: text[:1200])
"""Two of them, of control characters even, fit into one frame as JSON."""


def passed_on(code: str, reason: str) -> events.Reset:
    """The RESET of a rogue as a hub relays it to another link; what arrives there."""
    rogue, honest = Side(HUB), Pair()
    dialled = rogue.connection.open({"target": ["a", 1]})
    payload = json.dumps({"code": code, "reason": reason}, ensure_ascii=False)
    data = frame(frames.RESET, dialled.id, payload.encode("utf-8", "replace"))
    (reset,) = rogue.connection.receive(memoryview(data))
    assert isinstance(reset, events.Reset)
    stream = honest.hub.connection.open({"target": ["b", 1]})
    honest.pump()
    honest.hub.connection.reset(stream, reset.code, reset.reason)
    honest.pump()
    assert honest.agent.violation is None, "another host's link was broken"
    _, number, sent_code, why = honest.agent.log[-1]
    assert number == stream.id
    assert (sent_code, why) == (reset.code, reset.reason)
    return reset


@given(_WORDS, _WORDS)
def test_no_words_of_a_reset_break_another_link(code: str, reason: str) -> None:
    reset = passed_on(code, reason)
    assert reset.code in RESET_CODES and len(reset.reason) <= 500


@pytest.mark.parametrize(
    "word",
    ["\u4e16" * 5000, WIDE * 3000, "x" * 16000, "no such code", ""],
    ids=["wide", "wider", "long", "unknown", "empty"],
)
def test_a_code_that_is_none_is_internal(word: str) -> None:
    assert passed_on(word, "").code == "internal"


def test_known_words_stay_as_they_are() -> None:
    reset = passed_on("refused", "Connection refused")
    assert (reset.code, reset.reason) == ("refused", "Connection refused")
    # An honest word of our own that is too long is bounded where it is sent.
    pair = Pair()
    stream = pair.hub.connection.open({"target": ["a", 1]})
    pair.hub.connection.reset(stream, "unreachable", WIDE * 100_000)
    pair.pump()
    assert pair.agent.violation is None
    assert pair.agent.log[-1] == ("reset", stream.id, "unreachable", WIDE * 500)


@pytest.mark.parametrize(
    "host",
    ["\xe9" * 7000, WIDE * (MAX_HOST + 1), "h" * (MAX_HOST + 1)],
    ids=["huge", "wide", "long"],
)
def test_a_peer_with_a_huge_name_is_a_violation(host: str) -> None:
    with pytest.raises(RemoteProtocolError, match="address"):
        messages.address([host, 1])


def test_the_longest_name_fits_into_any_frame() -> None:
    host, port = messages.address([WIDE * MAX_HOST, 65535])
    pair = Pair()
    pair.hub.connection.open({"target": [host, port]})
    pair.pump()
    for stream in pair.agent.streams.values():
        pair.agent.connection.accept(stream, {"peer": [host, port]})
    pair.pump()
    assert (pair.hub.violation, pair.agent.violation) == (None, None)
    assert [entry[0] for entry in pair.hub.log] == ["opened"]


# -- bytes that wait


def weight(stream: Stream) -> int:
    """What the pieces of a backlog take in memory."""
    return sum(map(sys.getsizeof, stream.pending._pieces)) + sys.getsizeof(stream.pending._pieces)


@pytest.mark.parametrize("size", [1, 100, 5000, 20000])
def test_bytes_for_a_stalled_reader_cost_little_more_than_themselves(size: int) -> None:
    rogue, stalled = Connection(HUB), Connection(HUB)
    opening = json.dumps({"listener": 1, "window": EARLY_WINDOW}).encode()
    (offered,) = rogue.receive(memoryview(frame(frames.OPEN, 2, opening)))
    assert isinstance(offered, events.Opened)
    rogue.accept(offered.stream, {"peer": ["a", 1]})
    target = stalled.open({"target": ["b", 1]})
    output(rogue)
    output(stalled)
    total = 40_000 // size * size
    data = memoryview(frame(frames.DATA, 2, b"x" * size) * (total // size))
    tracemalloc.start()
    try:
        for event in rogue.receive(data):
            assert isinstance(event, events.Data)
            stalled.send(target, event.view)
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert target.pending.size == total
    assert weight(target) < 2 * total
    # The decoder keeps a few frames' worth of its own.
    assert grown < 3 * total + 32_768


@given(st.lists(st.tuples(st.sampled_from("pbr"), st.integers(1, 40_000)), max_size=60))
def test_a_backlog_is_a_queue_of_bytes(steps: list[tuple[str, int]]) -> None:
    """Pushed, popped, and put back in part, as a socket that takes less does."""
    backlog = Pair().hub.connection.open({"target": ["a", 1]}).pending
    wanted, got, pushed = bytearray(), bytearray(), 0
    for what, size in steps:
        if what == "p":
            data = bytes((pushed + n) % 251 for n in range(min(size, 300))) * (size // 300 + 1)
            pushed += 1
            backlog.push(memoryview(data))
            wanted += data
        elif backlog.size:
            head = backlog.pop(size)
            assert 0 < len(head) <= size
            keep = len(head) // 2 if what == "r" else len(head)
            got += head[:keep]
            backlog.push_front(head[keep:])
        assert backlog.size == len(wanted) - len(got)
    while backlog.size:
        got += backlog.pop(10_000)
    assert got == wanted


# -- streams


def offer(number: int) -> bytes:
    detail = {"listener": 1, "peer": ["a", 1], "window": EARLY_WINDOW}
    return frame(frames.OPEN, number, json.dumps(detail).encode())


def test_more_streams_than_three_times_the_budget_are_refused() -> None:
    hub = Connection(HUB, budget=64 * EARLY_WINDOW)
    taken: list[events.Event | None] = []
    for number in range(2, 2 * 300 + 2, 2):
        taken += hub.receive(memoryview(offer(number)))
    opened = [event for event in taken if isinstance(event, events.Opened)]
    assert len(opened) == len(hub.streams) == 192
    refused = [event for event in taken if isinstance(event, events.Refused)]
    assert {event.reason for event in refused} == {"192 streams are open on this link"}
    kinds = [
        (kind, number, json.loads(bytes(payload)))
        for kind, number, payload in frames.Decoder().feed(memoryview(output(hub)))
    ]
    assert len(kinds) == len(refused) == 300 - 192
    assert {(kind, detail["code"]) for kind, _, detail in kinds} == {(frames.RESET, "too-many")}
    # All of them together may hold no more than that.
    assert sum(stream.receiving.size for stream in hub.streams.values()) == 192 * EARLY_WINDOW
    (first, *_) = hub.streams.values()
    hub.reset(first, "killed", "")
    (event,) = hub.receive(memoryview(offer(602)))
    assert isinstance(event, events.Opened), "there is room again, and it is not taken"


def test_no_host_takes_all_streams_to_another() -> None:
    hub = Connection(HUB)
    cause = hub.outbox.cause
    target = {"target": ["127.0.0.1", 1]}

    def fill(source: object) -> list[Stream]:
        cause.source = source
        opened = []
        while not hub.refusal():
            opened.append(hub.open(target))
            hub.outbox.fill([])
        return opened

    one = fill("one")
    assert 4_000 < len(one) < 5_000, "SPEC.md has other figures"
    assert hub.refusal().startswith(f"{len(one)} streams to the host are open for these clients")
    # Others get theirs, the local machine too; and so on.
    two, local = fill("two"), fill(None)
    assert len(one) / 2 <= len(two) + 1 and len(two) / 2 <= len(local) + 1
    cause.source = "three"
    assert not hub.refusal()
    # What has ended counts no more.
    for stream in one:
        hub.reset(stream, "killed", "")
    assert len(fill("one")) > 1000
