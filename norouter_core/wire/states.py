"""The states of a stream at one end, in one table (SPEC.md section 4)."""

from __future__ import annotations

from norouter_core.wire import frames
from norouter_core.wire.errors import Violation

OPENING = "opening"
"""We sent OPEN; the answer is awaited."""
OPENING_SENT_EOF = "opening, sent EOF"
OFFERED = "offered"
"""They sent OPEN; our answer is due."""
OFFERED_GOT_EOF = "offered, got EOF"
OPEN = "open"
HALF_CLOSED_LOCAL = "half-closed-local"
"""We sent EOF."""
HALF_CLOSED_REMOTE = "half-closed-remote"
"""They sent EOF."""
CLOSED = "closed"

SENT, GOT = "sent", "got"

# What is not in the table is forbidden: a mistake of ours when sent, a violation when received.
_TRANSITIONS: dict[str, dict[tuple[str, int], str]] = {
    OPENING: {
        (SENT, frames.DATA): OPENING,
        (SENT, frames.EOF): OPENING_SENT_EOF,
        (GOT, frames.OPENED): OPEN,
    },
    OPENING_SENT_EOF: {
        (GOT, frames.OPENED): HALF_CLOSED_LOCAL,
    },
    OFFERED: {
        (SENT, frames.OPENED): OPEN,
        (GOT, frames.DATA): OFFERED,
        (GOT, frames.EOF): OFFERED_GOT_EOF,
    },
    OFFERED_GOT_EOF: {
        (SENT, frames.OPENED): HALF_CLOSED_REMOTE,
    },
    OPEN: {
        (SENT, frames.DATA): OPEN,
        (GOT, frames.DATA): OPEN,
        (SENT, frames.EOF): HALF_CLOSED_LOCAL,
        (GOT, frames.EOF): HALF_CLOSED_REMOTE,
    },
    HALF_CLOSED_LOCAL: {
        (GOT, frames.DATA): HALF_CLOSED_LOCAL,
        (GOT, frames.EOF): CLOSED,
    },
    HALF_CLOSED_REMOTE: {
        (SENT, frames.DATA): HALF_CLOSED_REMOTE,
        (SENT, frames.EOF): CLOSED,
    },
    CLOSED: {},
}

# Where data may be, so may datagrams: which of the two is the stream's kind.
for _row in _TRANSITIONS.values():
    for (_direction, _kind), _state in list(_row.items()):
        if _kind == frames.DATA:
            _row[_direction, frames.DATAGRAM] = _state

# These two are the same in every state but the last: credit moves nothing, a reset ends it.
for _state, _row in _TRANSITIONS.items():
    if _state != CLOSED:
        for _direction in (SENT, GOT):
            _row[_direction, frames.CREDIT] = _state
            _row[_direction, frames.RESET] = CLOSED

STATES = tuple(_TRANSITIONS)


def after(state: str, direction: str, kind: int) -> str:
    """The state after a frame of type `kind` was `SENT` or `GOT`.

    Raises:
        Violation: code `stream`; for `SENT` it is the caller's own mistake.
    """
    try:
        return _TRANSITIONS[state][direction, kind]
    except KeyError:
        name = frames.NAMES.get(kind, hex(kind))
        raise Violation("stream", f"{direction} {name} on a stream that is {state}") from None


def may_send(state: str, kind: int) -> bool:
    """Whether a frame of type `kind` may be sent in `state`."""
    return (SENT, kind) in _TRANSITIONS[state]
