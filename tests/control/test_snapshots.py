"""Snapshots through a control socket: what has changed, and in lines of bounded length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.control.codec import MAX_ANSWER, DecodeError, decode, encode
from norouter_core.control.snapshots import SnapshotDecoder, SnapshotEncoder
from norouter_core.engine.status import ListenerState, Status, StreamStatus
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.client import DocumentState, Rate, Snapshot
from tests.output.statuses import host, listener, stream


def snapshot(listeners: list[Any], streams: list[Any], spec: MeshSpec | None = None) -> Snapshot:
    status = Status((host(),), tuple(listeners), tuple(streams), 7, 8)
    spec = spec or MeshSpec((HostSpec("web", "127.0.42.101"),))
    return Snapshot(
        at=1.0,
        status=status,
        spec=spec,
        document=DocumentState(),
        traffic=(3, 4),
        hosts={},
        streams={},
        total=Rate(),
    )


class Line:
    """An encoder, the lines that it makes, and a decoder behind them."""

    def __init__(self) -> None:
        self.encoder = SnapshotEncoder()
        self.decoder = SnapshotDecoder()
        self.longest = 0
        self.sent = 0

    def carry(self, sent: Snapshot) -> Snapshot:
        keys = []
        for key, value in self.encoder.encode(sent):
            line = encode({"id": 1, key: value})
            self.longest, self.sent = max(self.longest, len(line)), self.sent + len(line)
            keys.append(key)
            got = decode(line)[key]
            if key == "part":
                self.decoder.take_part(got)
        assert keys == ["part"] * (len(keys) - 1) + ["snapshot"]
        return self.decoder.decode(got)


def listeners_at(numbers: list[int], bound: str = "") -> list[Any]:
    return [replace(listener(listen=f"127.0.42.1:{n}"), bound=bound) for n in numbers]


def streams_at(numbers: list[int], sent: int = 0) -> list[StreamStatus]:
    return [replace(stream(), id=n, bytes_sent=sent) for n in sorted(numbers)]


numbers = st.lists(st.integers(1, 12), unique=True, max_size=8)


@given(
    st.lists(st.tuples(numbers, st.sampled_from(["", "x"]), numbers, st.integers(0, 2)), max_size=6)
)
def test_every_sequence_of_snapshots(steps: list[tuple[list[int], str, list[int], int]]) -> None:
    line = Line()
    for ports, bound, ids, sent in steps:
        made = snapshot(listeners_at(ports, bound), streams_at(ids, sent))
        assert line.carry(made).status == made.status


def test_what_stays_is_not_sent_again() -> None:
    line = Line()
    known = listeners_at(list(range(1, 1000)))
    line.carry(snapshot(known, []))
    before = line.sent
    known[500] = replace(known[500], state=ListenerState.FAILED)
    shown = line.carry(snapshot(known, []))
    assert shown.status.listeners == tuple(known)
    assert line.sent - before < 2000


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_mesh_of_any_size_fits() -> None:
    line = Line()
    known = [
        replace(x, note="n" * 300, on_host=f"h{n}")
        for n in range(20)
        for x in listeners_at(list(range(1, 1750)))
    ]
    assert line.carry(snapshot(known, streams_at(list(range(9000))))).status.listeners == tuple(
        known
    )
    assert line.sent > MAX_ANSWER, "the test has to have more than one line holds"
    assert line.longest < MAX_ANSWER / 4


@pytest.mark.parametrize("value", [None, 5, {}, {"at": 1}, {"listeners": {"set": [1]}}])
def test_what_is_no_snapshot(value: object) -> None:
    with pytest.raises(DecodeError):
        SnapshotDecoder().decode(value)


@pytest.mark.parametrize(
    "value", [None, 5, {"listeners": 5}, {"listeners": {"set": [1]}}, {"streams": {"gone": ["x"]}}]
)
def test_what_is_no_part(value: object) -> None:
    with pytest.raises(DecodeError):
        SnapshotDecoder().take_part(value)
