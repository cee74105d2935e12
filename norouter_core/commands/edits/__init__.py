"""The verbs that change the mesh, as pure functions from spec to spec."""

from __future__ import annotations

from collections.abc import Collection

from norouter_core.commands.call import Call
from norouter_core.commands.edits.base import Edit, EditError
from norouter_core.commands.edits.hosts import HOST_EDITS, add_host, new_mesh
from norouter_core.commands.edits.ports import PORT_EDITS
from norouter_core.model import MeshSpec

__all__ = ["EDITS", "Edit", "EditError", "make_edit", "new_mesh"]

EDITS = {**HOST_EDITS, **PORT_EDITS}
"""By the name of the verb."""


def make_edit(spec: MeshSpec, call: Call, in_use: Collection[str] = ()) -> Edit:
    """Return what a call makes of a spec.

    Args:
        in_use: Addresses of this machine that others use.

    Raises:
        ValidationError: It is not possible.
    """
    if call.verb.name == "host add":
        return add_host(spec, call, in_use)
    return EDITS[call.verb.name](spec, call)
