"""Puts the native agents that `make agents` has built into the wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeAgents(BuildHookInterface):
    """Adds `dist/agents/*.gz`; a checkout without them makes a wheel without native agents."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the programs to what the wheel includes; an editable install finds them itself."""
        built = Path(self.root, "dist", "agents")
        if version == "editable" or not (built / "sources").is_file():
            return
        for packed in sorted(built.glob("*.gz")):
            target = f"norouter_core/bootstrap/agents/{packed.name}"
            build_data["force_include"][str(packed)] = target
