"""The verbs that change the mesh, as pure functions from spec to spec."""

from __future__ import annotations

from norouter_core.commands.edits.base import Edit, EditError
from norouter_core.commands.edits.hosts import HOST_EDITS, new_mesh
from norouter_core.commands.edits.ports import PORT_EDITS

__all__ = ["EDITS", "Edit", "EditError", "new_mesh"]

EDITS = {**HOST_EDITS, **PORT_EDITS}
"""By the name of the verb."""
