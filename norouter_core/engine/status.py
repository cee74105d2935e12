"""What the engine shows of itself: frozen snapshots, safe to keep and to pass to any face."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from norouter_core.exec_commands.problem import HostProblem


class HostState(StrEnum):
    """Where a host's supervisor stands. `norouter_core.engine.status` holds the transitions."""

    STARTING = "starting"
    """The exec command has been started; nothing has come back yet."""
    BOOTSTRAPPING = "bootstrapping"
    """A Python answered; the agent is on its way, its hello is awaited."""
    READY = "ready"
    LOST = "lost"
    """The link ended by itself; its streams have been reset."""
    BACKING_OFF = "backing off"
    """Waiting to start again; see `HostStatus.retry_in`."""
    FAILED = "failed"
    """Ended for a reason that trying again does not mend; see `HostStatus.error`."""
    STOPPED = "stopped"


_S = HostState

TRANSITIONS = {
    _S.STOPPED: {_S.STARTING, _S.FAILED},
    _S.STARTING: {_S.BOOTSTRAPPING, _S.READY, _S.BACKING_OFF, _S.FAILED, _S.STOPPED},
    _S.BOOTSTRAPPING: {_S.READY, _S.BACKING_OFF, _S.FAILED, _S.STOPPED},
    _S.READY: {_S.LOST, _S.FAILED, _S.STOPPED},
    _S.LOST: {_S.BACKING_OFF, _S.FAILED, _S.STOPPED},
    _S.BACKING_OFF: {_S.STARTING, _S.FAILED, _S.STOPPED},
    _S.FAILED: {_S.STARTING, _S.STOPPED},
}
"""The states that may follow each state of a host."""


def check_transition(old: HostState, new: HostState) -> HostState:
    """Return `new`.

    Raises:
        ValueError: it cannot follow `old`.
    """
    if new not in TRANSITIONS[old]:
        raise ValueError(f"a host that is {old} cannot become {new}")
    return new


class ListenerState(StrEnum):
    """How a published port stands on one host."""

    PENDING = "pending"
    BOUND = "bound"
    SHARED = "shared"
    """Another host of this mesh in the same network namespace serves it."""
    FAILED = "failed"
    """The address could not be bound; tried again while the spec asks for it."""


class StreamState(StrEnum):
    OPENING = "opening"
    OPEN = "open"
    HALF_CLOSED = "half-closed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class HostStatus:
    name: str
    vip: str
    command: str
    """The exec command as a shell would read it; empty for this machine."""
    state: HostState
    since: float
    """When this state was entered, in seconds since the epoch."""
    attempt: int
    """How many starts were made since the host was last ready; 1 is the first."""
    retry_in: float | None
    """Seconds until the next start, when backing off."""
    round_trip: float | None
    """Smoothed round trip of the link in seconds; None until measured, and for this machine."""
    problem: HostProblem | None
    """The last failure; kept while backing off, cleared when ready."""
    agent: str
    """What the agent said of itself, e.g. `Python 3.11.2, Linux x86_64`; empty until ready."""
    bytes_in: int
    """Payload bytes received from this host's ends of streams, since the engine started."""
    bytes_out: int
    """Payload bytes sent to this host's ends of streams."""
    streams: int
    """Streams open now with an end on this host."""


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """One published port on one host. `listen` and `bound` are `IP:PORT`; `bound` differs
    where the VIP could not be bound and the agent fell back to 127.0.0.1."""

    on_host: str
    to_host: str
    listen: str
    target: str
    state: ListenerState
    bound: str
    note: str
    """Why it failed, by whom it is shared, or a hint; empty when all is well."""
    service: str = "port"
    """What its clients meet: `port`, `http`, `socks` or `dns`."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream. Bytes are payload; `sent` flows from the client to the target."""

    id: int
    from_host: str
    peer: str
    """The client's `IP:PORT` on `from_host`."""
    to_host: str
    target: str
    """What `to_host` dials, `HOST:PORT`."""
    listener: str
    """The listening `IP:PORT` by which it came."""
    state: StreamState
    opened: float
    """Seconds since the epoch."""
    bytes_sent: int
    bytes_received: int
    direct: bool
    """True where the host serves its own VIP and the bytes never cross the hub."""
    reason: str
    """Why it was closed; `closed` for an orderly end; empty while it runs."""
    service: str = "port"
    """What its client met: `port`, `http`, `socks` or `dns`."""


@dataclass(frozen=True, slots=True)
class Status:
    hosts: tuple[HostStatus, ...]
    listeners: tuple[ListenerStatus, ...]
    streams: tuple[StreamStatus, ...]
    """Open streams, oldest first."""
    opened_total: int
    bytes_total: int
