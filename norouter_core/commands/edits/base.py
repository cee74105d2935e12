"""What edits share: results, errors, checks of a whole spec, and lists of port forwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from norouter_core.commands.call import Call
from norouter_core.commands.results import Failure
from norouter_core.manifest.checks import find_collisions
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.values import check_proxy, closest
from norouter_core.model import Forward, HostSpec, MeshSpec, ProxySpec, Route
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
    """The next spec, a line that says what changed, and data for scripts.

    `hosts` are those that `--wait` waits for.
    """

    spec: MeshSpec
    message: str
    hosts: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def host_of(spec: MeshSpec, name: str, argument: str = "host", number: int = 0) -> HostSpec:
    """Return the host with a name or alias.

    Raises:
        EditError: There is none.
    """
    host = spec.host(name)
    if host is None:
        raise EditError(f"there is no host {quote(name)}", host_hint(spec, name), argument, number)
    return host


def host_hint(spec: MeshSpec, name: str) -> str:
    """Return a hint for a name that no host has."""
    names = [name for host in spec.hosts for name in (host.name, *host.aliases)]
    guess = closest(name, names)
    if guess:
        return f"did you mean {guess}?"
    return f"hosts: {', '.join(names[:8])}" if names else "`host add` adds one"


def hosts_of(spec: MeshSpec, call: Call, argument: str = "host") -> list[HostSpec]:
    """Return the hosts that an argument names, each once.

    Raises:
        EditError: One of them does not exist.
    """
    found = {}
    for number, name in enumerate(call.all(argument)):
        host = host_of(spec, name, argument, number)
        found[host.name] = host
    return list(found.values())


def check_name(spec: MeshSpec, name: str, argument: str, number: int = 0) -> None:
    """Check that a name is free.

    Raises:
        EditError: Another host has that name or alias.
    """
    other = spec.host(name)
    if other is not None:
        hint = "names and aliases must be unique in a mesh, regardless of case"
        message = f"host {quote(other.name)} already has the name {quote(name)}"
        raise EditError(message, hint, argument, number)


def check_vip(spec: MeshSpec, vip: str, but: str = "") -> None:
    """Check that a VIP is free.

    Raises:
        EditError: A host other than `but` has that VIP.
    """
    for host in spec.hosts:
        if host.vip == vip and host.name != but:
            hint = "choose another, or leave it out"
            message = f"host {quote(host.name)} already has the VIP {vip}"
            raise EditError(message, hint, "vip")


def check_listeners(spec: MeshSpec, argument: str = "") -> MeshSpec:
    """Return the spec if none of its listeners collide.

    Raises:
        EditError: Two collide; `argument` is to blame.
    """
    for collision in find_collisions(spec):
        if not collision.harmless:
            raise EditError(collision.message, collision.hint, argument)
    return spec


def host_of_route(spec: MeshSpec, route: Route) -> HostSpec | None:
    """Return the host of a route."""
    by_vip = (host for host in spec.hosts if host.vip == route.via)
    return spec.host(route.via) or next(by_vip, None)


def keep_routes(spec: MeshSpec, before: MeshSpec, renamed: Mapping[str, str]) -> MeshSpec:
    """Return the spec with its routes through the same hosts as before.

    A `via` that no longer means the same host is replaced by the name of that host.

    Args:
        renamed: New names of hosts by their old ones.
    """
    routes = []
    for route in spec.routes:
        host = host_of_route(before, route)
        if host is not None:
            name = renamed.get(host.name, host.name)
            now = host_of_route(spec, route)
            if now is None or now.name != name:
                route = replace(route, via=name)
        routes.append(route)
    return replace(spec, routes=tuple(routes))


def checked_proxy(proxy: ProxySpec, argument: str) -> ProxySpec:
    """Return a proxy that says who may use it, if other machines can connect.

    Raises:
        EditError: It does not.
    """
    try:
        return check_proxy(proxy)
    except ValidationError as error:
        hint = "use 127.0.0.1, or give --auth, --allow-from or --open"
        raise EditError(error.message, hint, argument) from None


def check_peers(spec: MeshSpec, call: Call) -> tuple[str, ...]:
    """Return the hosts and networks that `--allow-from` names.

    Raises:
        EditError: A host of that name does not exist.
    """
    peers = tuple(dict.fromkeys(call.all("allow-from")))
    for number, peer in enumerate(peers):
        if "/" not in peer:
            host_of(spec, peer, "allow-from", number)
    return peers


ForwardKey = tuple[int, str]
"""Listen port and protocol, which a host can publish once."""


def forward_key(forward: Forward) -> ForwardKey:
    return forward.listen, forward.proto


def forward_key_text(of: ForwardKey) -> str:
    return str(of[0]) if of[1] == "tcp" else f"{of[0]}/{of[1]}"


def add_forwards(
    ports: Sequence[Forward], new: Sequence[Forward], owner: str, argument: str
) -> tuple[Forward, ...]:
    """Return the ports of `owner` with new ones at the end.

    Raises:
        EditError: A listen port is taken.
    """
    found = {forward_key(forward): forward for forward in ports}
    for number, forward in enumerate(new):
        first = found.get(forward_key(forward))
        if first is not None:
            hint = "use another listen port, or `port retarget`"
            message = f"{owner} already listens on port {first.listen}: {first}"
            raise EditError(message, hint, argument, number)
        found[forward_key(forward)] = forward
    return tuple(found.values())


def remove_forwards(
    ports: Sequence[Forward], call: Call, argument: str, owner: str
) -> tuple[Forward, ...]:
    """Return the ports without those that an argument names.

    Raises:
        EditError: One of them is not published.
    """
    found = {forward_key(forward): forward for forward in ports}
    for number, wanted in enumerate(call.all(argument)):
        if wanted not in found:
            raise no_such_port(ports, wanted, owner, argument, number)
        del found[wanted]
    return tuple(found.values())


def no_such_port(
    ports: Sequence[Forward], wanted: ForwardKey, owner: str, argument: str, number: int = 0
) -> EditError:
    listed = ", ".join(forward_key_text(forward_key(forward)) for forward in ports[:8])
    hint = f"it publishes {listed}" if listed else "it publishes none"
    message = f"{owner} does not publish port {forward_key_text(wanted)}"
    return EditError(message, hint, argument, number)
