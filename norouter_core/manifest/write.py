"""A `MeshSpec` as YAML text: a new text, or a manifest's own text with the fewest changes.

A manifest's text is cut and filled in at the places of its values, instead of being dumped from a
document model. Whatever does not change stays byte for byte, including quoting, widths,
indentation and comments.

An inherited value (by `<<` or an alias) is changed where it is defined if that is enough. Otherwise
a host that should keep the old value gets it as a value of its own.
"""

from __future__ import annotations

from typing import Any

from yaml import YAMLError

from norouter_core.manifest.checks import VipChoice
from norouter_core.manifest.editing import EditConflict, Editor, spell_out
from norouter_core.manifest.load import DEFAULT_VIPS, load_text
from norouter_core.manifest.options import HOST_ONLY_KEYS, OPTION_KEYS, write_values
from norouter_core.manifest.problems import ManifestError
from norouter_core.manifest.syntax_tree import parse_tree
from norouter_core.manifest.yaml_text import FlowList, block
from norouter_core.model import MeshSpec, Route

_MAX_PASSES = 8
"""A value that many hosts inherit takes one pass for its own place and some for the others."""


def dump(spec: MeshSpec) -> str:
    """Return plain YAML that `load_text` reads back as an equal spec, if the spec is valid.

    Keys that NoRouter does not know (`agent`, `auth`, `dns`, `notTo`) appear only if the spec uses
    them. VIPs are always written, allocated ones too, so that adding a host in front does not
    move them.
    """
    return block(to_tree(spec))


def rewrite(text: str, spec: MeshSpec, choice: VipChoice = DEFAULT_VIPS) -> str:
    """Return the text of a valid manifest, changed so that it holds `spec`, a valid one too.

    Hosts without a VIP in the text have one by `choice`.

    If the text cannot be edited in place (a host moved above the one that holds its anchor),
    aliases are spelled out first. If that fails too (for most unusual YAML), the result is a new
    text below the comments at the top of the old one.
    """
    for prepare in (str, spell_out):
        try:
            return rewrite_in_place(prepare(text), spec, choice)
        except (ManifestError, EditConflict, YAMLError):
            continue
    return _top_comments(text) + dump(spec)


def rewrite_in_place(text: str, spec: MeshSpec, choice: VipChoice = DEFAULT_VIPS) -> str:
    """Return what `rewrite` does, without its fallbacks.

    Raises:
        ManifestError, EditConflict, YAMLError: This text cannot be edited in place.
    """
    for _ in range(_MAX_PASSES):
        current = load_text(text, "manifest", choice).spec
        if current == spec:
            return text
        text = _edit_once(text, current, spec)
    raise EditConflict


def to_tree(spec: MeshSpec) -> dict[str, Any]:
    """Return a spec as mappings, lists, texts and flags.

    Trees are equal if their specs are, apart from the order of hosts.
    """
    top: dict[str, Any] = {}
    if spec.template is not None:
        top["hostTemplate"] = write_values(OPTION_KEYS, spec.template)
    top["hosts"] = {
        host.name: write_values(HOST_ONLY_KEYS, host) | write_values(OPTION_KEYS, host.options)
        for host in spec.hosts
    }
    if spec.routes:
        top["routes"] = [_route(route) for route in spec.routes]
    return top


def _route(route: Route) -> dict[str, Any]:
    tree: dict[str, Any] = {"via": route.via, "to": FlowList(route.to)}
    if route.not_to:
        tree["notTo"] = FlowList(route.not_to)
    if route.allow_from:
        tree["allowFrom"] = FlowList(route.allow_from)
    return tree


def _edit_once(text: str, current: MeshSpec, wanted: MeshSpec) -> str:
    """Return `text`, which holds `current`, one pass closer to `wanted`."""
    root = parse_tree(text)
    if root is None or root.is_empty:
        end = "" if not text or text.endswith(("\n", "\r")) else "\n"
        return text + end + block(to_tree(wanted))
    editor = Editor(text, root)
    editor.edit(root, to_tree(current), to_tree(wanted))
    if not editor.has_changes:
        editor.reorder(root, [host.name for host in wanted.hosts])
    return editor.apply()


def _top_comments(text: str) -> str:
    comments = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        comments.append(line)
    return "".join(comments)
