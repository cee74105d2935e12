"""Async tests run on plain asyncio: hub and agent use its callback interface."""

from __future__ import annotations

import pytest

from tests.engine import meshes
from tests.native import native_agent


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["python", pytest.param("native", marks=pytest.mark.native)])
def each_agent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test's hosts run each agent in turn."""
    if request.param == "native":
        monkeypatch.setattr(meshes, "native_program", native_agent())
