"""gRPC's four kinds of calls that matter to a relay: large, streamed, timed out and cancelled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.field import WEB, Field
from tests.transports.procs import Background

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

REMOTE = Path(__file__).parent / "remote"
ADDRESS = f"{WEB}:50051"


@pytest.fixture(scope="module")
def server(field: Field) -> Iterator[Background]:
    argv = [sys.executable, str(REMOTE / "grpc_server.py"), "50051"]
    with field.serving("web", argv, 50051) as started:
        yield started


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("unary", "201 of 201"),
        ("repeat", "True"),
        ("both", "30 of 30, StatusCode.OK, True"),
        ("deadline", "StatusCode.DEADLINE_EXCEEDED"),
        ("cancel", "StatusCode.CANCELLED"),
    ],
)
def test_calls(field: Field, server: Background, method: str, answer: str) -> None:
    client = (sys.executable, str(REMOTE / "grpc_client.py"), ADDRESS, method)
    before = server.lines.count("cancelled")
    assert field.run("local", *client).strip() == answer
    if method in ("deadline", "cancel"):
        server.wait_until(lambda: server.lines.count("cancelled") > before, 10, "the server knows")
