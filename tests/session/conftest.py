"""Async tests run on plain asyncio: hub and agent use its callback interface."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
