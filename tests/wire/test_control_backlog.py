"""Control frames that wait: what the peer causes is held against it, what others cause is not."""

from __future__ import annotations

import pytest

from norouter_core.wire import frames, messages
from norouter_core.wire.codes import NOT_READING
from norouter_core.wire.connection import reset_detail
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import MAX_CONTROL_BACKLOG, MAX_CONTROL_SHARE
from norouter_core.wire.outbox import Outbox
from tests.wire.pair import Side, frame, output
from tests.wire.test_violations import OPEN


def pile_up(outbox: Outbox, source: object, size: int) -> None:
    """Queue control frames while a frame that `source` sent is being handled."""
    outbox.cause.source = source
    for _ in range(0, size, 1024):
        outbox.put_control(b"x" * 1024)


def test_control_frames_that_the_peer_causes_and_does_not_read_are_bounded() -> None:
    outbox = Side("hub").connection.outbox
    pile_up(outbox, outbox.source, MAX_CONTROL_BACKLOG)
    outbox.check_backlog()
    pile_up(outbox, outbox.source, 2048)
    with pytest.raises(RemoteProtocolError, match="backlog: 4196352"):
        outbox.check_backlog()


@pytest.mark.parametrize("by_a_link", [True, False])
def test_control_frames_that_others_cause_are_no_violation(by_a_link: bool) -> None:
    outbox = Side("hub").connection.outbox
    pile_up(outbox, Outbox().source if by_a_link else None, 2 * MAX_CONTROL_BACKLOG)
    outbox.check_backlog()


def test_a_link_that_causes_much_control_opens_no_more_streams_and_others_do() -> None:
    outbox, rogue, honest = (Outbox() for _ in range(3))
    pile_up(outbox, rogue.source, MAX_CONTROL_SHARE)
    assert not outbox.crowded
    pile_up(outbox, rogue.source, 2048)
    assert outbox.crowded
    for source in (honest.source, outbox.source, None):
        outbox.cause.source = source
        assert not outbox.crowded and not outbox.full
    outbox.fill([])
    outbox.cause.source = rogue.source
    assert not outbox.crowded, "what is on its way counts for ever"


def test_a_peer_that_is_far_behind_opens_no_streams_and_is_opened_none() -> None:
    side = Side("hub")
    outbox = side.connection.outbox
    pile_up(outbox, Outbox().source, MAX_CONTROL_BACKLOG + 1)
    outbox.cause.source = outbox.source
    assert outbox.full and outbox.crowded
    side.receive([frame(frames.OPEN, 2, OPEN)])
    assert side.log == [("refused", NOT_READING)] and not side.connection.streams
    refusal = messages.encode(reset_detail("too-many", NOT_READING))
    assert output(side.connection).endswith(frame(frames.RESET, 2, refusal))
    side.receive([frame(frames.OPEN, 4, OPEN)])
    assert side.log[1:] == [("opened", 4, True)]
