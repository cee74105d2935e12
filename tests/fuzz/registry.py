"""All targets: importing this module registers them."""

from __future__ import annotations

from tests.fuzz import (
    command_targets,
    manifest_targets,
    proxy_targets,
    service_targets,
    wire_targets,
)
from tests.fuzz.targets import TARGETS

__all__ = [
    "TARGETS",
    "command_targets",
    "manifest_targets",
    "proxy_targets",
    "service_targets",
    "wire_targets",
]
