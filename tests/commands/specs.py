"""Specs, and lines applied to them."""

from __future__ import annotations

from norouter_core.commands.edits import EDITS, Edit
from norouter_core.commands.edits.hosts import new_mesh
from norouter_core.manifest import dump, load_text
from norouter_core.model import MeshSpec
from tests.commands.calls import call


def edit(spec: MeshSpec, line: str) -> Edit:
    """What a line makes of a spec."""
    made = call(line)
    return EDITS[made.verb.name](spec, made)


def built(*lines: str, spec: MeshSpec | None = None) -> MeshSpec:
    """A spec made by lines, one after the other; each of them is a valid manifest."""
    made = spec or new_mesh()
    for line in lines:
        made = edit(made, line).spec
        assert load_text(dump(made), "made").spec == made, line
    return made
