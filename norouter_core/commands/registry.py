"""Every verb, as data: the one vocabulary of all front ends.

To add a verb, add a row here and its handler in `norouter_core.session.handlers`; one that changes
the mesh is a function from spec to spec in `norouter_core.commands.edits`.
"""

from __future__ import annotations

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.verb import Argument, Option, Verb
from norouter_core.manifest.options import OPTION_KEYS

_HOST = Argument("host", ArgumentType.HOST, "the name or an alias of a host")
_HOSTS = Argument("host", ArgumentType.HOST, "the name or an alias of a host", many=True)

_OPTIONS = tuple(
    Option(row.flag, ArgumentType(row.type.argument), row.help, row.metavar)
    for row in OPTION_KEYS
    if row.flag
)
"""What both hosts and the template can set; `default` unsets it."""

HOSTS = (
    Verb(
        ("host", "add"),
        "add a host, by the exec command that reaches it",
        """The command is what you would type to get a shell there, without a terminal:
`docker exec -i web`, `ssh db`, `kubectl exec -i pod --`. Typed or pasted alone, without `host add`,
it adds a host as well; norouter then attaches stdin and drops a terminal if necessary. If you
leave out NAME or the VIP, norouter chooses one. Without CMD, the host is this machine.""",
        (
            Argument("name", ArgumentType.NAME, "its name in the mesh", optional=True),
            Argument("cmd", ArgumentType.CMD, "the exec command", optional=True),
        ),
        (
            Option("vip", ArgumentType.VIP, "its address, in 127.0.0.0/8", "IP"),
            Option("alias", ArgumentType.NAME, "another name", "NAME", many=True),
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
        "remove hosts, and the routes through them",
        arguments=(_HOSTS,),
        aliases=(("host", "remove"), ("host", "delete"), ("rm",)),
        examples=("host rm app",),
        changes=True,
    ),
    Verb(
        ("host", "rename"),
        "rename a host, and change its routes to match",
        "The host restarts.",
        (_HOST, Argument("name", ArgumentType.NAME, "the new name")),
        examples=("host rename app shop",),
        changes=True,
        waits=True,
    ),
    Verb(
        ("host", "set"),
        "change a host: its command, VIP, aliases, options",
        "A new command restarts the host; a new VIP moves its ports. `default` unsets an option,\n"
        "so that the template or norouter decides.",
        (_HOST, Argument("cmd", ArgumentType.CMD, "a new exec command", optional=True)),
        (
            Option("vip", ArgumentType.VIP, "a new address", "IP"),
            Option("alias", ArgumentType.NAME, "another name", "NAME", many=True),
            Option("no-alias", ArgumentType.NAME, "an alias to remove", "NAME", many=True),
            *_OPTIONS,
            Option("here", None, "make it this machine, without a command"),
        ),
        examples=("host set app --alias api --loopback off", "host set app -- env -u TERM sh"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("host", "restart"),
        "restart hosts now",
        "A host that backs off does not wait any longer, and one that failed tries again.",
        (_HOSTS,),
        aliases=(("restart",), ("reconnect",)),
        examples=("host restart app --wait",),
        waits=True,
    ),
    Verb(
        ("host", "stop"),
        "stop hosts, without removing them from the mesh",
        arguments=(_HOSTS,),
        examples=("host stop app",),
    ),
    Verb(
        ("host", "start"),
        "start stopped hosts",
        arguments=(_HOSTS,),
        examples=("host stop app", "host start app --wait"),
        waits=True,
    ),
    Verb(
        ("template", "set"),
        "change the defaults of all hosts",
        options=(
            Option("port", ArgumentType.FORWARD, "a port of every host", "SPEC", many=True),
            Option("no-port", ArgumentType.PORT, "a port to remove", "PORT", many=True),
            Option("http", ArgumentType.ADDRESS, "an HTTP proxy on every host", "IP:PORT|off"),
            Option("socks", ArgumentType.ADDRESS, "a SOCKS proxy on every host", "IP:PORT|off"),
            Option("auth", ArgumentType.AUTH, "for these proxies", "USER:PASSWORD"),
            *_OPTIONS,
        ),
        examples=("template set --etc-hosts off --agent python", "template set --port 2222:22"),
        changes=True,
    ),
)

_PROXY = (
    _HOST,
    Argument("address", ArgumentType.ADDRESS, "where it listens on that host, IP:PORT, or off"),
)
_ALLOW_FROM = Option(
    "allow-from", ArgumentType.PEER, "a host or network that may connect", "PEER", many=True
)
_PROXY_OPTIONS = (
    Option("auth", ArgumentType.AUTH, "require a user and a password", "USER:PASSWORD"),
    _ALLOW_FROM,
    Option("open", None, "let other machines use it without a password"),
)
_SPEC = "LISTEN:HOST:PORT as the host sees it; 8080:80 and 80 mean localhost"

PORTS = (
    Verb(
        ("port", "add"),
        "publish ports of a host at its VIP",
        "A SPEC is LISTEN:HOST:PORT[/PROTO]: the port at the VIP, and the address the host dials.",
        (_HOST, Argument("spec", ArgumentType.FORWARD, _SPEC, many=True)),
        (_ALLOW_FROM,),
        examples=("port add app 8081:127.0.0.1:81", "port add app 8082:82 83"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("port", "rm"),
        "stop publishing ports, and cut their streams",
        arguments=(_HOST, Argument("port", ArgumentType.PORT, "its port at the VIP", many=True)),
        aliases=(("port", "remove"), ("port", "delete")),
        examples=("port rm app 8080",),
        changes=True,
    ),
    Verb(
        ("port", "retarget"),
        "change the target of a published port",
        "The port keeps listening; only streams to the old target are cut. Who may connect stays "
        "as it is, unless --allow-from names others.",
        (_HOST, Argument("spec", ArgumentType.FORWARD, _SPEC)),
        (_ALLOW_FROM,),
        examples=("port retarget app 8080:127.0.0.1:81",),
        changes=True,
        waits=True,
    ),
)

ROUTES = (
    Verb(
        ("route", "add"),
        "route names and networks through a host",
        """The mesh's proxies and DNS follow routes. If several match, the last one wins.
A TARGET is a network (10.0.0.0/8) or a name (*.example.com).""",
        (
            Argument("via", ArgumentType.HOST, "the host that dials, or its VIP"),
            Argument("target", ArgumentType.TARGET, "a network or a glob of names", many=True),
        ),
        (
            Option("not", ArgumentType.TARGET, "a part to leave out", "TARGET", many=True),
            Option("at", ArgumentType.ROUTE, "its number; by default, the last", "NUMBER"),
            Option("allow-from", ArgumentType.PEER, "a host that may use it", "HOST", many=True),
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
        "change the order of routes: a later one wins",
        arguments=(
            Argument("number", ArgumentType.ROUTE, "the route to move"),
            Argument("to", ArgumentType.ROUTE, "its new number"),
        ),
        examples=("route move 1 2",),
        changes=True,
    ),
)

PROXIES = tuple(
    Verb(
        ("proxy", kind),
        f"start or stop {title} proxy on a host",
        arguments=_PROXY,
        options=_PROXY_OPTIONS,
        examples=examples,
        changes=True,
        waits=True,
    )
    for kind, title, examples in (
        (
            "http",
            "an HTTP",
            ("proxy http local 127.0.0.1:18080 --auth me:secret", "proxy http local off"),
        ),
        (
            "socks",
            "a SOCKS",
            ("proxy socks local 127.0.0.1:11080", "proxy socks local off"),
        ),
    )
)

_STREAM = Argument("stream", ArgumentType.STREAM, "its number, as `streams` shows it")

LISTINGS = (
    Verb(
        ("status",),
        "the state of the mesh, in one line",
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
        "the published ports, and where they listen",
        arguments=(Argument("host", ArgumentType.HOST, "only those of this host", optional=True),),
        options=(Option("all", None, "also the DNS ports, and all listeners of a large mesh"),),
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
        "the open streams, or those that match a filter",
        """Every term of FILTER must hold; `!` in front negates one:
  host:db from:web to:db   hosts (* and ? match)    target:5432 client:127.0.0.1
  state:open               opening, open, half-closed, closed
  by:http                  loopback, http, socks, dns, transparent
  bytes>1M sent>1k received<2G rate>=100k age<10s id=7
  text                     is anywhere in the row""",
        (
            Argument(
                "filter", ArgumentType.FILTER, "terms that must all hold", optional=True, many=True
            ),
        ),
        (Option("follow", None, "keep showing streams that open or close, until interrupted"),),
        aliases=(("stream", "ls"), ("stream", "list")),
        examples=("streams", "streams host:app bytes>1M age<10s state:open"),
        lists=True,
        streams=True,
    ),
    Verb(
        ("log",),
        "the last lines of the log, of all hosts or of one",
        arguments=(Argument("host", ArgumentType.HOST, "only of this host", optional=True),),
        options=(
            Option("lines", ArgumentType.COUNT, "how many at most (50)", "N"),
            Option("follow", None, "keep showing new lines, until interrupted"),
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
        "the details of a stream",
        arguments=(_STREAM,),
        examples=("stream show 1",),
        lists=True,
    ),
    Verb(
        ("stream", "tap"),
        "show the bytes of a stream as they pass",
        "It ends with the stream, after --for, or when you interrupt it. A stream from a host to\n"
        "itself cannot be tapped, because its bytes do not pass through here.",
        (_STREAM,),
        (
            Option("for", ArgumentType.SECONDS, "how long", "TIME"),
            Option("hex", None, "as a hex dump"),
            Option("text", None, "as text; without --hex or --text, norouter chooses"),
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
        "look up a name on a host",
        arguments=(_HOST, Argument("name", ArgumentType.DNS_NAME, "the name")),
        aliases=(("dig",),),
        examples=("resolve app localhost",),
        lists=True,
    ),
    Verb(
        ("exec",),
        "run a command on a host",
        "Its stdin is empty. The exit status is that of the command.",
        (_HOST, Argument("cmd", ArgumentType.CMD, "the command and its arguments")),
        examples=("exec app -- echo hello",),
        streams=True,
    ),
    Verb(
        ("wait",),
        "wait until all hosts, or some, are ready",
        arguments=(Argument("host", ArgumentType.HOST, "only these", optional=True, many=True),),
        options=(Option("timeout", ArgumentType.SECONDS, "how long at most (60s)", "TIME"),),
        examples=("wait", "wait app --timeout 30s"),
    ),
)

_TIMES = (Argument("times", ArgumentType.COUNT, "how many changes (1)", optional=True),)

HISTORY = (
    Verb(
        ("undo",),
        "undo the last change",
        arguments=_TIMES,
        aliases=(("u",),),
        examples=("port add app 90", "undo"),
        changes=True,
        waits=True,
    ),
    Verb(
        ("redo",),
        "redo the last change that was undone",
        arguments=_TIMES,
        examples=("port add app 90", "undo", "redo"),
        changes=True,
        waits=True,
    ),
)

FILES = (
    Verb(("diff",), "what `save` would change in the file", examples=("diff",)),
    Verb(
        ("save",),
        "write the manifest",
        "A file that was loaded keeps its comments, order and quoting.",
        (Argument("file", ArgumentType.FILE, "by default, the session's file", optional=True),),
        (Option("force", None, "replace an existing file"),),
        examples=("save {directory}/saved.yaml",),
    ),
    Verb(
        ("load",),
        "replace the mesh with that of a manifest",
        "Whatever is in both keeps running. `undo` brings back the old mesh.",
        (Argument("file", ArgumentType.FILE, "a manifest"),),
        (Option("keep", None, "keep the session's file, for `save`"),),
        examples=("save {directory}/other.yaml", "load {directory}/other.yaml"),
        changes=True,
        waits=True,
    ),
    Verb(("export",), "print the manifest as it would be saved", examples=("export",)),
    Verb(
        ("revert",),
        "discard all unsaved changes",
        "The mesh is that of the session's file again. `undo` brings back the changes.",
        examples=("revert",),
        changes=True,
    ),
    Verb(
        ("recover",),
        "list or bring back unsaved work of sessions that ended",
        "Without a number, it lists the work; with one, the mesh becomes that work.",
        (Argument("number", ArgumentType.COUNT, "its number in the list", optional=True),),
        (Option("drop", None, "delete it instead"),),
        examples=("recover",),
        changes=True,
        lists=True,
    ),
)

SESSION = (
    Verb(
        ("help",),
        "list the commands, or explain one",
        arguments=(Argument("verb", ArgumentType.VERB, "a command", optional=True, many=True),),
        options=(Option("markdown", None, "the reference of all commands"),),
        aliases=(("?",), ("h",)),
        examples=("help", "help host add"),
    ),
    Verb(
        ("quit",),
        "end the session and the mesh",
        "If nobody can be asked, unsaved changes are kept for `recover`.",
        options=(
            Option("save", None, "save first"),
            Option("discard", None, "discard unsaved changes"),
        ),
        aliases=(("exit",), ("q",), ("bye",)),
        examples=("quit",),
    ),
)

GROUPS: tuple[tuple[str, tuple[Verb, ...]], ...] = (
    ("Hosts", HOSTS),
    ("Ports", PORTS),
    ("Routes", ROUTES),
    ("Proxies", PROXIES),
    ("Status", LISTINGS),
    ("Streams", STREAMS),
    ("On hosts", HOST_TOOLS),
    ("History", HISTORY),
    ("Files", FILES),
    ("Session", SESSION),
)
"""The verbs under their headings, in the order of help."""

VERBS: tuple[Verb, ...] = tuple(verb for _, verbs in GROUPS for verb in verbs)

BY_WORDS: dict[tuple[str, ...], Verb] = {
    words: verb for verb in VERBS for words in (verb.words, *verb.aliases)
}
"""Every verb by its words and by its aliases."""

FIRST_WORDS: frozenset[str] = frozenset(words[0] for words in BY_WORDS)

MAX_WORDS = max(map(len, BY_WORDS))
"""The largest number of words of a verb."""
