"""Commands to copy into a shell, to try or use what is under the cursor."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from norouter_core.engine.publications import Service
from norouter_core.model import Host
from norouter_core.session.client import Snapshot
from norouter_core.session.tables import StreamRow
from norouter_tui.run.environment import login_prefix
from norouter_tui.screen.views.detail import Row
from norouter_tui.screen.views.hosts import HostRow
from norouter_tui.screen.views.ports import PortRow, rows_of
from norouter_tui.screen.views.routes import RouteRow

_CLIENTS = {
    21: "ftp {host} {port}",
    22: "ssh -p {port} {host}",
    3306: "mysql -h {host} -P {port}",
    5432: "psql -h {host} -p {port}",
    5900: "vncviewer {host}::{port}",
    6379: "redis-cli -h {host} -p {port}",
    27017: "mongosh mongodb://{host}:{port}",
}
"""The client for a target port; everything else is assumed to be HTTP."""
_SECURE = (443, 8443, 6443)


def copy_lines(row: Row, snapshot: Snapshot) -> list[str]:
    """Return the lines to copy for a row, the most likely first."""
    match row:
        case PortRow():
            return list(_port(row, snapshot))
        case HostRow():
            return list(_host(row, snapshot))
        case RouteRow():
            return list(_route(row, snapshot))
        case StreamRow():
            stream = row.status
            return [stream.listener, stream.peer, stream.target]


def _port(row: PortRow, snapshot: Snapshot) -> Iterator[str]:
    address = (row.here or row.one.listen).removesuffix("/udp")
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    match row.one.service:
        case Service.HTTP | Service.SOCKS:
            yield from _proxy(row, address, snapshot)
        case Service.DNS:
            yield f"dig @{host} -p {port} {shlex.quote(row.one.to_host)}"
        case Service.TRANSPARENT:
            pass  # nobody connects there
        case _:
            yield from _client(row, host, port, address)
    yield address


def _client(row: PortRow, host: str, port: str, address: str) -> Iterator[str]:
    if row.one.listen.endswith("/udp"):
        yield f"nc -u {host} {port}"
        return
    dialled = int(row.one.target.rpartition(":")[2] or 0)
    if dialled in _CLIENTS:
        yield _CLIENTS[dialled].format(host=host, port=port)
    scheme = "https" if dialled in _SECURE else "http"
    yield f"curl {scheme}://{address}/"
    if dialled != 22:
        yield f"ssh -p {port} {host}"
    yield f"nc {host} {port}"


def _proxy(row: PortRow, address: str, snapshot: Snapshot) -> Iterator[str]:
    hosts = {host.name: host for host in snapshot.spec.effective()}
    login = _login(hosts.get(row.one.to_host), Service(row.one.service))
    some = _some_port(snapshot) or "http://example.com/"
    if row.one.service == Service.HTTP:
        url = f"http://{login}{address}"
        yield f"curl --proxy {shlex.quote(url)} {some}"
        yield f"export http_proxy={shlex.quote(url)} https_proxy={shlex.quote(url)}"
    else:
        url = f"socks5h://{login}{address}"
        yield f"curl --proxy {shlex.quote(url)} {some}"
        yield f"export all_proxy={shlex.quote(url)}"


def _login(host: Host | None, service: Service) -> str:
    spec = None if host is None else host.http if service is Service.HTTP else host.socks
    return login_prefix(spec.auth if spec is not None else None)


def _some_port(snapshot: Snapshot) -> str:
    """Return the URL of a port in the mesh, by the name of its host."""
    for host in snapshot.spec.effective():
        for port in host.ports:
            if port.proto == "tcp":
                return f"http://{host.name}:{port.listen}/"
    return ""


def _host(row: HostRow, snapshot: Snapshot) -> Iterator[str]:
    host = row.status
    for port in rows_of(snapshot):
        if port.one.to_host == host.name and port.is_port:
            yield next(_port(port, snapshot))
    if host.command:
        yield f"{host.command} sh"
    yield host.vip


def _route(row: RouteRow, snapshot: Snapshot) -> Iterator[str]:
    target = next((x for x in row.route.to if "/" not in x), "").replace("*.", "www.")
    for port in rows_of(snapshot):
        if port.one.service == Service.HTTP and port.here:
            first = next(_proxy(port, port.here, snapshot))
            yield f"{first.rpartition(' ')[0]} http://{target or 'ADDRESS'}/"
    yield " ".join(row.route.to)
