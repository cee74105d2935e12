"""What to do about a published port that is not served, or not where it should be."""

from __future__ import annotations

from norouter_core.engine.status import ListenerState, ListenerStatus
from norouter_core.sanitize import escape

_OWNERS = {
    "": ("ss -ltnp", "lsof -nP -iTCP:{port} -sTCP:LISTEN"),
    "udp": ("ss -lunp", "lsof -nP -iUDP:{port}"),
}


def reason(listener: ListenerStatus) -> str:
    """Its note without the address, which stands beside it in every face."""
    return escape(listener.note.removeprefix(f"{listener.listen}: "))


def hint(listener: ListenerStatus, agent: str = "") -> str:
    """What to do about it; empty where nothing is known. `agent` is what the agent of the
    listening host said of itself: its system's own commands come first."""
    host, port, proto = _parts(listener.listen)
    linux = "Linux" in agent or not agent
    if listener.bound not in ("", listener.listen):
        return _fallback(host, linux)
    if listener.state is not ListenerState.FAILED:
        return ""
    if "Permission denied" in listener.note and port < 1024:
        return _low_port(listener.on_host, port, linux)
    if "in use" in listener.note:
        owner = _OWNERS[proto]
        first, second = owner if linux else owner[::-1]
        return (
            f"see on {escape(listener.on_host)} who has it (`{first.format(port=port)}` or "
            f"`{second.format(port=port)}`; `norouter ps` lists meshes of yours); it is tried "
            "again by itself"
        )
    return ""


def _low_port(on_host: str, port: int, linux: bool) -> str:
    sysctl = f" or `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}`" if linux else ""
    return (
        f"a port below 1024 takes root{sysctl} on {escape(on_host)}: publish it at a listen port "
        f"of 1024 or more, such as {port + 8000}"
    )


def _fallback(vip: str, linux: bool) -> str:
    commands = [f"sudo ip addr add {vip}/32 dev lo", f"sudo ifconfig lo0 alias {vip}"]
    command = commands[0] if linux else commands[1]
    return f"{escape(vip)} is no address of that machine; to have it there: {command}"


def _parts(listen: str) -> tuple[str, int, str]:
    address, _, proto = listen.partition("/")
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0, proto
