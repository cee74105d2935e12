"""What edits share: their result, their refusals, and the checks of a whole spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from norouter_core.commands.call import Call
from norouter_core.commands.results import Failure
from norouter_core.manifest.checks import find_collisions
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.values import closest
from norouter_core.model import HostSpec, MeshSpec, Route
from norouter_core.sanitize import quote


class EditError(ValidationError):
    """An edit that is not possible; `failure` names the argument to blame, if one is."""

    def __init__(self, message: str, hint: str = "", argument: str = "", index: int = 0) -> None:
        super().__init__(message, hint)
        self.failure = Failure(message, argument, index, hint)


def failure_of(error: ValidationError) -> Failure:
    """Return an edit's error as the failure of its command."""
    return (
        error.failure if isinstance(error, EditError) else Failure(error.message, hint=error.hint)
    )


@dataclass(frozen=True, slots=True)
class Edit:
    """The next spec, a line that says what was done, and what a script may want to know.

    `hosts` are those to wait for, with `--wait`.
    """

    spec: MeshSpec
    message: str
    hosts: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def host_of(spec: MeshSpec, name: str, argument: str = "host", number: int = 0) -> HostSpec:
    """The host of that name or alias.

    Raises:
        EditError: there is none.
    """
    host = spec.host(name)
    if host is None:
        raise EditError(f"there is no host {quote(name)}", host_hint(spec, name), argument, number)
    return host


def host_hint(spec: MeshSpec, name: str) -> str:
    """What to say instead of a name that no host has."""
    names = [name for host in spec.hosts for name in (host.name, *host.aliases)]
    guess = closest(name, names)
    if guess:
        return f"did you mean {guess}?"
    return f"hosts: {', '.join(names[:8])}" if names else "`host add` adds one"


def hosts_of(spec: MeshSpec, call: Call, argument: str = "host") -> list[HostSpec]:
    """The hosts that an argument names, each once.

    Raises:
        EditError: one of them is none.
    """
    found = {}
    for number, name in enumerate(call.all(argument)):
        host = host_of(spec, name, argument, number)
        found[host.name] = host
    return list(found.values())


def check_name(spec: MeshSpec, name: str, argument: str, number: int = 0) -> None:
    """
    Raises:
        EditError: a host of the mesh has that name or alias already.
    """
    other = spec.host(name)
    if other is not None:
        hint = "names and aliases are unique in a mesh, whatever their case"
        message = f"the name {quote(name)} is taken, by host {quote(other.name)}"
        raise EditError(message, hint, argument, number)


def check_vip(spec: MeshSpec, vip: str, but: str = "") -> None:
    """
    Raises:
        EditError: a host other than `but` has that VIP.
    """
    for host in spec.hosts:
        if host.vip == vip and host.name != but:
            hint = "give this host another one, or leave vip out"
            message = f"the VIP {vip} is taken, by host {quote(host.name)}"
            raise EditError(message, hint, "vip")


def checked(spec: MeshSpec, argument: str = "") -> MeshSpec:
    """The spec, if no two listeners of it collide.

    Raises:
        EditError: two do; `argument` is what brought it about.
    """
    for collision in find_collisions(spec):
        if not collision.harmless:
            raise EditError(collision.message, collision.hint, argument)
    return spec


def via(spec: MeshSpec, route: Route) -> HostSpec | None:
    """The host through which a route leads."""
    by_vip = (host for host in spec.hosts if host.vip == route.via)
    return spec.host(route.via) or next(by_vip, None)


def with_vias(spec: MeshSpec, before: MeshSpec, renamed: Mapping[str, str]) -> MeshSpec:
    """The spec with every route that led through a host leading there still, by its name where
    what `via` says has become another's or nobody's. `renamed`: new host names by old ones."""
    return replace(spec, routes=tuple(_rerouted(spec, before, renamed)))


def _rerouted(spec: MeshSpec, before: MeshSpec, renamed: Mapping[str, str]) -> Iterator[Route]:
    for route in spec.routes:
        host = via(before, route)
        if host is None:
            yield route
            continue
        name = renamed.get(host.name, host.name)
        now = via(spec, route)
        kept = now is not None and now.name == name
        yield route if kept else replace(route, via=name)
