"""Windows keep their promises whatever comes: no more than the budget, never a dead stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import (
    EARLY_WINDOW,
    LINK_BUDGET,
    MAX_WINDOW,
    START_WINDOW,
)
from norouter_core.wire.windows import Budget, ReceiveWindow, SendWindow


def run_full_speed(window: ReceiveWindow, seconds: float, rate: float, rtt: float) -> None:
    """A sender that uses all it is given, at most `rate` bytes a second."""
    now, step = 100.0, rtt / 4
    for _ in range(int(seconds / step)):
        now += step
        size = min(window.available, int(rate * step))
        if size:
            window.on_data(size)
            window.consumed(size, now, rtt)


def test_a_window_starts_at_256_kib_and_grows_to_what_the_path_takes() -> None:
    budget = Budget()
    window = ReceiveWindow(budget, EARLY_WINDOW)
    assert window.grant() == START_WINDOW
    run_full_speed(window, 10, rate=50e6, rtt=0.1)
    assert 50e6 * 0.1 <= window.size <= 4 * 50e6 * 0.1
    assert budget.spent == window.size


def test_a_slow_stream_keeps_a_small_window() -> None:
    window = ReceiveWindow(Budget(), START_WINDOW)
    run_full_speed(window, 20, rate=100e3, rtt=0.1)
    assert window.size == START_WINDOW


def test_a_window_never_exceeds_its_maximum() -> None:
    window = ReceiveWindow(Budget(), START_WINDOW)
    run_full_speed(window, 20, rate=10e9, rtt=0.5)
    assert window.size == MAX_WINDOW


def test_256_streams_start_well_below_the_budget() -> None:
    budget = Budget()
    windows = [ReceiveWindow(budget, budget.first_window()) for _ in range(256)]
    assert windows[0].size == START_WINDOW
    assert budget.spent < 0.9 * LINK_BUDGET
    windows += [ReceiveWindow(budget, budget.first_window()) for _ in range(10_000)]
    assert windows[-1].size == EARLY_WINDOW


def test_the_greedy_give_back_when_the_budget_is_spent() -> None:
    budget = Budget(total=8 * START_WINDOW)
    greedy = ReceiveWindow(budget, START_WINDOW)
    run_full_speed(greedy, 5, rate=1e9, rtt=0.1)
    assert greedy.size > 6 * START_WINDOW
    others = [ReceiveWindow(budget, EARLY_WINDOW) for _ in range(15)]
    run_full_speed(greedy, 5, rate=1e9, rtt=0.1)
    assert greedy.size <= budget.total // len(others) * 15
    assert not budget.tight


def test_closing_gives_the_budget_back() -> None:
    budget = Budget()
    window = ReceiveWindow(budget, budget.first_window())
    run_full_speed(window, 5, rate=1e8, rtt=0.1)
    window.close()
    assert (budget.spent, budget.streams) == (0, 0)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, MAX_WINDOW), st.floats(0, 3)), max_size=60),
    st.floats(0, 2),
)
def test_credit_adds_up(steps: list[tuple[bool, int, float]], rtt: float) -> None:
    """What the peer may send, what is held and what is owed are the window, at every step."""
    budget = Budget()
    window, sender = ReceiveWindow(budget, START_WINDOW), SendWindow(START_WINDOW)
    held, now = 0, 0.0
    for receives, size, passed in steps:
        now += passed
        if receives:
            size = min(size, sender.available)
            sender.available -= size
            window.on_data(size)
            held += size
        else:
            size = min(size, held)
            held -= size
            credit = window.consumed(size, now, rtt)
            if credit:
                sender.on_credit(credit)
        assert window.available == sender.available
        assert 0 <= window.available + held <= window.size <= MAX_WINDOW
        assert budget.spent == window.size
    if not held and steps:
        # With nothing held the sender must be able to go on, or it would wait for ever.
        assert sender.available > 0


def test_a_sender_beyond_its_window_is_a_violation() -> None:
    window = ReceiveWindow(Budget(), EARLY_WINDOW)
    window.on_data(EARLY_WINDOW)
    with pytest.raises(RemoteProtocolError, match="window"):
        window.on_data(1)
