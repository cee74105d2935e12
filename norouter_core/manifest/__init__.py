"""Manifests: YAML to `MeshSpec` with `file:line:column` in every error, and the reverse.

A manifest is data. Reading one opens no file but the manifest, asks no name service, and expands
no environment variable.
"""

from __future__ import annotations

from norouter_core.manifest.checks import VipChoice
from norouter_core.manifest.load import Loaded, load_file, load_text
from norouter_core.manifest.problems import ManifestError, Problem, render
from norouter_core.manifest.values import allocate_vip, parse_forward
from norouter_core.manifest.write import dump, rewrite

__all__ = [
    "Loaded",
    "ManifestError",
    "Problem",
    "VipChoice",
    "allocate_vip",
    "dump",
    "load_file",
    "load_text",
    "parse_forward",
    "render",
    "rewrite",
]
