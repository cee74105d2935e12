"""The table of stream states is whole and says what SPEC.md section 4 says."""

from __future__ import annotations

import pytest

from norouter_core.wire import frames, states
from norouter_core.wire.errors import RemoteProtocolError

KINDS = [frames.OPENED, frames.DATA, frames.CREDIT, frames.EOF, frames.RESET, frames.DATAGRAM]


@pytest.mark.parametrize("state", states.STATES)
@pytest.mark.parametrize("direction", [states.SENT, states.GOT])
@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_leads_to_a_state_or_is_forbidden(state: str, direction: str, kind: int) -> None:
    try:
        new = states.next_state(state, direction, kind)
    except RemoteProtocolError as violation:
        assert violation.code == "stream"
        assert state in violation.reason and frames.NAMES[kind] in violation.reason
    else:
        assert new in states.STATES
        assert state != states.CLOSED


@pytest.mark.parametrize("state", [s for s in states.STATES if s != states.CLOSED])
def test_every_open_state_can_be_reset_and_can_reach_its_end(state: str) -> None:
    assert states.next_state(state, states.GOT, frames.RESET) == states.CLOSED
    assert states.next_state(state, states.SENT, frames.RESET) == states.CLOSED
    seen, todo = set(), [state]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        for direction in (states.SENT, states.GOT):
            for kind in (frames.OPENED, frames.EOF):
                try:
                    todo.append(states.next_state(here, direction, kind))
                except RemoteProtocolError:
                    continue
    assert states.CLOSED in seen, "no orderly way to the end"


def test_nobody_sends_data_after_its_eof() -> None:
    after_eof = states.next_state(states.OPEN, states.SENT, frames.EOF)
    assert not states.may_send(after_eof, frames.DATA)
    assert states.may_send(states.next_state(states.OPEN, states.GOT, frames.EOF), frames.DATA)
