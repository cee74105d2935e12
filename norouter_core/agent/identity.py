"""What an agent says of itself in its hello (SPEC.md section 2)."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.wire.messages import Json

PROTOCOL = 1
FEATURES = ["listen", "dial", "resolve", "read", "write", "direct", "udp", "splice"]


def hello() -> Json:
    """The data of the hello event."""
    system = os.uname()
    version = sys.version_info
    return {
        "protocol": PROTOCOL,
        "features": FEATURES,
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
    """What tells one running system from another; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def netns() -> str:
    """The network namespace of this process; empty where there is no such thing."""
    try:
        return os.readlink("/proc/self/ns/net")
    except OSError:
        return ""
