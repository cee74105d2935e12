"""The mesh as a value: frozen, free of I/O, with the same meaning as a manifest.

Every front end changes the mesh by mapping one `MeshSpec` to the next. `norouter_core.manifest`
reads and writes it as YAML, and `norouter_core.engine` applies it.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, TypeVar

from norouter_core.wire.codes import TCP

VIP_POOL = "127.0.42.0/24"
"""The pool from which hosts without a VIP get theirs."""

DEFAULT_STATE_DIR = "~/.norouter/agent"

DEFAULT_DNS_PORT = 10053
"""The port of the mesh's DNS at a VIP, the same as NoRouter's."""


def format_address(address: tuple[str, int]) -> str:
    """Return `HOST:PORT`, with an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a target's host is the machine that dials it."""
    if host.casefold().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AgentMode(StrEnum):
    """How the agent starts on a host."""

    AUTO = "auto"
    """`NOROUTER` if the command's last word is a `norouter` that starts a current agent; else
    `PYTHON`, and `NATIVE` where no Python works."""
    PYTHON = "python"
    """Zero install: a bare `sh` and any Python >= 3.8 on the host."""
    NATIVE = "native"
    """The native agent is sent to a bare `sh`; the host needs no Python."""
    NOROUTER = "norouter"
    """This project's `norouter` is installed; `agent --automated` is appended to the command."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One published port: `LISTEN:HOST:PORT[/tcp]`, or `/udp`, which NoRouter does not know.

    `listen` is the port at the host's VIP; `host` and `port` are what the host connects to. `host`
    is an IP literal (IPv6 without brackets) or a name, which the host resolves for each connection.
    """

    listen: int
    host: str
    port: int
    proto: str = TCP
    allow_from: tuple[str, ...] = ()
    """The hosts and networks whose clients may connect; empty for all hosts of the mesh."""

    def __str__(self) -> str:
        suffix = "" if self.proto == TCP else f"/{self.proto}"
        return f"{self.listen}:{format_address((self.host, self.port))}{suffix}"


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """The address of a proxy on a host. `auth` is `USER:PASSWORD`, or None for an open proxy."""

    listen_host: str
    listen_port: int
    auth: str | None = None
    allow_from: tuple[str, ...] = ()
    """As for a port, but empty for everybody who can connect."""
    open: bool | None = None
    """Whether it is meant to be open to other machines without `auth` or `allow_from`."""

    @property
    def is_loopback(self) -> bool:
        """Whether only its host can connect."""
        return self.listen_host.startswith("127.") or self.listen_host == "::1"


@dataclass(frozen=True, slots=True)
class StateDir:
    """Where the agent keeps its names files; the host expands `~` and `${VAR}` in `path`."""

    path: str | None = None
    disable: bool | None = None


@dataclass(frozen=True, slots=True)
class DnsSpec:
    """The mesh's DNS at a host's VIP: its port there, on every host, or none."""

    port: int | None = None
    disable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What both a host and the host template may set. None means "not set here".

    `norouter_core.manifest.options` has a row for each field: its key, type and description.
    """

    ports: tuple[Forward, ...] = ()
    http: ProxySpec | None = None
    socks: ProxySpec | None = None
    transparent: int | None = None
    """The port of a transparent proxy, to which a rule of the host's kernel redirects clients."""
    dns: DnsSpec | None = None
    loopback: bool | None = None
    """Whether the mesh's ports are served at the VIPs on this host."""
    state_dir: StateDir | None = None
    write_etc_hosts: bool | None = None
    open: bool | None = None
    """Whether other machines may use ports at a VIP that is not a loopback address."""
    only_user: bool | None = None
    """Whether the listeners of this machine accept connections of norouter's own user only."""
    agent: AgentMode | None = None
    python: str | None = None
    """The Python that runs the agent, by a path or a name on the host's `PATH`."""


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host as the manifest has it. `cmd` is the exec command (None: this machine)."""

    name: str
    vip: str
    cmd: str | tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    options: HostOptions = field(default_factory=HostOptions)


@dataclass(frozen=True, slots=True)
class Route:
    """Names and networks that are reached through a host; a later route wins over an earlier one.

    `via` is a host's name or VIP; `to` and `not_to` contain CIDRs and hostname globs.
    """

    via: str
    to: tuple[str, ...]
    not_to: tuple[str, ...] = ()
    allow_from: tuple[str, ...] = ()
    """The hosts whose clients the route is for; empty for all."""


@dataclass(frozen=True, slots=True)
class Host(HostOptions):
    """A host with the template merged in, and the defaults of what neither sets."""

    name: str
    vip: str
    argv: tuple[str, ...] | None
    """The exec command split into words; None is this machine."""
    aliases: tuple[str, ...] = ()
    _: KW_ONLY
    dns: DnsSpec = field(default_factory=DnsSpec)
    loopback: bool = True
    state_dir: StateDir = field(default_factory=StateDir)
    write_etc_hosts: bool = False
    open: bool = False
    only_user: bool = False
    agent: AgentMode = AgentMode.AUTO
    python: str = ""

    @property
    def is_local(self) -> bool:
        return self.argv is None

    @property
    def checks_users(self) -> bool:
        """Whether its listeners accept connections of norouter's own user only."""
        return self.only_user and self.is_local

    @property
    def dns_port(self) -> int | None:
        """The port of the mesh's DNS at this host's VIP, or None if it is disabled."""
        return None if self.dns.disable else self.dns.port or DEFAULT_DNS_PORT


