"""Verbs about ports, routes and proxies."""

from __future__ import annotations

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.verb import Argument, Option, Verb

_HOST = Argument("host", ArgumentType.HOST, "a host of the mesh, by its name or an alias")
_PROXY = (
    _HOST,
    Argument("address", ArgumentType.ADDRESS, "where it listens on that host, IP:PORT, or off"),
)
_AUTH = (Option("auth", ArgumentType.AUTH, "demand a user and a password", "USER:PASSWORD"),)
_SPEC = "LISTEN:HOST:PORT, as the host sees it; 8080:80 and 80 mean 127.0.0.1"

PORTS = (
    Verb(
        ("port", "add"),
        "publish ports of a host at its VIP",
        "A SPEC is LISTEN:HOST:PORT[/PROTO]: the port at the VIP, and what the host dials.",
        (_HOST, Argument("spec", ArgumentType.FORWARD, _SPEC, many=True)),
        examples=("port add app 8081:127.0.0.1:81", "port add app 8082:82 83"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("port", "rm"),
        "publish ports no longer; their streams are cut",
        arguments=(_HOST, Argument("port", ArgumentType.PORT, "its port at the VIP", many=True)),
        aliases=(("port", "remove"), ("port", "delete")),
        examples=("port rm app 8080",),
        changes=True,
    ),
    Verb(
        ("port", "retarget"),
        "let a published port lead elsewhere",
        "It goes on listening; only streams to the old target are cut.",
        (_HOST, Argument("spec", ArgumentType.FORWARD, _SPEC)),
        examples=("port retarget app 8080:127.0.0.1:81",),
        changes=True,
        waits=True,
    ),
)

ROUTES = (
    Verb(
        ("route", "add"),
        "let names and networks be reached through a host",
        """Proxies and DNS of the mesh ask the routes; of those that match, the last one wins.
A TARGET is a network (10.0.0.0/8) or a name (*.example.com).""",
        (
            Argument("via", ArgumentType.HOST, "the host that dials, or its VIP"),
            Argument("target", ArgumentType.TARGET, "a network or a glob of names", many=True),
        ),
        (
            Option("not", ArgumentType.TARGET, "what is left out of it", "TARGET", many=True),
            Option("at", ArgumentType.ROUTE, "its number; the last if left out", "NUMBER"),
        ),
        examples=("route add app 10.1.0.0/16 *.corp.example --not 10.1.9.0/24",),
        changes=True,
    ),
    Verb(
        ("route", "rm"),
        "remove routes, by their numbers",
        arguments=(Argument("number", ArgumentType.ROUTE, "as `routes` shows it", many=True),),
        aliases=(("route", "remove"), ("route", "delete")),
        examples=("route rm 1",),
        changes=True,
    ),
    Verb(
        ("route", "move"),
        "change the order of the routes: a later one wins",
        arguments=(
            Argument("number", ArgumentType.ROUTE, "the route to move"),
            Argument("to", ArgumentType.ROUTE, "the number that it gets"),
        ),
        examples=("route move 1 2",),
        changes=True,
    ),
)

PROXIES = (
    Verb(
        ("proxy", "http"),
        "serve an HTTP proxy on a host, or no longer",
        arguments=_PROXY,
        options=_AUTH,
        examples=("proxy http local 127.0.0.1:18080 --auth me:secret", "proxy http local off"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("proxy", "socks"),
        "serve a SOCKS proxy on a host, or no longer",
        arguments=_PROXY,
        options=_AUTH,
        examples=("proxy socks local 127.0.0.1:11080", "proxy socks local off"),
        changes=True,
        waits=True,
    ),
)
