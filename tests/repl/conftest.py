"""Async tests run on plain asyncio, as the engine does; the program runs as in `tests/cli`."""

from __future__ import annotations

import pytest

from tests.programs import norouter, start

__all__ = ["norouter", "start"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
