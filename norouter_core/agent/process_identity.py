"""How a process identifies itself: to the hub in its hello, and in the blocks that it writes."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.wire.messages import Json

PROTOCOL = 1
FEATURES = ["listen", "dial", "resolve", "read", "write", "direct", "udp", "splice"]
"""What every agent can do, the native one included."""
_OPTIONAL = ["transparent"] if sys.platform == "linux" else []


def block_owner(name: str) -> str:
    """Return what marks the blocks of this process for the host `name`; empty without a name."""
    if not name:
        return ""
    pid = os.getpid()
    return f"{''.join(name.split())} {boot_id()[:8]}.{_pid_namespace()}.{pid}.{_start_time(pid)}"


def is_stale(other: str, mine: str) -> bool:
    """Return whether the process that `other` names is known to have ended.

    This cannot be known for a process in another pid namespace, such as that of a restarted
    container. If it has the same host name, it is taken for an earlier run of this one.
    """
    name, _, process = other.rpartition(" ")
    my_name, _, my_process = mine.rpartition(" ")
    parts, my_parts = process.split("."), my_process.split(".")
    if len(parts) != 4 or len(my_parts) != 4 or other == mine:
        return False
    if parts[0] != my_parts[0]:
        return bool(parts[0] and my_parts[0])  # the machine was restarted
    if parts[1] != my_parts[1]:
        return name == my_name
    return not _is_alive(parts[2], parts[3])


def _is_alive(pid: str, started: str) -> bool:
    if os.name != "posix" or not pid.isdigit() or len(pid) > 9 or int(pid) == 0:
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # a process of another user
    # Another process may have the number by now.
    return not started or _start_time(int(pid)) in (started, "")


def _start_time(pid: int) -> str:
    """Return when a process started, in ticks since the boot.

    Return `ended` for a zombie, and nothing if the system does not provide it.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name is in parentheses, and may contain some.
            fields = file.read().rpartition(b")")[2].split()
            return "ended" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
    except (OSError, IndexError, ValueError):
        return ""


def _pid_namespace() -> str:
    try:
        return "".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))
    except OSError:
        return ""


def hello() -> Json:
    """Return the data of the hello event (SPEC.md section 2)."""
    system = os.uname()
    version = sys.version_info
    return {
        "protocol": PROTOCOL,
        "features": FEATURES + _OPTIONAL,
        "python": f"{version[0]}.{version[1]}.{version[2]}",
        "implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(
            sys.implementation.name, sys.implementation.name
        ),
        "system": system.sysname,
        "machine": system.machine,
        "hostname": system.nodename,
        "pid": os.getpid(),
        "boot_id": boot_id(),
        "netns": netns(),
        "user": str(os.getuid()),
    }


def boot_id() -> str:
    """Return what identifies the running system; empty if the system does not provide it."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def netns() -> str:
    """Return the network namespace of this process; empty if the system has none."""
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return ""
