"""The JSON Schema of the lines that `norouter run --json` prints."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def schema() -> dict[str, Any]:
    """Return the schema that the package contains."""
    text = resources.files("norouter_tui.output").joinpath("events.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
