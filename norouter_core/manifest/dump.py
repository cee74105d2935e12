"""A `MeshSpec` as plain YAML: what a person would have written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml
from yaml.nodes import ScalarNode, SequenceNode

from norouter_core.manifest.compose import TAG
from norouter_core.model import HostOptions, HostSpec, MeshSpec, ProxySpec, Route


def dump(spec: MeshSpec) -> str:
    """Plain YAML which `load_text` reads back as an equal spec, if the spec is a valid one.

    Keys that NoRouter does not know (`agent`, `auth`, `dns`, `notTo`) are there only where the spec
    makes use of them. VIPs are always written out, allotted ones too, so that adding a host
    in front does not move them.
    """
    return block(tree(spec))


def tree(spec: MeshSpec) -> dict[str, Any]:
    """What `dump` writes, as mappings, lists, texts and flags; equal where specs are (but for the
    order of hosts)."""
    top: dict[str, Any] = {}
    if spec.template is not None:
        top["hostTemplate"] = _options(spec.template)
    top["hosts"] = {host.name: _host(host) for host in spec.hosts}
    if spec.routes:
        top["routes"] = [_route(route) for route in spec.routes]
    return top


def block(value: Any, indent: int = 2) -> str:
    """A part of a `tree` as lines, each entry of a mapping on its own."""
    return _dump(value, flow=False, indent=indent)


def inline(value: Any) -> str:
    """A part of a `tree` as text that may stand on a line, also within brackets."""
    return _dump([value], flow=True).rstrip("\n")[1:-1]


def quoting(text: str) -> str:
    """A text in double quotes, everything that is not printable escaped."""
    return inline(_Quoted(text))


def is_inline(value: Any) -> bool:
    """Whether `dump` writes a part of a `tree` on the line of its key."""
    return not value or isinstance(value, str | bool | _Words)


def _dump(value: Any, flow: bool, indent: int = 2) -> str:
    return yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=2**31,
        indent=indent,
    )


class _Quoted(str):
    """A text that is always quoted: YAML readers differ on `22:22:22` and its like."""


class _Words(list[_Quoted]):
    """A list that stays on one line."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(map(_Quoted, words))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        # Entries stand right of their key, as in every NoRouter example.
        super().increase_indent(flow, False)


def _represent_quoted(dumper: _Dumper, data: _Quoted) -> ScalarNode:
    return dumper.represent_scalar(TAG + "str", str(data), style='"')


def _represent_words(dumper: _Dumper, data: _Words) -> SequenceNode:
    return dumper.represent_sequence(TAG + "seq", data, flow_style=True)


_Dumper.add_representer(_Quoted, _represent_quoted)
_Dumper.add_representer(_Words, _represent_words)


def _host(host: HostSpec) -> dict[str, Any]:
    said: dict[str, Any] = {"vip": _Quoted(host.vip)}
    if host.cmd is not None:
        said["cmd"] = _Quoted(host.cmd) if isinstance(host.cmd, str) else _Words(host.cmd)
    if host.aliases:
        said["aliases"] = _Words(host.aliases)
    return said | _options(host.options)


def _options(options: HostOptions) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if options.ports:
        said["ports"] = [_Quoted(forward) for forward in options.ports]
    for key, proxy in (("http", options.http), ("socks", options.socks)):
        if proxy is not None:
            said[key] = _proxy(proxy)
    if options.dns is not None:
        said["dns"] = _only(port=options.dns.port, disable=options.dns.disable)
    if options.loopback is not None:
        said["loopback"] = {"disable": not options.loopback}
    if options.state_dir is not None:
        path, disable = options.state_dir.path, options.state_dir.disable
        said["stateDir"] = _only(pathOnAgent=path and _Quoted(path), disable=disable)
    if options.write_etc_hosts is not None:
        said["writeEtcHosts"] = options.write_etc_hosts
    if options.agent is not None:
        said["agent"] = options.agent.value
    return said


def _proxy(proxy: ProxySpec) -> dict[str, Any]:
    host = f"[{proxy.listen_host}]" if ":" in proxy.listen_host else proxy.listen_host
    listen = _Quoted(f"{host}:{proxy.listen_port}")
    return _only(listen=listen, auth=proxy.auth and _Quoted(proxy.auth))


def _route(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {"via": route.via, "to": _Words(route.to)}
    if route.not_to:
        said["notTo"] = _Words(route.not_to)
    return said


def _only(**said: Any) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not None}
