"""The JSON Schema (draft 2020-12) of a manifest, for editors: `manifest.schema.json` beside this.

`python -m norouter_core.manifest.schema` writes that file. The schema covers each value alone, as
the loader does. What holds between values (unique names, a route's `via`, listeners that collide)
is left to the loader. The schema is stricter in one thing: an unknown key is an error, not a
warning, so that editors mark it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from norouter_core.manifest.options import (
    ALLOW_FROM_SCHEMA,
    HOST_ONLY_KEYS,
    OPTION_KEYS,
    PROXY_SCHEMA,
    ManifestKey,
    Schema,
    mapping_schema,
)
from norouter_core.manifest.values import FORWARD_PATTERN, NAME_PATTERN, TARGET_PATTERN

_FILE = "manifest.schema.json"


def schema() -> Schema:
    """Return the schema, made from the rows of `norouter_core.manifest.options`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "norouter manifest",
        "description": "A mesh: hosts and routes. Unlike the loader, which warns of unknown keys "
        "and ignores them, this schema does not allow them.",
        **mapping_schema(
            {
                "hostTemplate": {
                    "$ref": "#/$defs/options",
                    "description": "What all hosts share. Its ports are added to those of a "
                    "host; for everything else the host's own value wins.",
                },
                "hosts": {
                    "type": ["object", "null"],
                    "propertyNames": {"$ref": "#/$defs/name"},
                    "additionalProperties": {"$ref": "#/$defs/host"},
                    "description": "The hosts by name.",
                },
                "routes": {
                    "type": ["array", "null"],
                    "items": {"$ref": "#/$defs/route"},
                    "description": "Where the proxies send what is not in the mesh; a later route "
                    "wins over an earlier one.",
                },
            }
        ),
        "$defs": {
            "name": {"type": "string", "maxLength": 253, "pattern": NAME_PATTERN},
            "forward": {
                "type": ["string", "integer"],
                "pattern": FORWARD_PATTERN,
                "minimum": 1,
                "maximum": 65535,
                "examples": [8080, "8080:80", "5432:db.internal:5432", "53:127.0.0.1:53/udp"],
            },
            "proxy": PROXY_SCHEMA,
            "target": {
                "type": "string",
                "pattern": TARGET_PATTERN,
                "description": "A network such as 10.0.0.0/8, or a hostname glob such as "
                "*.example.com.",
            },
            "host": mapping_schema(
                {
                    **_properties(HOST_ONLY_KEYS),
                    **{
                        row.key: {"$ref": f"#/$defs/options/properties/{row.key}"}
                        for row in OPTION_KEYS
                    },
                }
            ),
            "options": mapping_schema(_properties(OPTION_KEYS)),
            "route": _route(),
        },
    }


def schema_text() -> str:
    """Return the schema as text, which `manifest.schema.json` holds."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema_path() -> Path | None:
    """Return where the schema is on this machine; None if the package is not a directory."""
    place = files(__package__).joinpath(_FILE)
    return place if isinstance(place, Path) else None


def modeline() -> str:
    """Return the comment, with its newline, by which editors find the schema.

    It names a file of this machine, so it belongs in files that stay on it. It is empty if the
    schema is not in a file.
    """
    path = schema_path()
    return f"# yaml-language-server: $schema={path.resolve().as_uri()}\n" if path else ""


def _properties(rows: Iterable[ManifestKey]) -> Schema:
    return {row.key: row.schema for row in rows}


def _route() -> Schema:
    targets = {"items": {"$ref": "#/$defs/target"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["via", "to"],
        "properties": {
            "via": {
                "type": "string",
                "minLength": 1,
                "description": "The host (name, alias or VIP) that resolves and connects.",
            },
            "to": {
                "type": "array",
                "minItems": 1,
                **targets,
                "description": "What the route covers.",
            },
            "notTo": {
                "type": ["array", "null"],
                **targets,
                "description": "Exceptions from `to`.",
            },
            "allowFrom": {
                **ALLOW_FROM_SCHEMA,
                "description": "The hosts whose proxies and DNS clients the route is for; all if "
                "left out.",
            },
        },
    }


if __name__ == "__main__":
    path = schema_path()
    assert path is not None
    path.write_text(schema_text(), "utf-8")
