"""The states of a stream at one end, in one table (SPEC.md section 4)."""

from __future__ import annotations

from norouter_core.wire import frames
from norouter_core.wire.errors import LocalProtocolError, RemoteProtocolError

OPENING = "opening"
"""We sent OPEN and wait for the answer."""
OPENING_SENT_EOF = "opening, sent EOF"
OFFERED = "offered"
"""They sent OPEN and wait for our answer."""
OFFERED_GOT_EOF = "offered, got EOF"
OPEN = "open"
HALF_CLOSED_LOCAL = "half-closed-local"
"""We sent EOF."""
HALF_CLOSED_REMOTE = "half-closed-remote"
"""They sent EOF."""
CLOSED = "closed"

SENT, GOT = "sent", "got"

# Whatever is not in the table is forbidden: to us by `SENT`, to the peer by `GOT`.
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

# DATAGRAM is to a stream of datagrams what DATA is to one of bytes.
for _row in _TRANSITIONS.values():
    for (_direction, _kind), _state in list(_row.items()):
        if _kind == frames.DATA:
            _row[_direction, frames.DATAGRAM] = _state

# In every state but the last, CREDIT changes nothing and RESET ends the stream.
for _state, _row in _TRANSITIONS.items():
    if _state != CLOSED:
        for _direction in (SENT, GOT):
            _row[_direction, frames.CREDIT] = _state
            _row[_direction, frames.RESET] = CLOSED

STATES = tuple(_TRANSITIONS)


def next_state(state: str, direction: str, kind: int) -> str:
    """Return the state after a frame of type `kind` was `SENT` or `GOT`.

    Raises:
        LocalProtocolError: code `stream`: `state` forbids us to send such a frame.
        RemoteProtocolError: code `stream`: it forbids the peer to send one.
    """
    try:
        return _TRANSITIONS[state][direction, kind]
    except KeyError:
        name = frames.NAMES.get(kind, hex(kind))
        error = LocalProtocolError if direction == SENT else RemoteProtocolError
        raise error("stream", f"{direction} {name} on a stream that is {state}") from None


def may_send(state: str, kind: int) -> bool:
    """Return whether a frame of type `kind` may be sent in `state`."""
    return (SENT, kind) in _TRANSITIONS[state]
