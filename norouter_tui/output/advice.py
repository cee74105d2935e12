"""What is sound in a manifest and yet most likely not meant: told by every face before a run."""

from __future__ import annotations

from collections.abc import Iterator

from norouter_core.exec_commands.lint import lint
from norouter_core.manifest import Problem
from norouter_core.model import MeshSpec
from norouter_core.sanitize import escape

_HERE = "a host without `cmd`, such as `local:`, is this machine; its ports are served here then"


def advise(spec: MeshSpec, name: str) -> tuple[Problem, ...]:
    """Warnings about a mesh, for a manifest called `name`. Pure; runs nothing."""
    return tuple(_advise(spec, name))


def _advise(spec: MeshSpec, name: str) -> Iterator[Problem]:
    hosts = list(spec.effective())
    if hosts and not any(host.is_local for host in hosts):
        message = "no host is this machine: nothing will listen here"
        yield Problem(escape(name), 0, 0, message, _HERE)
    for host in hosts:
        for found in lint(host.argv, host.agent) if host.argv else ():
            message = f'host "{escape(host.name)}": {escape(found.message)}'
            yield Problem(escape(name), 0, 0, message, escape(found.hint))
