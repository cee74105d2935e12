"""The hosts of the mesh, as data: what each is called, where it is found, what leads to it."""

from __future__ import annotations

from dataclasses import dataclass

SERVER_PORTS = (9000, 9001)
UDP_SERVER_PORT = 9002
PORTS = (8000, 8001)
"""Published ports; edits move the second one between the two servers."""
UDP_PORT = 8002
DNS_PORT = 10053
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class ChaosHost:
    """One host.

    Attributes:
        way: what leads to it: `here`, `nsenter` (client and agent are one process), `relay` (the
            client is a process of its own), `ssh` (an sshd that listens nowhere), `link` (an sshd
            behind a slow link that drops packets).
        vips: the address of the base manifest, and one that edits give it.
        agent: of the manifest.
        network: a network behind it that a route of the mesh leads to; `address` is in it.
        proxies: whether it serves proxies.
    """

    name: str
    way: str
    vips: tuple[str, str]
    agent: str = "python"
    network: str = ""
    address: str = ""
    proxies: bool = False


def _vips(number: int) -> tuple[str, str]:
    return f"127.0.57.{number}", f"127.0.57.{number + 100}"


HOSTS = (
    ChaosHost(LOCAL, "here", _vips(1), proxies=True),
    ChaosHost("enter", "nsenter", _vips(2), "python", "10.99.1.0/24", "10.99.1.1", proxies=True),
    ChaosHost("native", "nsenter", _vips(3), "native", "10.99.2.0/24", "10.99.2.1"),
    ChaosHost("relay", "relay", _vips(4)),
    ChaosHost("ssh", "ssh", _vips(5), "python", "10.99.3.0/24", "10.99.3.1", proxies=True),
    ChaosHost("sshgo", "ssh", _vips(6), "native"),
    ChaosHost("slow", "link", _vips(7)),
)
BY_NAME = {host.name: host for host in HOSTS}
REMOTE = tuple(host.name for host in HOSTS if host.name != LOCAL)
ROUTED = tuple(host.name for host in HOSTS if host.network)
PROXIES = tuple(host.name for host in HOSTS if host.proxies)
