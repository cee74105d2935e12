"""Verbs that look at a mesh, and at what flows in it."""

from __future__ import annotations

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.verb import Argument, Option, Verb

_HOST = Argument("host", ArgumentType.HOST, "a host of the mesh")
_STREAM = Argument("stream", ArgumentType.STREAM, "its number, as `streams` shows it")

LISTINGS = (
    Verb(
        ("status",),
        "how the mesh stands, in one line",
        aliases=(("st",),),
        examples=("status", "status --json"),
        lists=True,
    ),
    Verb(
        ("hosts",),
        "the hosts: state, VIP, round trip, traffic, command",
        aliases=(("ls",), ("host", "ls"), ("host", "list")),
        examples=("hosts", "hosts --json"),
        lists=True,
    ),
    Verb(
        ("ports",),
        "the published ports, and where each is listened for",
        arguments=(Argument("host", ArgumentType.HOST, "only those of this host", optional=True),),
        options=(Option("all", None, "those of DNS as well, which every VIP has"),),
        aliases=(("port", "ls"), ("port", "list")),
        examples=("ports", "ports app --all"),
        lists=True,
    ),
    Verb(
        ("routes",),
        "the routes, in their order",
        aliases=(("route", "ls"), ("route", "list")),
        examples=("routes",),
        lists=True,
    ),
    Verb(
        ("streams",),
        "the open streams, or those that a filter matches",
        """Every term of FILTER must hold; a `!` in front turns one round:
  host:db from:web to:db   hosts (* and ? match)    target:5432 client:127.0.0.1
  state:open               opening, open, half-closed, closed
  by:http                  loopback, http, socks, dns
  bytes>1M sent>1k received<2G rate>=100k age<10s id=7
  text                     stands somewhere in the row""",
        (
            Argument(
                "filter", ArgumentType.FILTER, "terms that must hold", optional=True, many=True
            ),
        ),
        (Option("follow", None, "then each that opens or closes, until interrupted"),),
        aliases=(("stream", "ls"), ("stream", "list")),
        examples=("streams", "streams host:app bytes>1M age<10s state:open"),
        lists=True,
        streams=True,
    ),
    Verb(
        ("log",),
        "the last lines of the log: of all hosts, or of one",
        arguments=(Argument("host", ArgumentType.HOST, "only of this host", optional=True),),
        options=(
            Option("lines", ArgumentType.COUNT, "how many at most (50)", "N"),
            Option("follow", None, "go on as they come, until interrupted"),
        ),
        examples=("log", "log app --lines 5"),
        lists=True,
        streams=True,
    ),
)

STREAMS = (
    Verb(
        ("stream", "kill"),
        "reset streams at both ends",
        arguments=(Argument("stream", ArgumentType.STREAM, "its number", many=True),),
        aliases=(("kill",),),
        examples=("stream kill 1",),
    ),
    Verb(
        ("stream", "show"),
        "all that is known of a stream",
        arguments=(_STREAM,),
        examples=("stream show 1",),
        lists=True,
    ),
    Verb(
        ("stream", "tap"),
        "show the bytes of a stream as they pass",
        "Ends with the stream, after --for, or when it is interrupted. A stream that a host\n"
        "serves to itself cannot be tapped: its bytes do not come by here.",
        (_STREAM,),
        (
            Option("for", ArgumentType.SECONDS, "how long", "TIME"),
            Option("hex", None, "as a hex dump"),
            Option("text", None, "as text, whatever it is; without either, as what it looks like"),
        ),
        aliases=(("tap",),),
        examples=("stream tap 1 --for 100ms",),
        streams=True,
    ),
)

HOST_TOOLS = (
    Verb(
        ("ping",),
        "measure the round trip to a host's agent",
        arguments=(_HOST,),
        options=(Option("count", ArgumentType.COUNT, "how many times (4)", "N"),),
        examples=("ping app --count 1",),
        lists=True,
        streams=True,
    ),
    Verb(
        ("resolve",),
        "look a name up as a host sees it",
        arguments=(_HOST, Argument("name", ArgumentType.DNS_NAME, "the name")),
        aliases=(("dig",),),
        examples=("resolve app localhost",),
        lists=True,
    ),
    Verb(
        ("exec",),
        "run a command on a host, by its own exec command",
        "Its stdin is empty; it ends with the command's exit status.",
        (_HOST, Argument("cmd", ArgumentType.CMD, "the command and its arguments")),
        examples=("exec app -- echo hello",),
        streams=True,
    ),
    Verb(
        ("wait",),
        "wait until hosts, or all of the mesh, are ready",
        arguments=(Argument("host", ArgumentType.HOST, "only these", optional=True, many=True),),
        options=(Option("timeout", ArgumentType.SECONDS, "how long at most (60s)", "TIME"),),
        examples=("wait", "wait app --timeout 30s"),
    ),
)
