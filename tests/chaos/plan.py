"""The plan of a run: which fault strikes when, all of it from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.hosts import BY_NAME, HOSTS, LOCAL, REMOTE, ROUTED, SERVER_PORTS

PACE = 0.8
"""Seconds between two steps, on average."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault or edit.

    Attributes:
        at: seconds after the begin of the faults.
        kind: a key of `_KINDS`, such as `kill-agent` or `edit`.
        host: the host that it strikes; empty for the hub and the mesh as a whole.
        line: the command of an edit.
        seconds: how long it lasts, or how far a clock jumps.
        pick: a fraction that chooses among what is there when it strikes.
    """

    at: float
    kind: str
    host: str = ""
    line: str = ""
    seconds: float = 0.0
    pick: float = 0.0


def plan(seed: int, length: float) -> tuple[Step, ...]:
    """Return the steps of a run of `length` seconds."""
    return tuple(_steps(random.Random(seed), length))


def _steps(rng: random.Random, length: float) -> Iterator[Step]:
    at = rng.expovariate(1 / PACE)
    kinds, weights = zip(*((kind, weight) for kind, (weight, _) in _KINDS.items()), strict=True)
    while at < length:
        kind = rng.choices(kinds, weights)[0]
        hosts, pick = _KINDS[kind][1], rng.random()
        line = edit(rng) if kind in EDITS else ""
        yield Step(round(at, 3), kind, rng.choice(hosts), line, _seconds(rng, kind), pick)
        at += rng.expovariate(1 / PACE)


_NO_HOST = ("",)
_OVER_SSH = tuple(host.name for host in HOSTS if host.way in ("ssh", "link"))
_BY_RELAY = tuple(host.name for host in HOSTS if host.way == "relay")

EDITS = ("edit", "edit-by-ctl", "edit-twice")
_KINDS: dict[str, tuple[float, tuple[str, ...]]] = {
    "edit": (18, _NO_HOST),
    "edit-twice": (3, _NO_HOST),
    "edit-by-ctl": (2, _NO_HOST),
    "kill-agent": (3, REMOTE),
    "stop-agent": (3, REMOTE),
    "kill-client": (3, REMOTE),
    "stop-client": (3, REMOTE),
    "kill-sshd": (2, _OVER_SSH),
    "stop-sshd": (2, _OVER_SSH),
    "cut-relay": (1.5, _BY_RELAY),
    "stall-relay": (1.5, _BY_RELAY),
    "suspend-hub": (0.5, _NO_HOST),
    "kill-stream": (1.5, _NO_HOST),
    "tap-stream": (1, _NO_HOST),
    "break-manifest": (1, _NO_HOST),
    "reload": (1, _NO_HOST),
    "fill-disk": (0.7, _NO_HOST),
    "jump-clock": (0.7, _NO_HOST),
}
"""Each kind of step with its weight, and the hosts that it can strike."""


def _seconds(rng: random.Random, kind: str) -> float:
    match kind.partition("-")[0]:
        case "stop":
            return rng.choice((0.3, 1.0, 3.0, 5.0, 9.0))
        case "suspend":
            return rng.choice((1.0, 4.0, 5.5, 8.0))
        case "fill" | "break":
            return rng.uniform(0.5, 4.0)
        case "jump":
            return rng.choice((-86_400.0, -30.0, 30.0, 7_200.0, 86_400.0 * 365))
    return 0.0


def edit(rng: random.Random) -> str:
    """Return a command that edits the mesh or asks about it, as a person types it."""
    return rng.choice(_EDITS)(rng)


def _remote(rng: random.Random) -> str:
    return rng.choice(REMOTE)


def _set_vip(rng: random.Random) -> str:
    host = BY_NAME[_remote(rng)]
    return f"host set {host.name} --vip {rng.choice(host.vips)}"


def _add_route(rng: random.Random) -> str:
    number = rng.randrange(9)
    return f"route add {rng.choice(ROUTED)} 10.77.{number}.0/24 *.x{number}.test"


def _allow(rng: random.Random) -> str:
    peers = " ".join(f"--allow-from {host.name}" for host in HOSTS)
    return f"port retarget {_remote(rng)} 8001:127.0.0.1:{rng.choice(SERVER_PORTS)} {peers}"


_EDITS: tuple[Callable[[random.Random], str], ...] = (
    lambda rng: f"port add {_remote(rng)} {rng.randrange(8200, 8220)}:{rng.choice(SERVER_PORTS)}",
    lambda rng: f"port add {_remote(rng)} {rng.randrange(8200, 8220)}:{rng.choice(SERVER_PORTS)}",
    lambda rng: f"port rm {_remote(rng)} {rng.randrange(8200, 8220)}",
    lambda rng: f"port add {_remote(rng)} {rng.randrange(8220, 8225)}:9002/udp",
    lambda rng: f"port retarget {_remote(rng)} 8001:127.0.0.1:{rng.choice(SERVER_PORTS)}",
    lambda rng: f"port retarget {LOCAL} 8001:127.0.0.1:{rng.choice(SERVER_PORTS)}",
    _allow,
    lambda rng: f"host rm {_remote(rng)}",
    lambda rng: f"ADD {_remote(rng)} {rng.randrange(2)}",
    lambda rng: f"ADD {_remote(rng)} {rng.randrange(2)}",
    lambda rng: f"SET {_remote(rng)} {rng.randrange(4)}",
    _set_vip,
    lambda rng: f"host set {_remote(rng)} --alias {_remote(rng)}-{rng.choice('abc')}",
    lambda rng: f"host stop {_remote(rng)}",
    lambda rng: f"host start {_remote(rng)}",
    lambda rng: f"host start {_remote(rng)}",
    lambda rng: f"host restart {_remote(rng)}",
    lambda rng: f"undo {rng.randrange(1, 5)}",
    lambda rng: f"undo {rng.randrange(1, 5)}",
    lambda rng: f"redo {rng.randrange(1, 5)}",
    *[lambda rng: "load BASE --keep"] * 5,
    lambda rng: "load OTHER --keep",
    lambda rng: "save SAVED --force",
    _add_route,
    lambda rng: f"route rm {rng.randrange(1, 7)}",
    lambda rng: f"route move {rng.randrange(1, 5)} {rng.randrange(1, 5)}",
    lambda rng: f"proxy http {LOCAL} {rng.choice(('off', '127.0.0.1:18080', '127.0.0.1:18080'))}",
    lambda rng: f"proxy socks enter {rng.choice(('off', '127.0.0.1:18081', '127.0.0.1:18081'))}",
    lambda rng: "streams --json",
    lambda rng: f"exec {_remote(rng)} -- echo hello",
    lambda rng: f"ping {_remote(rng)} --count 1",
    lambda rng: f"resolve {_remote(rng)} localhost",
    lambda rng: "hosts --json",
    lambda rng: "ports --all --json",
    lambda rng: "diff",
    lambda rng: "export",
)
"""`Scene.fill_in` replaces the words in capitals by commands and files of the run."""
