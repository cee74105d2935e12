"""Hints for a published port that is not served, or served at another address."""

from __future__ import annotations

from norouter_core.engine.status import ListenerState, ListenerStatus
from norouter_core.sanitize import escape

_OWNERS = {
    "": ("ss -ltnp", "lsof -nP -iTCP:{port} -sTCP:LISTEN"),
    "udp": ("ss -lunp", "lsof -nP -iUDP:{port}"),
}


def reason(listener: ListenerStatus) -> str:
    """Return the note of a listener without the address, which is shown beside it."""
    return escape(listener.note.removeprefix(f"{listener.listen}: "))


def hint(listener: ListenerStatus, agent: str = "") -> str:
    """Return what to do about a listener; empty if nothing is known.

    Args:
        agent: the description of the listening host's agent; commands of its system come first.
    """
    host, port, proto = _parts(listener.listen)
    linux = "Linux" in agent or not agent
    if listener.bound not in ("", listener.listen):
        return "" if "another program" in listener.note else _fallback(host, linux)
    if listener.state is not ListenerState.FAILED:
        return ""
    if "Permission denied" in listener.note and port < 1024:
        return _low_port(listener.on_host, port, linux)
    if "interface is down" in listener.note:
        return (
            f"bring it up on {escape(listener.on_host)}: `ip link set lo up`; norouter keeps trying"
        )
    if "in use" in listener.note:
        owner = _OWNERS[proto]
        first, second = owner if linux else owner[::-1]
        return (
            f"find out on {escape(listener.on_host)} which process uses it "
            f"(`{first.format(port=port)}` or `{second.format(port=port)}`; `norouter ps` lists "
            "your meshes); norouter keeps trying"
        )
    return ""


def _low_port(on_host: str, port: int, linux: bool) -> str:
    sysctl = f" or `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}`" if linux else ""
    return (
        f"a port below 1024 needs root{sysctl} on {escape(on_host)}; publish it at a listen port "
        f"of 1024 or more, such as {port + 8000}"
    )


def _fallback(vip: str, linux: bool) -> str:
    commands = [f"sudo ip addr add {vip}/32 dev lo", f"sudo ifconfig lo0 alias {vip}"]
    command = commands[0] if linux else commands[1]
    return f"{escape(vip)} is not an address of that machine; to add it: {command}"


def _parts(listen: str) -> tuple[str, int, str]:
    address, _, proto = listen.partition("/")
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0, proto
