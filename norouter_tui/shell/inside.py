"""The namespace of `norouter shell`: made before the mesh comes up, and one host of it."""

from __future__ import annotations

import ipaddress
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import urlsplit

from norouter_core.agent.files import strip_blocks
from norouter_core.errors import NorouterError
from norouter_core.manifest import allocate_vip
from norouter_core.model import (
    AgentMode,
    DnsSpec,
    Host,
    HostOptions,
    HostSpec,
    MeshSpec,
    StateDir,
)

PORT = 1
"""The port of the transparent proxy in the namespace: one that nobody connects to."""
_PROGRAM = Path(__file__).with_name("namespace.py")
_END_TIMEOUT = 5.0
"""Seconds for the process that keeps the namespace to end."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")


class NoNamespace(NorouterError):
    """There can be no namespace here.

    Attributes:
        hint: what would make one possible; may be empty.
    """

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Inside:
    """A namespace: `host` is its host in the mesh, `pid` the process that keeps it."""

    host: HostSpec
    pid: int

    def command(self, argv: Collection[str]) -> tuple[str, ...]:
        """Return the words that run a command in the namespace, in the current directory.

        If that has been removed, the command runs in `/`.
        """
        try:
            directory = str(Path.cwd())
        except FileNotFoundError:
            directory = "/"
        return (*_program("command"), str(self.pid), directory, *argv)

    def environment(self, hosts: Collection[Host], base: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a command in the namespace.

        No proxy is needed there. One of the user's own is kept for what is not of the mesh, unless
        it listens on this machine's loopback, which the namespace does not see.
        """
        env = {name: value for name, value in base.items() if name != "HOSTALIASES"}
        for name in _PROXIES:
            for spelled in (name, name.upper()):
                if spelled in env and _is_on_loopback(env[spelled]):
                    del env[spelled]
        if any(name in env or name.upper() in env for name in _PROXIES):
            names = [name for host in hosts for name in (host.name, *host.aliases, host.vip)]
            own = [env.get("no_proxy") or env.get("NO_PROXY") or "localhost,127.0.0.1,::1"]
            env["no_proxy"] = env["NO_PROXY"] = ",".join(own + names)
        return env


def user_shell() -> str:
    """Return the user's shell."""
    try:
        return os.environ.get("SHELL") or pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:
        return "/bin/sh"


@contextmanager
def make_namespace(spec: MeshSpec, in_use: Collection[str]) -> Iterator[Inside]:
    """Make a namespace for a mesh, and keep it until the end of the block.

    Args:
        spec: the mesh.
        in_use: addresses of this machine that others use.

    Raises:
        NoNamespace: there can be none here.
    """
    if sys.platform != "linux":
        raise NoNamespace(
            "a shell inside the mesh needs the network namespaces of Linux",
            "use the proxies instead: norouter run MANIFEST -- CMD",
        )
    taken = [host.vip for host in spec.hosts]
    try:
        vip = allocate_vip(taken, in_use)
    except ValueError as error:
        raise NoNamespace(f"there is no VIP for the shell: {error}") from None
    wanted = {
        "address": vip,
        "networks": _networks([*taken, vip]),
        "port": PORT,
        "ipv6": _has_ipv6(),
        "programs": ["nft", "iptables"],
    }
    # The files stay as long as they are mounted; whatever ends this process, none is left.
    with tempfile.TemporaryDirectory(prefix="norouter-shell-") as directory:
        process = _start({**wanted, "files": _files(Path(directory), vip)})
        try:
            pid = _created(process)
        except BaseException:
            _end(process)
            raise
    try:
        cmd = (*_program("agent"), str(pid))
        yield Inside(HostSpec(_free_name(spec), vip, cmd, options=_OPTIONS), pid)
    finally:
        _end(process)


_OPTIONS = HostOptions(
    transparent=PORT,
    loopback=False,
    dns=DnsSpec(disable=True),
    state_dir=StateDir(disable=True),
    agent=AgentMode.PYTHON,
    python=sys.executable,
)


def with_shell(spec: MeshSpec, inside: Inside, in_use: Collection[str]) -> MeshSpec:
    """Return a mesh with the namespace as a host, and this machine, which dials for it.

    Nothing listens on this machine: only the namespace is served, and so a port that is taken or
    below 1024 does no harm.
    """
    if all(host.cmd is not None for host in spec.hosts):
        vips = [inside.host.vip, *(host.vip for host in spec.hosts)]
        with suppress(ValueError):
            vip = allocate_vip(vips, in_use, is_local=True)
            spec = spec.with_host(HostSpec(_free_name(spec, "local"), vip))
    # Without a template: it would give the namespace and this machine ports and proxies.
    hosts = map(_resolved, spec.hosts, spec.effective())
    return MeshSpec((*hosts, inside.host), spec.routes)


def _resolved(host: HostSpec, effective: Host) -> HostSpec:
    values = {each.name: getattr(effective, each.name) for each in fields(HostOptions)}
    options = HostOptions(**values)
    if host.cmd is None:
        options = replace(
            options, loopback=False, http=None, socks=None, transparent=None, write_etc_hosts=False
        )
    return replace(host, options=options)


def _networks(vips: Iterable[str]) -> list[str]:
    """Return the networks of the mesh's VIPs within 127.0.0.0/8; the shell has the others."""
    found = {ipaddress.ip_network(f"{vip}/24", strict=False) for vip in vips}
    return sorted(str(network) for network in found if network.is_loopback)


def _program(verb: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", str(_PROGRAM), verb)


def _start(wanted: Mapping[str, object]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        _program("create"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(wanted) + "\n")
        process.stdin.flush()
    return process


def _created(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    if not line:
        last = process.stderr.read().strip().splitlines()[-1:]
        raise NoNamespace(f"the namespace cannot be made: {' '.join(last) or 'no answer'}")
    answer = json.loads(line)
    if "error" in answer:
        raise NoNamespace(answer["error"], answer["hint"])
    pid: int = answer["pid"]
    return pid


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    try:
        process.wait(_END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _files(directory: Path, vip: str) -> dict[str, str]:
    """Write what the namespace shows in place of files of the machine; return them by path."""
    resolver = [f"nameserver {vip}\n"]
    resolver += re.findall(r"^(?:search|domain|options)\s.*\n", _text("/etc/resolv.conf"), re.M)
    switch = re.sub(r"^hosts:.*$", "hosts: files dns", _text("/etc/nsswitch.conf"), flags=re.M)
    texts = {
        "/etc/resolv.conf": "".join(resolver),
        "/etc/nsswitch.conf": switch,
        # The names of the mesh come from its DNS alone, which knows those that change.
        "/etc/hosts": strip_blocks(_text("/etc/hosts")),
    }
    files = {}
    for path, text in texts.items():
        file = directory / Path(path).name
        file.write_text(text, "utf-8", "surrogateescape")
        file.chmod(0o644)
        files[path] = str(file)
    # The cache of the machine's nscd answers without asking our DNS.
    (directory / "empty").mkdir()
    files["/var/run/nscd"] = str(directory / "empty")
    return files


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def _has_ipv6() -> bool:
    """Return whether this machine reaches IPv6 addresses beyond itself."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.connect(("2000::1", 53))  # sends nothing
            return not ipaddress.ip_address(sock.getsockname()[0]).is_link_local
    except OSError:
        return False


def _is_on_loopback(url: str) -> bool:
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _free_name(spec: MeshSpec, wanted: str = "shell") -> str:
    name, number = wanted, 1
    while spec.host(name) is not None:
        number += 1
        name = f"{wanted}{number}"
    return name
