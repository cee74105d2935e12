"""Small meshes for the tests of routes."""

from __future__ import annotations

from norouter_core.model import Forward, Host, Route


def host(
    name: str, last: int, *, aliases: tuple[str, ...] = (), ports: tuple[Forward, ...] = ()
) -> Host:
    return Host(name, f"127.0.42.{last}", ("x",), aliases=aliases, ports=ports)


HOSTS = (
    host("Web", 101, aliases=("www.x",), ports=(Forward(80, "10.9.9.9", 8080),)),
    host("bastion", 102, ports=(Forward(22, "127.0.0.1", 22), Forward(53, "x", 53, "udp"))),
    host("other", 103),
    host("laptop", 100),
)


def route(via: str, to: str, not_to: str = "") -> Route:
    """A route from words separated by blanks."""
    return Route(via, tuple(to.split()), tuple(not_to.split()))
