"""Environment variables for programs in a mesh: proxies, addresses, names.

`docs/scripts.md` documents them.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from norouter_core.engine.status import ListenerState, ListenerStatus, Status
from norouter_core.manifest import allocate_vip
from norouter_core.model import Host, HostSpec, MeshSpec, ProxySpec
from norouter_core.names.files import MeshNames, hostaliases_text
from norouter_core.wire.codes import TCP
from norouter_tui.run.local_ports import addresses_in_use

_NO_PROXY = "localhost,127.0.0.1,::1"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
_MAX_ALIASES = 1 << 20


def with_proxy(spec: MeshSpec) -> MeshSpec:
    """Return `spec` with an HTTP proxy on this machine, at a free port of 127.0.0.1 if it has none.

    Other users of this machine can connect to that port, so the proxy gets a password. If no host
    is this machine, one is added, unless no VIP is left for it.
    """
    hosts = list(spec.effective())
    if any(host.is_local and host.http for host in hosts):
        return spec
    proxy = ProxySpec("127.0.0.1", _free_port(), auth=f"norouter:{secrets.token_urlsafe(16)}")
    local = next((host for host in spec.hosts if host.cmd is None), None)
    if local is None:
        try:
            vips = [host.vip for host in spec.hosts]
            vip = allocate_vip(vips, addresses_in_use(), is_local=True)
        except ValueError:
            return spec
        local = HostSpec(_free_name(spec), vip)
    return spec.with_host(replace(local, options=replace(local.options, http=proxy)))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _free_name(spec: MeshSpec) -> str:
    name, number = "local", 1
    while spec.host(name) is not None:
        number += 1
        name = f"local{number}"
    return name


def variables(hosts: Iterable[Host], status: Status, manifest: str) -> dict[str, str]:
    """Return the variables for a mesh that is up. `manifest` is its path, or empty."""
    hosts = list(hosts)
    here = {host.name for host in hosts if host.is_local}
    listeners = [listener for listener in status.listeners if listener.on_host in here]
    result = _mesh_variables(hosts, manifest)
    for listener in listeners:
        if listener.service == "port" and "/" not in listener.listen and _is_up(listener):
            port = listener.listen.rpartition(":")[2]
            name = f"NOROUTER_ADDRESS_{_variable(listener.to_host)}_{port}"
            result.setdefault(name, _address(listener))
    return result | _proxies(hosts, listeners)


def inside_variables(hosts: Iterable[Host], manifest: str) -> dict[str, str]:
    """Return the variables for a command inside the mesh, where every port is at its VIP."""
    hosts = list(hosts)
    # `norouter ctl` finds the mesh by NOROUTER_MESH; the prompts of Debian show the other one.
    result = _mesh_variables(hosts, manifest) | {"NOROUTER_MESH": str(os.getpid())}
    name = os.path.basename(manifest).partition(".")[0]
    result["debian_chroot"] = f"mesh {name}" if name else "mesh"
    for host in hosts:
        for forward in host.ports:
            if forward.proto == TCP:
                name = f"NOROUTER_ADDRESS_{_variable(host.name)}_{forward.listen}"
                result[name] = f"{host.vip}:{forward.listen}"
    return result


def _mesh_variables(hosts: list[Host], manifest: str) -> dict[str, str]:
    result = {
        "NOROUTER_PID": str(os.getpid()),
        "NOROUTER_MANIFEST": os.path.abspath(manifest) if manifest else "",
        "NOROUTER_HOSTS": " ".join(host.name for host in hosts),
    }
    for host in hosts:
        for name in (host.name, *host.aliases):
            result.setdefault(f"NOROUTER_VIP_{_variable(name)}", host.vip)
    return result


def _proxies(hosts: list[Host], listeners: list[ListenerStatus]) -> dict[str, str]:
    auths = {
        (host.name, kind): proxy.auth
        for host in hosts
        for kind, proxy in (("http", host.http), ("socks", host.socks))
        if proxy is not None
    }
    urls: dict[str, str] = {}
    for listener in listeners:
        key = (listener.to_host, listener.service)
        if key in auths and _is_up(listener):
            login = login_prefix(auths[key])
            scheme = "http" if listener.service == "http" else "socks5h"
            urls.setdefault(listener.service, f"{scheme}://{login}{_address(listener)}")
    own = {f"NOROUTER_{kind.upper()}_PROXY": url for kind, url in urls.items()}
    usual: dict[str, str] = {}
    if "http" in urls:
        usual = {"http_proxy": urls["http"], "https_proxy": urls["http"]}
    if urls:
        # The HTTP proxy first: it carries any TCP, and some clients do not support SOCKS.
        usual["all_proxy"] = urls.get("http") or urls["socks"]
        # Without its earlier value: names in it may belong to the mesh now.
        usual["no_proxy"] = _NO_PROXY
    return own | usual | {name.upper(): value for name, value in usual.items()}


def login_prefix(auth: str | None) -> str:
    """Return `USER:PASSWORD` as it stands in a URL, with `@`; empty for None."""
    user, _, password = (auth or "").partition(":")
    return f"{quote(user, '')}:{quote(password, '')}@" if user else ""


def _is_up(listener: ListenerStatus) -> bool:
    return listener.state not in (ListenerState.PENDING, ListenerState.FAILED)


def _address(listener: ListenerStatus) -> str:
    """Return where to connect, `IP:PORT`."""
    host, _, port = (listener.bound or listener.listen).rpartition(":")
    return f"{_WILDCARDS.get(host, host)}:{port}"


def _variable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def exports(values: dict[str, str]) -> Iterator[str]:
    """Yield variables as lines for a shell to source."""
    for name, value in values.items():
        yield f"export {name}={shlex.quote(value)}"


@contextmanager
def host_aliases(hosts: Iterable[Host]) -> Iterator[dict[str, str]]:
    """Provide `HOSTALIASES`: a temporary file with the names of the mesh and the user's own."""
    text = hostaliases_text(MeshNames(hosts), _existing())
    number, name = tempfile.mkstemp(prefix="norouter-", suffix=".hostaliases")
    try:
        with open(number, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        yield {"HOSTALIASES": name}
    finally:
        with suppress(OSError):
            Path(name).unlink()


def _existing() -> str:
    path = Path(os.environ.get("HOSTALIASES", ""))
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_MAX_ALIASES)
    except OSError:
        return ""
