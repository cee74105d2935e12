"""Async tests run on plain asyncio, like the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from norouter_core.engine import dns_service


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def resolv_conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What the hosts have as their resolv.conf."""
    path = tmp_path / "resolv.conf"
    monkeypatch.setattr(dns_service, "RESOLV_CONF", str(path))
    return path
