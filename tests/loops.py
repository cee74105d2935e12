"""The event loops that the hub runs on: asyncio's own, and uvloop where it is installed."""

from __future__ import annotations

import importlib.util

import pytest

_NO_UVLOOP = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
)

on_each_loop = pytest.mark.parametrize(
    "anyio_backend",
    [
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop", marks=_NO_UVLOOP),
    ],
)
