"""Verbs about hosts."""

from __future__ import annotations

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.verb import Argument, Option, Verb
from norouter_core.manifest.options import OPTION_KEYS

_HOST = Argument("host", ArgumentType.HOST, "a host of the mesh, by its name or an alias")

_OPTIONS = tuple(
    Option(row.flag, ArgumentType(row.type.argument), row.help, row.metavar)
    for row in OPTION_KEYS
    if row.flag
)
"""What hosts and the template both have; `default` unsets each."""

HOSTS = (
    Verb(
        ("host", "add"),
        "add a host, by the exec command that leads to it",
        """The command is what you would type to get a shell there, without a terminal:
`docker exec -i web`, `ssh db`, `kubectl exec -i pod --`. Typed or pasted alone, without `host add`,
it is a host as well: stdin is then attached and a terminal taken off where that is needed. NAME and
the VIP are inferred where they are left out. Without CMD the host is this machine.""",
        (
            Argument("name", ArgumentType.NAME, "what the mesh calls it", optional=True),
            Argument("cmd", ArgumentType.CMD, "the exec command", optional=True),
        ),
        (
            Option("vip", ArgumentType.VIP, "its address, of 127.0.0.0/8", "IP"),
            Option("alias", ArgumentType.NAME, "another name of it", "NAME", many=True),
            Option("port", ArgumentType.FORWARD, "a port to publish", "SPEC", many=True),
            *_OPTIONS,
        ),
        (("add",),),
        (
            "host add db --vip 127.0.42.50 --port 5432:127.0.0.1:5432 -- env sh",
            "host add --alias www -- env -u LC_ALL sh",
        ),
        changes=True,
        waits=True,
    ),
    Verb(
        ("host", "rm"),
        "remove hosts, and the routes that lead through them",
        arguments=(Argument("host", ArgumentType.HOST, "a host of the mesh", many=True),),
        aliases=(("host", "remove"), ("host", "delete"), ("rm",)),
        examples=("host rm app",),
        changes=True,
    ),
    Verb(
        ("host", "rename"),
        "give a host another name; routes follow",
        "The host is started anew, since its name is how the mesh knows it.",
        (_HOST, Argument("name", ArgumentType.NAME, "the new name")),
        examples=("host rename app shop",),
        changes=True,
        waits=True,
    ),
    Verb(
        ("host", "set"),
        "change a host: its command, VIP, aliases, options",
        "Another command starts the host anew; another VIP moves its ports. `default` takes an\n"
        "option back to what the template says, or norouter.",
        (_HOST, Argument("cmd", ArgumentType.CMD, "another exec command", optional=True)),
        (
            Option("vip", ArgumentType.VIP, "another address", "IP"),
            Option("alias", ArgumentType.NAME, "one more name of it", "NAME", many=True),
            Option("no-alias", ArgumentType.NAME, "an alias that it loses", "NAME", many=True),
            *_OPTIONS,
            Option("here", None, "it is this machine: no command leads there"),
        ),
        examples=("host set app --alias api --loopback off", "host set app -- env -u TERM sh"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("host", "restart"),
        "start hosts anew, at once",
        "Also ends the waiting of a host that backs off, and the rest of one that has failed.",
        (Argument("host", ArgumentType.HOST, "a host of the mesh", many=True),),
        aliases=(("restart",), ("reconnect",)),
        examples=("host restart app --wait",),
        waits=True,
    ),
    Verb(
        ("host", "stop"),
        "stop hosts until they are started again; they stay in the mesh",
        arguments=(Argument("host", ArgumentType.HOST, "a host of the mesh", many=True),),
        examples=("host stop app",),
    ),
    Verb(
        ("host", "start"),
        "start hosts that were stopped",
        arguments=(Argument("host", ArgumentType.HOST, "a host of the mesh", many=True),),
        examples=("host stop app", "host start app --wait"),
        waits=True,
    ),
    Verb(
        ("template", "set"),
        "change what every host has that says nothing else",
        arguments=(),
        options=(
            Option("port", ArgumentType.FORWARD, "a port of every host", "SPEC", many=True),
            Option(
                "no-port", ArgumentType.PORT, "a port that the template loses", "PORT", many=True
            ),
            Option("http", ArgumentType.ADDRESS, "an HTTP proxy on every host", "IP:PORT|off"),
            Option("socks", ArgumentType.ADDRESS, "a SOCKS proxy on every host", "IP:PORT|off"),
            Option("auth", ArgumentType.AUTH, "what the proxies set here demand", "USER:PASSWORD"),
            *_OPTIONS,
        ),
        examples=("template set --etc-hosts off --agent python", "template set --port 2222:22"),
        changes=True,
    ),
)
