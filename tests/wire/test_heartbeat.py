"""A link ends when its peer is silent, not when this process stood still (SPEC.md section 7)."""

from __future__ import annotations

import pytest

from norouter_core.wire.heartbeat import AGENT_TIMEOUT, HUB_TIMEOUT, Heartbeat

INTERVAL = 2.0
START = 1000.0


class Clock:
    """A heartbeat and the time at which it is checked next."""

    def __init__(self, timeout: int) -> None:
        self.now = START
        self.heartbeat = Heartbeat(INTERVAL, self.now, timeout)
        self.due = self.now

    def check(self, late: float = 0.0) -> bool:
        """Check when due, or later; return whether the link is dead."""
        self.now = self.due + late
        dead = self.heartbeat.check_silence(self.now)
        self.due = self.now + self.heartbeat.next_due(self.now)
        return dead


@pytest.fixture(params=[HUB_TIMEOUT, AGENT_TIMEOUT], ids=["hub", "agent"])
def timeout(request: pytest.FixtureRequest) -> int:
    value: int = request.param
    return value


def test_silence_ends_a_link_that_is_checked_in_time(timeout: int) -> None:
    clock = Clock(timeout)
    while not clock.check():
        assert clock.now - START < 10 * INTERVAL
    assert timeout * INTERVAL < clock.now - START < timeout * INTERVAL + 0.1


@pytest.mark.parametrize("pause", [5.5, 9.0, 3600.0])
def test_a_process_that_stood_still_forgives_its_peer(timeout: int, pause: float) -> None:
    clock = Clock(timeout)
    assert not clock.check()
    assert not clock.check(late=pause)
    resumed = clock.now
    # It still notices a peer that died meanwhile.
    while not clock.check():
        assert clock.now - resumed < 10 * INTERVAL
    assert timeout * INTERVAL < clock.now - resumed < timeout * INTERVAL + 0.1


def test_it_forgives_once_until_the_peer_is_heard(timeout: int) -> None:
    clock = Clock(timeout)
    assert not clock.check(late=100)
    assert clock.check(late=100)
    clock = Clock(timeout)
    assert not clock.check(late=100)
    clock.heartbeat.heard(clock.now)
    assert not clock.check(late=100)


def test_a_check_that_is_a_little_late_forgives_nothing() -> None:
    clock = Clock(HUB_TIMEOUT)
    for _ in range(HUB_TIMEOUT):
        assert not clock.check()
    assert clock.check(late=0.9 * INTERVAL)


def test_the_round_trip_does_not_count_standing_still() -> None:
    clock = Clock(HUB_TIMEOUT)
    clock.check()
    heartbeat = clock.heartbeat
    number = heartbeat.ping(clock.now)
    heartbeat.pong(number, clock.due + 9)
    assert heartbeat.round_trip is None
    heartbeat.pong(number, clock.due)
    assert heartbeat.round_trip == pytest.approx(INTERVAL)
