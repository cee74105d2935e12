"""The JSON Schema (draft 2020-12) of a manifest, for editors: `manifest.schema.json` beside this.

It says of each value alone what the loader says; what holds between values (unique names, a
route's `via`, listeners that collide) is the loader's to check. It is stricter in one thing:
a key that is not known, of which the loader only warns, is an error, so that editors mark it.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

_FILE = "manifest.schema.json"


def schema_text() -> str:
    """The schema as it lies in the package."""
    return files(__package__).joinpath(_FILE).read_text("utf-8")


def schema() -> dict[str, Any]:
    """The schema as a value of one's own."""
    return dict(json.loads(schema_text()))


def schema_path() -> Path | None:
    """Where the schema lies on this machine; None where the package is no folder (in a zip)."""
    place = files(__package__).joinpath(_FILE)
    return place if isinstance(place, Path) else None


def modeline() -> str:
    """The comment, with its newline, by which editors find the schema; empty where it has no place.

    It names a file of this machine, so it belongs in files that stay on it.
    """
    path = schema_path()
    return f"# yaml-language-server: $schema={path.resolve().as_uri()}\n" if path else ""
