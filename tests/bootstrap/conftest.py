"""Interpreters that are too old for the agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pyenv(version: str) -> Path:
    """An old interpreter, or a skip with the reason."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob(f"versions/{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} is on this machine")
    return found[-1]


@pytest.fixture(params=["2.7", "3.6", "3.7"])
def old_python(request: pytest.FixtureRequest) -> Path:
    return pyenv(request.param)
