"""Nothing of the user's own is read or written by these tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot, WaitForScreenTimeout


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def _widgets_that_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """A widget that is removed while `Pilot` waits for it never answers, and `Pilot` would wait
    for it for 30 s and then fail. What a test waits for next decides.
    """
    wait = Pilot._wait_for_screen

    async def wait_briefly(self: Pilot[object], timeout: float = 5.0) -> bool:
        try:
            return await wait(self, timeout)
        except WaitForScreenTimeout:
            return False

    monkeypatch.setattr(Pilot, "_wait_for_screen", wait_briefly)
