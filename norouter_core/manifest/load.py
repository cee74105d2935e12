"""Reading a manifest: from a file or a text to a checked `MeshSpec`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

from yaml.nodes import Node, ScalarNode

from norouter_core.manifest.checks import allot_vips, check_listeners, check_names, check_vips
from norouter_core.manifest.compose import compose
from norouter_core.manifest.hosts import read_hosts, read_template
from norouter_core.manifest.nodes import is_null, known_fields, read_table
from norouter_core.manifest.problems import Problem
from norouter_core.manifest.report import Report
from norouter_core.manifest.routes import read_routes
from norouter_core.manifest.source import MAX_BYTES, read_source, unreadable
from norouter_core.model import MeshSpec
from norouter_core.sanitize import quote

_TOP_KEYS = ("hostTemplate", "hosts", "routes")


STDIN = "<stdin>"
"""What standard input is called."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest that can be used. `name` is the file's, as it was given (`<stdin>` for `-`);
    `data` what was read from it, None for a manifest that came from nowhere."""

    spec: MeshSpec
    warnings: tuple[Problem, ...]
    name: str
    data: bytes | None = None


def load_file(path: str | os.PathLike[str]) -> Loaded:
    """Reads a manifest from a file; `-` is standard input.

    Raises:
        ManifestError: the file cannot be read, or what it holds is no valid manifest.
    """
    data, name = read_data(path)
    return replace(load_text(data, name), data=data)


def read_data(path: str | os.PathLike[str]) -> tuple[bytes, str]:
    """What a file holds (`-` is standard input), up to a byte more than a manifest may have, and
    what problems call it.

    Raises:
        ManifestError: the file cannot be read.
    """
    given = os.fspath(path)
    name = STDIN if given == "-" else given
    try:
        return (_read_stdin() if given == "-" else _read_file(given)), name
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None


def load_text(text: str | bytes, name: str) -> Loaded:
    """Reads a manifest from a text, or from bytes in UTF-8 (or UTF-16 with its mark).

    Args:
        name: what problems call the file.

    Raises:
        ManifestError: what the text holds is no valid manifest; all of its errors at once.
    """
    report = Report(read_source(text, name))
    root = compose(report)
    report.raise_if_bad()
    if root is None or is_null(root):
        report.warn_at(0, "the manifest is empty: a mesh without hosts", _HOSTS_HINT)
        return Loaded(MeshSpec(), report.warnings(), name)
    spec = _read_mesh(root, report)
    report.raise_if_bad()
    return Loaded(spec, report.warnings(), name)


_HOSTS_HINT = "name the hosts of the mesh under `hosts:`"


def _read_mesh(root: Node, report: Report) -> MeshSpec:
    if isinstance(root, ScalarNode):
        message = f"this is no manifest but one text: {quote(root.value)}"
        report.error(root, message, "begin with `hosts:`, and below it, indented, name each host")
        return MeshSpec()
    table = read_table(root, report, "the manifest")
    if table is None:
        return MeshSpec()  # never seen: the report holds an error, as it does below
    fields = known_fields(table, _TOP_KEYS, report, "the manifest")
    template = None
    if "hostTemplate" in fields:
        template = read_template(fields["hostTemplate"].value, report)
    drafts = read_hosts(fields["hosts"].value, report) if "hosts" in fields else []
    if not drafts and not report.is_bad:
        report.warn(root, "the manifest names no hosts", _HOSTS_HINT)
    names = check_names(drafts, report)
    check_vips(drafts, report)
    allot_vips(drafts, report)
    names.update(dict.fromkeys(draft.vip for draft in drafts if draft.vip))
    routes = read_routes(fields["routes"].value, names, report) if "routes" in fields else ()
    if report.is_bad:
        return MeshSpec()
    options = template.options if template else None
    spec = MeshSpec(tuple(draft.spec() for draft in drafts), routes, options)
    check_listeners(spec, drafts, template, report)
    return spec


def _read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise OSError("standard input is closed")
    return sys.stdin.buffer.read(MAX_BYTES + 1)
