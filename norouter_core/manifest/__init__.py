"""Manifests: YAML to `MeshSpec` with `file:line:column` in every error, and back.

A manifest is data. Reading one touches no file but the manifest, asks no name service, and
expands no environment variable.
"""

from __future__ import annotations

from norouter_core.manifest.dump import dump
from norouter_core.manifest.load import Loaded, load_file, load_text
from norouter_core.manifest.ports import parse_forward
from norouter_core.manifest.problems import ManifestError, Problem, render
from norouter_core.manifest.vips import allot_vip

__all__ = [
    "Loaded",
    "ManifestError",
    "Problem",
    "allot_vip",
    "dump",
    "load_file",
    "load_text",
    "parse_forward",
    "render",
]
