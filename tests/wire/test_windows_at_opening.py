"""Whatever happens before OPENED, both ends agree afterwards on what may be sent (section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from norouter_core.wire import frames
from norouter_core.wire.connection import AGENT, HUB
from norouter_core.wire.limits import EARLY_WINDOW, LINK_BUDGET, MAX_WINDOW, START_WINDOW
from norouter_core.wire.stream import Stream
from tests.wire.pair import Side, frame, output

OPENINGS: dict[str, dict[str, Any]] = {
    HUB: {"target": ["a", 1]},
    AGENT: {"listener": 1, "peer": ["a", 1]},
}

SEND, CONSUME, FORTH, BACK = "send", "consume", "forth", "back"
Step = tuple[str, int]


class Opening:
    """A stream that one side has opened and the other has been offered; bytes travel on request.

    Its first step is the OPEN's arrival.
    """

    def __init__(self, role: str, budget: int = LINK_BUDGET) -> None:
        self.opener = Side(role, consume=False)
        self.acceptor = Side(AGENT if role == HUB else HUB, consume=False)
        for side in (self.opener, self.acceptor):
            side.connection.round_trip = 0.05
            side.connection._budget.total = budget
        self.near: Stream = self.opener.connection.open(OPENINGS[role])
        self.now = 0.0
        self._consumed = 0
        self.forth()
        self.far: Stream = self.acceptor.streams[self.near.id]

    def forth(self) -> None:
        self.acceptor.receive([output(self.opener.connection)])

    def back(self) -> None:
        self.opener.receive([output(self.acceptor.connection)])

    @property
    def held(self) -> int:
        return len(self.acceptor.data.get(self.near.id, b"")) - self._consumed

    def do(self, step: Step) -> None:
        what, size = step
        if what == SEND:
            self.opener.connection.send(self.near, bytes(min(size, self.near.room)))
        elif what == CONSUME:
            self.consume(min(size, self.held))
        elif what == FORTH:
            self.forth()
        else:
            self.back()
        self.now += 0.001

    def consume(self, size: int) -> None:
        self._consumed += size
        self.acceptor.connection.consumed(self.far, size, self.now)

    def accept(self) -> None:
        self.acceptor.connection.accept(self.far, {"peer": ["a", 1]})

    def settle(self) -> None:
        """Delivers all that is on its way."""
        for _ in range(3):
            self.forth()
            self.back()

    def check(self) -> None:
        assert (self.opener.violation, self.acceptor.violation) == (None, None)
        assert self.near.sending.available == self.far.receiving.available
        assert self.far.sending.available == self.near.receiving.available
        held = self.far.receiving.available + self.held
        assert held <= self.far.receiving.size <= MAX_WINDOW

    def use_it_all(self) -> None:
        """The opener sends to the last byte that it thinks it may, and is given more for it."""
        self.opener.connection.send(self.near, bytes(self.near.room))
        self.settle()
        self.check()
        assert self.near.room == 0
        self.consume(self.held)
        self.settle()
        self.check()
        assert self.near.room > 0


_STEPS = st.lists(
    st.tuples(st.sampled_from([SEND, CONSUME, FORTH, BACK]), st.integers(1, 2 * START_WINDOW)),
    max_size=25,
)
_GROWTH: list[Step] = [(SEND, MAX_WINDOW), (FORTH, 0), (CONSUME, MAX_WINDOW), (BACK, 0)] * 10


@pytest.mark.parametrize("role", [HUB, AGENT])
@given(steps=_STEPS, budget=st.sampled_from([EARLY_WINDOW, 8 * START_WINDOW, LINK_BUDGET]))
@example(steps=[(SEND, 3000), (FORTH, 0), (CONSUME, 3000)], budget=LINK_BUDGET)
@example(steps=_GROWTH, budget=LINK_BUDGET)
@example(steps=_GROWTH[:-1], budget=LINK_BUDGET)
def test_both_ends_agree_after_the_opening(role: str, steps: Iterable[Step], budget: int) -> None:
    opening = Opening(role, budget)
    for step in steps:
        opening.do(step)
    opening.accept()
    opening.settle()
    opening.check()
    opening.use_it_all()


def test_bytes_that_went_on_before_the_answer_are_credited_with_it() -> None:
    opening = Opening(AGENT)
    opening.do((SEND, 3000))
    opening.forth()
    opening.consume(3000)
    opening.accept()
    opening.settle()
    assert opening.near.sending.available == START_WINDOW


def test_a_window_that_grew_before_the_answer_stays() -> None:
    """An acceptor's own target may have given credit long before it answers."""
    opening = Opening(AGENT)
    for step in _GROWTH:
        opening.do(step)
    size = opening.far.receiving.size
    assert size > START_WINDOW
    opening.accept()
    opening.settle()
    assert opening.far.receiving.size >= size
    opening.use_it_all()


def test_credit_that_comes_before_opened_counts() -> None:
    """A peer may give CREDIT first: it adds to the early window, and OPENED adds to both."""
    side = Side(HUB)
    stream = side.connection.open(OPENINGS[HUB])
    side.receive([frames.credit_frame(stream.id, 1_000_000)])
    assert stream.sending.available == EARLY_WINDOW + 1_000_000
    opened = b'{"peer":["a",1],"window":%d}' % START_WINDOW
    side.receive([frame(frames.OPENED, stream.id, opened)])
    assert side.violation is None
    assert stream.sending.available == START_WINDOW + 1_000_000
