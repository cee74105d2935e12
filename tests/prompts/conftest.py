"""Async tests run on plain asyncio, and nobody's own program answers questions."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_program_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSH_ASKPASS", "SUDO_ASKPASS", "SSH_ASKPASS_REQUIRE"):
        monkeypatch.delenv(name, raising=False)