@dataclass(frozen=True, slots=True)
class MeshSpec:
    """A whole mesh.

    `norouter_core.manifest` checks the invariants when it makes one: unique names, aliases and
    VIPs, valid ports, and routes via known hosts.
    """

    hosts: tuple[HostSpec, ...] = ()
    routes: tuple[Route, ...] = ()
    template: HostOptions | None = None

    def host(self, name: str) -> HostSpec | None:
        """Return the host of that name or alias (case-insensitive), or None."""
        wanted = name.casefold()
        for host in self.hosts:
            if wanted == host.name.casefold() or wanted in map(str.casefold, host.aliases):
                return host
        return None

    def effective(self) -> Iterator[Host]:
        """Yield every host with the template merged in, in the manifest's order.

        The template's ports are appended to a host's own, except those with a listen port that the
        host publishes itself. For everything else the host's own value wins.

        Raises:
            ValueError: `shlex` cannot split a `cmd` string (unbalanced quotes).
        """
        for host in self.hosts:
            yield _merge(host, self.template or HostOptions())

    def with_allow_from(self, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> MeshSpec:
        """Return this spec with every `allow_from` that is not empty replaced."""

        def changed(options: HostOptions) -> HostOptions:
            ports = tuple(_allowing(port, change) for port in options.ports)
            http, socks = (x and _allowing(x, change) for x in (options.http, options.socks))
            return replace(options, ports=ports, http=http, socks=socks)

        hosts = tuple(replace(host, options=changed(host.options)) for host in self.hosts)
        routes = tuple(_allowing(route, change) for route in self.routes)
        template = self.template and changed(self.template)
        return replace(self, hosts=hosts, routes=routes, template=template)

    def with_host(self, host: HostSpec) -> MeshSpec:
        """Return this spec with `host` instead of the one of the same name, or appended."""
        if any(known.name == host.name for known in self.hosts):
            hosts = tuple(host if known.name == host.name else known for known in self.hosts)
        else:
            hosts = (*self.hosts, host)
        return replace(self, hosts=hosts)

    def without_hosts(self, *names: str) -> MeshSpec:
        """Return this spec without the hosts of exactly these names."""
        return replace(self, hosts=tuple(h for h in self.hosts if h.name not in names))


_Limited = TypeVar("_Limited", Forward, ProxySpec, Route)


def _allowing(value: _Limited, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> _Limited:
    return replace(value, allow_from=change(value.allow_from)) if value.allow_from else value


def split_cmd(cmd: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the words of an exec command; a string is split as a POSIX shell would.

    Raises:
        ValueError: A string has unbalanced quotes.
    """
    return tuple(shlex.split(cmd)) if isinstance(cmd, str) else cmd


def _merge(host: HostSpec, template: HostOptions) -> Host:
    own = host.options
    merged: dict[str, Any] = {}
    for option in fields(HostOptions):
        value = getattr(own, option.name)
        value = getattr(template, option.name) if value is None else value
        if value is not None:
            merged[option.name] = value
    taken = {(forward.listen, forward.proto) for forward in own.ports}
    inherited = tuple(f for f in template.ports if (f.listen, f.proto) not in taken)
    merged["ports"] = own.ports + inherited
    return Host(host.name, host.vip, split_cmd(host.cmd), host.aliases, **merged)
