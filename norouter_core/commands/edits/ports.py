"""Edits of ports, routes and proxies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from norouter_core.commands.argument_types import ArgumentType, to_text
from norouter_core.commands.call import Call
from norouter_core.commands.edits.base import (
    Edit,
    EditError,
    ForwardKey,
    add_forwards,
    check_listeners,
    check_peers,
    checked_proxy,
    forward_key,
    forward_key_text,
    host_hint,
    host_of,
    no_such_port,
    remove_forwards,
)
from norouter_core.manifest.values import parse_ip, strip_dot
from norouter_core.model import Forward, HostSpec, MeshSpec, ProxySpec, Route
from norouter_core.sanitize import quote


def add_ports(spec: MeshSpec, call: Call) -> Edit:
    host, peers = host_of(spec, call.get("host")), check_peers(spec, call)
    new = tuple(replace(forward, allow_from=peers) for forward in call.all("spec"))
    ports = add_forwards(host.options.ports, new, f"host {quote(host.name)}", "spec")
    message = f"{host.name} publishes {', '.join(map(str, new))} at {host.vip}"
    return Edit(check_listeners(_with_ports(spec, host, ports), "spec"), message, (host.name,))


def remove_ports(spec: MeshSpec, call: Call) -> Edit:
    host = host_of(spec, call.get("host"))
    for number, wanted in enumerate(call.all("port")):
        _check_own(spec, host, wanted, number)
    ports = remove_forwards(host.options.ports, call, "port", host.name)
    gone = ", ".join(forward_key_text(each) for each in call.all("port"))
    return Edit(_with_ports(spec, host, ports), f"{host.name} no longer publishes {gone}")


def retarget_port(spec: MeshSpec, call: Call) -> Edit:
    host, new = host_of(spec, call.get("host")), call.get("spec")
    _check_own(spec, host, forward_key(new), argument="spec")
    if all(forward_key(forward) != forward_key(new) for forward in host.options.ports):
        raise no_such_port(host.options.ports, forward_key(new), host.name, "spec")
    peers = check_peers(spec, call)
    ports = tuple(
        replace(new, allow_from=peers or forward.allow_from)
        if forward_key(forward) == forward_key(new)
        else forward
        for forward in host.options.ports
    )
    return Edit(_with_ports(spec, host, ports), f"{host.name}: {new}", (host.name,))


def add_route(spec: MeshSpec, call: Call) -> Edit:
    via, peers = _via(spec, call.get("via")), check_peers(spec, call)
    for number, peer in enumerate(peers):
        if "/" in peer:
            raise EditError(f"{peer} is a network", "name hosts", "allow-from", number)
    route = Route(via, call.all("target"), call.all("not"), peers)
    at = call.get("at", len(spec.routes) + 1)
    if at > len(spec.routes) + 1:
        hint = f"use 1 to {len(spec.routes) + 1}, or leave it out"
        raise EditError(f"route number {at} is out of range", hint, "at")
    routes = (*spec.routes[: at - 1], route, *spec.routes[at - 1 :])
    message = f"route {at}: {', '.join(route.to)} via {route.via}"
    return Edit(replace(spec, routes=routes), message, data={"route": at})


def remove_routes(spec: MeshSpec, call: Call) -> Edit:
    gone = set()
    for place, number in enumerate(call.all("number")):
        gone.add(_route(spec, number, "number", place))
    routes = tuple(route for at, route in enumerate(spec.routes) if at not in gone)
    message = ", ".join(str(at + 1) for at in sorted(gone))
    return Edit(replace(spec, routes=routes), f"removed route {message}")


def move_route(spec: MeshSpec, call: Call) -> Edit:
    at = _route(spec, call.get("number"), "number")
    to = _route(spec, call.get("to"), "to")
    routes = list(spec.routes)
    routes.insert(to, routes.pop(at))
    return Edit(replace(spec, routes=tuple(routes)), f"route {at + 1} is now route {to + 1}")


def set_proxy(spec: MeshSpec, call: Call, *, kind: str) -> Edit:
    host = host_of(spec, call.get("host"))
    own, inherited = getattr(host.options, kind), getattr(spec.template, kind, None)
    proxy: dict[str, Any] = {kind: _proxy(spec, call, host, kind, own, inherited)}
    options = replace(host.options, **proxy)
    after = check_listeners(spec.with_host(replace(host, options=options)), "address")
    where = to_text(ArgumentType.ADDRESS, call.get("address"))
    return Edit(after, f"{kind} proxy of {host.name}: {where}", (host.name,))


PORT_EDITS: dict[str, Callable[[MeshSpec, Call], Edit]] = {
    "port add": add_ports,
    "port rm": remove_ports,
    "port retarget": retarget_port,
    "route add": add_route,
    "route rm": remove_routes,
    "route move": move_route,
    "proxy http": partial(set_proxy, kind="http"),
    "proxy socks": partial(set_proxy, kind="socks"),
}


def _proxy(
    spec: MeshSpec,
    call: Call,
    host: HostSpec,
    kind: str,
    own: ProxySpec | None,
    inherited: ProxySpec | None,
) -> ProxySpec | None:
    proxy: ProxySpec | None = call.get("address")
    if proxy is not None:
        peers, is_open = check_peers(spec, call), True if "open" in call else None
        limited = replace(proxy, auth=call.get("auth"), allow_from=peers, open=is_open)
        return checked_proxy(limited, "address")
    for option in ("auth", "allow-from", "open"):
        if option in call:
            hint = f"leave --{option} out"
            raise EditError(f"--{option} needs an address, not `off`", hint, option)
    if own is None:
        hint = f"`proxy {kind} {host.name} IP:PORT` starts one"
        if inherited:
            hint = f"it is the template's: `template set --{kind} off`"
        raise EditError(f"{host.name} has no {kind} proxy of its own", hint, "address")
    return None


def _with_ports(spec: MeshSpec, host: HostSpec, ports: Sequence[Forward]) -> MeshSpec:
    options = replace(host.options, ports=tuple(ports))
    return spec.with_host(replace(host, options=options))


def _check_own(
    spec: MeshSpec, host: HostSpec, wanted: ForwardKey, number: int = 0, argument: str = "port"
) -> None:
    """Check that a host publishes the port itself.

    Raises:
        EditError: The port comes from the template.
    """
    own = {forward_key(forward) for forward in host.options.ports}
    inherited = (
        {forward_key(forward) for forward in spec.template.ports} if spec.template else set()
    )
    if wanted in inherited - own:
        port = forward_key_text(wanted)
        message = f"port {port} of {host.name} comes from the template"
        hint = f"`template set --no-port {port}` removes it from every host"
        raise EditError(message, hint, argument, number)


def _via(spec: MeshSpec, text: str) -> str:
    name = strip_dot(text)
    by_vip = parse_ip(name) is not None and any(host.vip == name for host in spec.hosts)
    if spec.host(name) is None and not by_vip:
        message = f"{quote(text)} is not a host, alias or VIP of the mesh"
        raise EditError(message, host_hint(spec, name), "via")
    return name


def _route(spec: MeshSpec, number: int, argument: str, place: int = 0) -> int:
    """Return the index of a route by its number."""
    if number > len(spec.routes):
        count = len(spec.routes)
        hint = f"there are {count}: see `routes`" if count else "there are no routes"
        raise EditError(f"there is no route {number}", hint, argument, place)
    return number - 1
