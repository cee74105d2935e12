"""The engine's status, as frozen snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from norouter_core.exec_commands.problem import HostProblem
from norouter_core.exec_commands.templates import format_share


class HostState(StrEnum):
    """Where a host's supervisor stands. `norouter_core.engine.status` holds the transitions."""

    STARTING = "starting"
    """The exec command has been started and has not answered yet."""
    BOOTSTRAPPING = "bootstrapping"
    """The host has answered; the agent is being sent, or its hello is due."""
    READY = "ready"
    LOST = "lost"
    """The link has failed; its streams have been reset."""
    BACKING_OFF = "backing off"
    """Waiting to start again; see `HostStatus.retry_in`."""
    FAILED = "failed"
    """It ended for a reason that a retry does not change; see `HostStatus.problem`."""
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
    """The state of a listener on one host."""

    PENDING = "pending"
    BOUND = "bound"
    SHARED = "shared"
    """Another host of this mesh in the same network namespace serves it."""
    SERVED = "served"
    """The published service itself answers at the address, on the host that publishes it."""
    FAILED = "failed"
    """The address cannot be bound; retried while the spec has it."""


SERVED = frozenset((ListenerState.BOUND, ListenerState.SHARED, ListenerState.SERVED))
"""The states in which clients are served."""


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
    """The exec command in shell syntax; empty for this machine."""
    state: HostState
    since: float
    """When this state was entered, in seconds since the epoch."""
    attempt: int
    """The number of starts since the host was last ready."""
    retry_in: float | None
    """Seconds until the next start, when backing off."""
    round_trip: float | None
    """The smoothed round trip of the link in seconds; None until measured, and for this machine."""
    problem: HostProblem | None
    """The last failure; kept while backing off, cleared when ready."""
    agent: str
    """A description of the agent, e.g. `Python 3.11.2, Linux x86_64`; empty until ready."""
    bytes_in: int
    """Payload bytes received from this host's ends of streams, since the engine started."""
    bytes_out: int
    """Payload bytes sent to this host's ends of streams."""
    streams: int
    """The number of open streams with an end on this host."""
    agent_received: int = 0
    """How many bytes of the agent that is being sent the host has received."""
    agent_size: int = 0
    """The size of that agent; 0 if none is being sent."""
    agent_copied: bool = False
    """Whether the last start had the container's engine copy the agent, as there is no shell."""

    @property
    def sending(self) -> str:
        """What a host that is bootstrapping does, with figures once they are known; else empty."""
        if self.state is not HostState.BOOTSTRAPPING:
            return ""
        share = format_share(self.agent_received, self.agent_size)
        return f"sending the agent: {share}" if self.agent_size else "sending the agent"


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """One listener on one host.

    `listen` and `bound` are `IP:PORT`; they differ if the VIP could not be bound and the agent fell
    back to 127.0.0.1.
    """

    on_host: str
    to_host: str
    listen: str
    target: str
    state: ListenerState
    bound: str
    note: str
    """Why it failed, which host serves it, or a hint; may be empty."""
    service: str = "port"
    """What serves its clients: `port`, `http`, `socks`, `dns` or `transparent`."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream. Bytes are payload; `sent` flows from the client to the target."""

    id: int
    from_host: str
    peer: str
    """The client's `IP:PORT` on `from_host`."""
    to_host: str
    target: str
    """The `HOST:PORT` that `to_host` dials."""
    listener: str
    """The `IP:PORT` to which its client connected."""
    state: StreamState
    opened: float
    """Seconds since the epoch."""
    bytes_sent: int
    bytes_received: int
    direct: bool
    """Whether the host joins both sockets itself, so that no byte crosses the hub."""
    reason: str
    """Why it was closed; `closed` after an orderly end; empty while it is open."""
    service: str = "port"
    """What serves its client: `port`, `http`, `socks`, `dns` or `transparent`."""


@dataclass(frozen=True, slots=True)
class Status:
    hosts: tuple[HostStatus, ...]
    listeners: tuple[ListenerStatus, ...]
    streams: tuple[StreamStatus, ...]
    """Open streams, oldest first."""
    opened_total: int
    bytes_total: int
