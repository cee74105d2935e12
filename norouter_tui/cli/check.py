"""`norouter check`: the problems of a manifest, or a description of its mesh."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator

from rich.text import Text

from norouter_core.model import Forward, Host, MeshSpec, ProxySpec, Route, format_address
from norouter_core.names.files import ETC_HOSTS, state_dir
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.units import count
from norouter_tui.output.writers import line_printer
from norouter_tui.run.documents import load_manifest


def check_file(file: str) -> ExitCode:
    """Check the manifest `file` ('-' is stdin), print the result on stdout, return the status."""
    say = line_printer(sys.stdout)
    loaded = load_manifest(file, say)
    if loaded is None:
        return ExitCode.USAGE
    for line in describe(loaded.spec, loaded.name, len(loaded.warnings)):
        say(line)
    return ExitCode.OK


def describe(spec: MeshSpec, name: str, warnings: int = 0) -> list[Text]:
    """Return lines that describe a mesh: its hosts, VIPs and published ports."""
    hosts = list(spec.effective())
    ports = sum(len(host.ports) for host in hosts)
    facts = [count(len(hosts), "host"), count(ports, "port")]
    if spec.routes:
        facts.append(count(len(spec.routes), "route"))
    verdict = (f"{escape(name)}: valid", "bold green")
    if warnings:
        verdict = (f"{escape(name)}: no errors, {count(warnings, 'warning')}", "bold yellow")
    lines = [Text.assemble(verdict, f"; {', '.join(facts)}")]
    width = max((len(escape(host.name)) for host in hosts), default=0)
    for host in hosts:
        lines += _describe_host(host, width)
    lines += [_describe_route(route) for route in spec.routes]
    if public := list(_public_names(hosts)):
        text = f"  these names hide public ones: {', '.join(map(escape, public))}"
        lines.append(Text(text, style="yellow"))
    return lines


_PRIVATE = (".local", ".localhost", ".internal", ".test", ".example", ".invalid", ".home.arpa")
"""Ends of names that are never public."""


def _public_names(hosts: list[Host]) -> Iterator[str]:
    """Yield the names of hosts that may exist in the public DNS."""
    for host in hosts:
        for name in (host.name, *host.aliases):
            if "." in name.strip(".") and not name.lower().rstrip(".").endswith(_PRIVATE):
                yield name


def _describe_host(host: Host, width: int) -> list[Text]:
    names = "".join(f", also {escape(alias)}" for alias in host.aliases)
    where = "this machine" if host.argv is None else escape(shlex.join(host.argv))
    head = Text.assemble(
        "  ", (escape(host.name).ljust(width), "bold"), f"  {host.vip:<15}  {where}{names}"
    )
    ports = [
        Text(f"  {'':{width}}  {host.vip}:{port.listen}{udp} -> {escape(target)}{_peers(port)}")
        for port in host.ports
        for udp in ["/udp" if port.proto == "udp" else ""]
        for target in [format_address((port.host, port.port))]
    ]
    proxies = [
        Text(f"  {'':{width}}  {kind} proxy at {address}{asks}{_peers(proxy)}")
        for kind, proxy in (("HTTP", host.http), ("SOCKS", host.socks))
        if proxy is not None
        for address in [format_address((proxy.listen_host, proxy.listen_port))]
        for asks in [" (asks for user and password)" if proxy.auth else ""]
    ]
    notes = [*_users(host), *_written(host)]
    return [head, *ports, *proxies, *(Text(f"  {'':{width}}  {note}") for note in notes)]


def _peers(limited: Forward | ProxySpec | Route) -> str:
    """Return for whom a port, a proxy or a route is, unless it is for all."""
    peers = ", ".join(map(escape, limited.allow_from))
    return f" (only for {peers})" if peers else ""


def _users(host: Host) -> Iterator[str]:
    if host.checks_users:
        yield "accepts only connections of the user that runs norouter"


def _written(host: Host) -> Iterator[str]:
    """Yield what the mesh writes on a host, unless that is in the usual place."""
    if host.state_dir.path and not host.state_dir.disable:
        yield f"writes the files hosts, hostaliases and README in {escape(state_dir(host))}"
    if host.write_etc_hosts:
        yield f"adds its names to {ETC_HOSTS}"


def _describe_route(route: Route) -> Text:
    but = f", but not {', '.join(route.not_to)}" if route.not_to else ""
    return Text(escape(f"  via {route.via}: {', '.join(route.to)}{but}") + _peers(route))
