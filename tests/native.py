"""The native agent as a program, for tests that run with either agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from norouter_core.bootstrap.native_program import NoNativeAgent, native_program, this_platform


def native_agent() -> Path:
    """Return the native agent's program for this machine; skip the test if there is none.

    `NATIVE_AGENT` in the environment names another one, such as one that looks for data races.
    """
    if given := os.environ.get("NATIVE_AGENT"):
        return Path(given)
    try:
        return native_program(this_platform())
    except NoNativeAgent as error:
        pytest.skip(str(error))
