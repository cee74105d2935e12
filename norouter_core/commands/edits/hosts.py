"""Edits of hosts and of the template."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from norouter_core.commands.call import Call
from norouter_core.commands.edits.base import (
    Edit,
    EditError,
    add_forwards,
    check_listeners,
    check_name,
    check_vip,
    checked_proxy,
    host_of,
    host_of_route,
    hosts_of,
    keep_routes,
    remove_forwards,
)
from norouter_core.commands.tokenizer import join
from norouter_core.exec_commands.lint import lint
from norouter_core.exec_commands.pasted import infer_name, normalize
from norouter_core.manifest.options import OPTION_KEYS
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.values import allocate_vip
from norouter_core.model import AgentMode, HostOptions, HostSpec, MeshSpec, ProxySpec
from norouter_core.sanitize import quote

LOCAL = "local"
"""The default name of this machine."""


def new_mesh(in_use: Collection[str] = ()) -> MeshSpec:
    """Return the mesh of a session without a manifest: this machine.

    Args:
        in_use: Addresses of this machine that others use.
    """
    return MeshSpec((HostSpec(LOCAL, allocate_vip((), in_use, is_local=True)),))


def add_host(spec: MeshSpec, call: Call, in_use: Collection[str] = ()) -> Edit:
    """Add a host.

    Args:
        in_use: Addresses of this machine that others use. The host gets one only by `--vip`.
    """
    words = call.all("cmd")
    if call.pasted:
        words = normalize(words)
    name = call.get("name") or _infer_name(spec, words)
    check_name(spec, name, "name")
    aliases = call.all("alias")
    for number, alias in enumerate(aliases):
        check_name(spec, alias, "alias", number)
    _check_unique((name, *aliases), "alias")
    vip = _vip(spec, call, in_use, is_local=not words)
    options = _options(call, HostOptions(ports=add_forwards((), call.all("port"), name, "port")))
    host = HostSpec(name, vip, _cmd(words), aliases, options)
    data = {"host": name, "vip": vip, "cmd": join(words)}
    message = f"host {name}, {vip}" + (f": {join(words)}" if words else ", this machine")
    message += _lint_note(words, options.agent)
    return Edit(check_listeners(spec.with_host(host), "port"), message, (name,), data)


def remove_hosts(spec: MeshSpec, call: Call) -> Edit:
    gone = {host.name for host in hosts_of(spec, call)}
    kept, dropped = [], 0
    for route in spec.routes:
        host = host_of_route(spec, route)
        if host is not None and host.name in gone:
            dropped += 1
        else:
            kept.append(route)

    def without(peers: tuple[str, ...]) -> tuple[str, ...]:
        left = tuple(peer for peer in peers if _host_name(spec, peer) not in gone)
        if not left:  # an empty list would allow everybody
            message = f"no other host may use what is for {', '.join(peers)} only"
            raise EditError(message, "remove that port, proxy or route first", "host")
        return left

    after = replace(spec.without_hosts(*gone), routes=tuple(kept)).with_allow_from(without)
    message = f"removed {', '.join(sorted(gone))}"
    if dropped:
        message += f", and {dropped} route{'s' if dropped > 1 else ''} through it"
    return Edit(after, message)


def _host_name(spec: MeshSpec, peer: str) -> str | None:
    host = spec.host(peer)
    return host.name if host is not None else None


def rename_host(spec: MeshSpec, call: Call) -> Edit:
    host, name = host_of(spec, call.get("host")), call.get("name")
    taken = spec.host(name)
    if taken is not None and taken.name != host.name:
        check_name(spec, name, "name")
    # An alias may become the name, and the name may change its case.
    aliases = tuple(alias for alias in host.aliases if alias.casefold() != name.casefold())
    new = replace(host, name=name, aliases=aliases)
    hosts = tuple(new if each is host else each for each in spec.hosts)
    after = keep_routes(replace(spec, hosts=hosts), spec, {host.name: name}).with_allow_from(
        lambda peers: tuple(name if _host_name(spec, x) == host.name else x for x in peers)
    )
    return Edit(after, f"renamed {host.name} to {name}", (name,), {"host": name})


def set_host(spec: MeshSpec, call: Call) -> Edit:
    host = host_of(spec, call.get("host"))
    aliases = _change_aliases(spec, host, call)
    vip = call.get("vip", host.vip)
    check_vip(spec, vip, but=host.name)
    words = call.all("cmd")
    if words and "here" in call:
        raise EditError(
            "--here and a command are mutually exclusive", "leave one of them out", "here"
        )
    cmd = None if "here" in call else _cmd(words) if words else host.cmd
    new = replace(host, vip=vip, cmd=cmd, aliases=aliases, options=_options(call, host.options))
    if len(call.values) == 1:
        raise EditError(f"no changes given for host {host.name}", "see `help host set`")
    after = keep_routes(spec.with_host(new), spec, {})
    message = f"changed {host.name}{_lint_note(words, new.options.agent)}"
    return Edit(check_listeners(after, "vip"), message, (host.name,), {"host": host.name})


def set_template(spec: MeshSpec, call: Call) -> Edit:
    if not call.values:
        raise EditError("no changes given for the template", "see `help template set`")
    template = spec.template or HostOptions()
    ports = remove_forwards(template.ports, call, "no-port", "the template")
    ports = add_forwards(ports, call.all("port"), "the template", "port")
    template = replace(_options(call, template), ports=ports)
    proxies: dict[str, Any] = {
        kind: _proxy(call, kind) for kind in ("http", "socks") if kind in call
    }
    template = replace(template, **proxies)
    kept = None if template == HostOptions() else template
    return Edit(check_listeners(replace(spec, template=kept), "port"), "changed the template")


HOST_EDITS: dict[str, Callable[[MeshSpec, Call], Edit]] = {
    "host add": add_host,
    "host rm": remove_hosts,
    "host rename": rename_host,
    "host set": set_host,
    "template set": set_template,
}


def _proxy(call: Call, key: str) -> ProxySpec | None:
    proxy: ProxySpec | None = call.get(key)
    return None if proxy is None else checked_proxy(replace(proxy, auth=call.get("auth")), key)


def _infer_name(spec: MeshSpec, words: Sequence[str]) -> str:
    def taken(name: str) -> bool:
        return spec.host(name) is not None

    if words:
        return infer_name(words, taken)
    if taken(LOCAL):
        hint = "write `host add NAME` to add this machine again, or give a command: -- CMD"
        raise EditError(f"this machine is already the host {LOCAL}", hint)
    return LOCAL


def _vip(spec: MeshSpec, call: Call, in_use: Collection[str], *, is_local: bool) -> str:
    vip: str | None = call.get("vip")
    if vip is not None:
        check_vip(spec, vip)
        return vip
    taken = dict.fromkeys(host.vip for host in spec.hosts)
    try:
        return allocate_vip(taken, in_use, is_local=is_local)
    except ValidationError as error:
        raise EditError(error.message, error.hint, "vip") from None


def _lint_note(words: Sequence[str], agent: AgentMode | None) -> str:
    """Return what is sure to fail in a command, as an addition to a message."""
    if not words:
        return ""
    mistakes = lint(tuple(words), agent or AgentMode.AUTO)
    return "".join(f"; but {mistake.message} ({mistake.hint})" for mistake in mistakes[:1])


def _cmd(words: Sequence[str]) -> str | tuple[str, ...] | None:
    """Return a command as people write it: as one text if no word needs quotes."""
    if not words:
        return None
    text = join(words)
    return text if text == " ".join(words) else tuple(words)


def _change_aliases(spec: MeshSpec, host: HostSpec, call: Call) -> tuple[str, ...]:
    aliases = list(host.aliases)
    for number, alias in enumerate(call.all("no-alias")):
        found = next((known for known in aliases if known.casefold() == alias.casefold()), None)
        if found is None:
            message = f"{host.name} has no alias {quote(alias)}"
            hint = f"its aliases: {', '.join(aliases)}" if aliases else "it has no alias"
            raise EditError(message, hint, "no-alias", number)
        aliases.remove(found)
    lost = {alias.casefold() for alias in host.aliases} - {alias.casefold() for alias in aliases}
    for number, alias in enumerate(call.all("alias")):
        if alias.casefold() not in lost:
            check_name(spec, alias, "alias", number)
        aliases.append(alias)
    _check_unique((host.name, *aliases), "alias")
    return tuple(aliases)


def _check_unique(names: Sequence[str], argument: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            hint = "names and aliases must be unique in a mesh, regardless of case"
            raise EditError(f"the name {quote(name)} is given twice", hint, argument)
        seen.add(name.casefold())


def _options(call: Call, options: HostOptions) -> HostOptions:
    given = {row.field: call.get(row.flag) for row in OPTION_KEYS if row.flag in call}
    return replace(options, **given)
