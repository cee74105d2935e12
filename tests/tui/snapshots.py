"""Snapshots of meshes as the session would make them, with a fixed clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerState,
    ListenerStatus,
    Status,
    StreamState,
    StreamStatus,
)
from norouter_core.exec_commands.problem import HostProblem
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec, Route
from norouter_core.session.client import DocumentState, Rate, Snapshot
from tests.output.statuses import host, listener, stream

NOW = 1_760_000_000.0

DENIED = HostProblem(
    kind="login-refused",
    message="ssh: Permission denied (publickey)",
    hint="run `ssh db.example.com` once by hand and see that it asks for nothing",
    command="ssh db.example.com sh",
    exit_status=255,
    stderr=("deploy@db.example.com: Permission denied (publickey).",),
)


def wave(peak: float, phase: float, length: int = 30) -> tuple[float, ...]:
    """A history that looks like traffic."""
    return tuple(
        max(0.0, peak * (0.55 + 0.45 * math.sin(phase + i / 3)) * (0.7 + 0.3 * math.cos(i)))
        for i in range(length)
    )


def hosts() -> tuple[HostStatus, ...]:
    """Five hosts, in five states."""
    here = host(
        "local",
        vip="127.0.42.100",
        command="",
        round_trip=None,
        agent="",
        streams=9,
        since=NOW - 600,
    )
    web = host("web", streams=6, since=NOW - 540, bytes_in=120_000_000, bytes_out=88_000)
    db = host(
        "db",
        vip="127.0.42.102",
        command="ssh db.example.com",
        state=HostState.BACKING_OFF,
        since=NOW - 2,
        retry_in=4.2,
        attempt=3,
        round_trip=None,
        problem=DENIED,
        agent="",
    )
    cache = host(
        "cache",
        vip="127.0.42.103",
        command="kubectl exec -i cache-0 --",
        state=HostState.BOOTSTRAPPING,
        since=NOW - 1,
        round_trip=None,
        agent="",
    )
    bastion = host(
        "bastion",
        vip="127.0.42.104",
        command="podman exec -i bastion",
        round_trip=0.0413,
        streams=3,
    )
    return here, web, db, cache, bastion


def listeners() -> tuple[ListenerStatus, ...]:
    pages = [listener(name) for name in ("local", "web", "bastion")]
    base = [
        listener(
            name,
            to_host="db",
            listen="127.0.42.102:5432",
            bound="127.0.42.102:5432",
            target="127.0.0.1:5432",
        )
        for name in ("local", "web", "bastion")
    ]
    metrics = listener(
        "local",
        listen="127.0.42.101:9100",
        bound="",
        target="127.0.0.1:9100",
        state=ListenerState.FAILED,
        note="127.0.42.101:9100: Address already in use",
    )
    proxy = listener(
        "local",
        to_host="local",
        listen="127.0.0.1:18080",
        bound="127.0.0.1:18080",
        target="HTTP proxy",
        service="http",
    )
    return (*pages, metrics, *base, proxy)


def streams(number: int = 9) -> tuple[StreamStatus, ...]:
    states = [StreamState.OPEN] * 5 + [StreamState.OPENING, StreamState.HALF_CLOSED]
    made = []
    for i in range(number):
        name, target = (("web", "127.0.0.1:80"), ("bastion", "nginx.internal:443"))[i % 3 == 2]
        made.append(
            stream(
                id=i + 1,
                peer=f"127.0.0.1:{40000 + i}",
                to_host=name,
                target=target,
                listener="127.0.42.101:8080" if name == "web" else "127.0.0.1:18080",
                service="port" if name == "web" else "http",
                state=states[i % len(states)],
                opened=NOW - 3 * (number - i) ** 1.5,
                bytes_sent=(i * 7919) % 90_000 * (i % 4),
                bytes_received=(i * 104_729) % 70_000_000,
            )
        )
    return tuple(made)


def spec() -> MeshSpec:
    ports = (Forward(8080, "127.0.0.1", 80), Forward(9100, "127.0.0.1", 9100))
    return MeshSpec(
        hosts=(
            HostSpec("local", "127.0.42.100"),
            HostSpec("web", "127.0.42.101", "docker exec -i web", options=HostOptions(ports=ports)),
            HostSpec("db", "127.0.42.102", "ssh db.example.com"),
            HostSpec("cache", "127.0.42.103", "kubectl exec -i cache-0 --"),
            HostSpec("bastion", "127.0.42.104", "podman exec -i bastion"),
        ),
        routes=(
            Route("bastion", ("*.internal", "10.0.0.0/8"), ("10.0.42.0/24",)),
            Route("cache", ("redis.corp.example",)),
        ),
    )


def snapshot(
    *,
    of_hosts: Iterable[HostStatus] | None = None,
    of_streams: Iterable[StreamStatus] | None = None,
    of_listeners: Iterable[ListenerStatus] | None = None,
    rates: Mapping[str, Rate] | None = None,
    document: DocumentState | None = None,
    mesh: MeshSpec | None = None,
    **more: Any,
) -> Snapshot:
    """A mesh at work."""
    status = Status(
        hosts=tuple(hosts() if of_hosts is None else of_hosts),
        listeners=tuple(listeners() if of_listeners is None else of_listeners),
        streams=tuple(streams() if of_streams is None else of_streams),
        opened_total=12,
        bytes_total=123_456_789,
    )
    made = Snapshot(
        at=NOW,
        status=status,
        spec=spec() if mesh is None else mesh,
        document=document or DocumentState("/home/ann/mesh.yaml", True, "port add web 9100", ""),
        hosts=rates
        or {
            "local": Rate(15_000, 1_300_000, wave(1_400_000, 0)),
            "web": Rate(1_250_000, 12_000, wave(1_300_000, 0)),
            "bastion": Rate(64_000, 3_000, wave(90_000, 2)),
        },
        streams={
            s.id: Rate(*_rates(s.id), wave(100_000.0 * (s.id % 5), s.id))
            for s in status.streams
            if s.state is not StreamState.OPENING
        },
        total=Rate(15_000, 1_314_000, wave(1_400_000, 0)),
    )
    return replace(made, **more)


def _rates(number: int) -> tuple[float, float]:
    return (0.0, 0.0) if number % 4 == 3 else (1_700.0 * (number % 7), 143_000.0 * (number % 5))
