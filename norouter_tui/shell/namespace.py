"""A program of its own that makes a namespace for `norouter shell`, or runs a command in one.

    namespace.py create     reads one line of JSON, makes the namespace, prints one line of JSON
                            and keeps the namespace until stdin ends; then SIGHUP goes to what
                            still runs there
    namespace.py agent PID COMMAND...
                            runs a command in it, with the capabilities of the namespace
    namespace.py command PID DIRECTORY COMMAND...
                            runs a command in it as the user does, until the parent dies

It imports the standard library only: norouter starts it by `python -I -S`, and once it has joined
a user namespace it must not have more than one thread.

In the namespace every address is a local one (AnyIP), and a rule passes each connection and
datagram to a transparent listener (SPEC.md section 14), but for those to ::1, to the namespace's
own address, and to what is not the mesh's of 127.0.0.0/8.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
from typing import Any

# From <sched.h>, <sys/mount.h>, <sys/prctl.h> and <linux/capability.h>.
_NEWNS, _NEWUSER, _NEWNET = 0x20000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 47, 2
_CAPABILITY_VERSION = 0x20080522

_KINDS = (("user", _NEWUSER), ("net", _NEWNET), ("mnt", _NEWNS))
_OWN_IPV6 = "fd00:6e6f:726f::1"
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

_libc = ctypes.CDLL(None, use_errno=True)


class SetupError(Exception):
    """What is missing on this machine."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _call(name: str, *args: object) -> int:
    """Call a function of libc.

    Raises:
        OSError: it fails.
    """
    result: int = getattr(_libc, name)(*args)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


# -- the namespaces --------------------------------------------------------------------------


def _unshare() -> None:
    """Move this process to new namespaces; root needs no user namespace, and so stays root."""
    if os.geteuid() == 0:
        try:
            _call("unshare", _NEWNET | _NEWNS)
            return
        except OSError:
            pass  # root of a container, without the capability: it may still have the other way
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", _NEWUSER | _NEWNET | _NEWNS)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    except OSError as error:
        raise SetupError(
            f"this machine lets you make no user namespace: {error.strerror}", _userns_hint()
        ) from None


def _userns_hint() -> str:
    for path, wanted in (
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "1"),
    ):
        found = _read(path)
        if found and found != wanted:
            name = path[len("/proc/sys/") :].replace("/", ".")
            return f"an administrator can allow it: sudo sysctl -w {name}={wanted}"
    if _read("/proc/sys/user/max_user_namespaces") == "0":
        return "an administrator can allow it: sudo sysctl -w user.max_user_namespaces=15000"
    return "in a container, it needs `docker run --privileged`, or its own seccomp profile"


def _join(pid: int) -> None:
    """Move this process to the namespaces of another one."""
    joined = []
    for kind, flag in _KINDS:
        theirs = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        own = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        # A process cannot join the user namespace that it is in.
        if not os.path.sameopenfile(theirs, own):
            joined.append((theirs, flag))
    for fd, flag in joined:
        _call("setns", fd, flag)


def _keep_capabilities() -> None:
    """Let programs that this process starts have the capabilities that it has."""
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    data = ctypes.create_string_buffer(24)
    _call("capget", header, data)
    sets = list(struct.unpack("6I", data.raw))
    sets[2], sets[5] = sets[1], sets[4]  # inheritable = permitted
    _call("capset", header, struct.pack("6I", *sets))
    permitted = sets[1] | sets[4] << 32
    for capability in range(64):
        if permitted >> capability & 1:
            _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


# -- the network -----------------------------------------------------------------------------


def _bring_up_loopback(address: str, with_ipv6: bool) -> None:
    """Bring up `lo` with an address, and make every address local."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(sock, 0x8914, request)  # SIOCSIFFLAGS
    index = socket.if_nametoindex("lo")
    own = socket.inet_aton(address)
    _netlink(20, struct.pack("BBBBi", socket.AF_INET, 32, 0, 254, index), {1: own, 2: own})
    _route(socket.AF_INET, index, own)
    if not os.path.exists("/proc/sys/net/ipv6"):
        return
    source = socket.inet_pton(socket.AF_INET6, "::1")
    if with_ipv6:
        # Programs ask for IPv6 addresses only if the machine has one beyond loopback.
        source = socket.inet_pton(socket.AF_INET6, _OWN_IPV6)
        head = struct.pack("BBBBi", socket.AF_INET6, 128, 0x02, 0, index)  # IFA_F_NODAD
        _netlink(20, head, {1: source, 2: source})
    _route(socket.AF_INET6, index, source)


def _route(family: int, index: int, source: bytes) -> None:
    """Add `local default dev lo src SOURCE` to the table of local routes."""
    # Family, destination length, source length, TOS, table (local), protocol (static), scope
    # (host), type (local), flags.
    head = struct.pack("BBBBBBBBI", family, 0, 0, 0, 255, 4, 254, 2, 0)
    _netlink(24, head, {4: struct.pack("i", index), 7: source})


def _netlink(kind: int, head: bytes, attributes: dict[int, bytes]) -> None:
    """Send one rtnetlink(7) request to create something.

    Raises:
        OSError: the kernel refuses.
    """
    body = head
    for number, value in attributes.items():
        body += struct.pack("HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    flags = 0x1 | 0x4 | 0x400 | 0x200  # REQUEST, ACK, CREATE, EXCL
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:  # NETLINK_ROUTE
        sock.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        code: int = struct.unpack_from("i", sock.recv(8192), 16)[0]
    if code and -code != errno.EEXIST:
        raise OSError(-code, os.strerror(-code))


class _Rules:
    """What goes to the transparent listener at `port`, and what stays in the namespace."""

    def __init__(self, address: str, networks: list[str], port: int) -> None:
        self.address = address
        """The namespace's own; at port 53 it is the mesh's DNS."""
        self.networks = networks
        """Those of 127.0.0.0/8 that are the mesh's."""
        self.port = port


def _redirect(rules: _Rules, programs: list[str]) -> str:
    """Add the rules for the transparent listener; return the program that has done it."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    failures = []
    for program in programs:
        found = shutil.which(program, path=path)
        if found is None:
            continue
        try:
            (_by_nft if program == "nft" else _by_iptables)(found, rules)
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or "").strip().splitlines() or [f"exit status {error.returncode}"]
            failures.append(f"{program}: {lines[0]}")
        else:
            return program
    if not failures:
        hint = "install nftables, as in: sudo apt-get install nftables"
        raise SetupError("neither nft nor iptables is installed on this machine", hint)
    hint = "the kernel needs TPROXY: the module nft_tproxy, or xt_TPROXY"
    raise SetupError(f"connections cannot be redirected here: {'; '.join(failures)}", hint)


def _by_nft(nft: str, rules: _Rules) -> None:
    own, port, networks = rules.address, rules.port, ", ".join(rules.networks)
    both = "meta l4proto { tcp, udp }"
    inside = f"ip daddr {{ {networks} }} {both} tproxy ip to :{port} accept" if networks else ""
    text = f"""
        table inet norouter {{
          chain capture {{
            type filter hook prerouting priority mangle; policy accept;
            ip daddr {own} {both} th dport 53 tproxy ip to :{port} accept
            ip daddr {{ {own}, 127.0.0.1 }} accept
            {inside}
            ip daddr 127.0.0.0/8 accept
            ip6 daddr {{ ::1, {_OWN_IPV6} }} accept
            meta nfproto ipv4 {both} tproxy ip to :{port} accept
            meta nfproto ipv6 {both} tproxy ip6 to :{port} accept
          }}
        }}"""
    _run([nft, "-f", "-"], text)


def _by_iptables(iptables: str, rules: _Rules) -> None:
    def add(program: str, *words: str) -> None:
        _run([program, "-t", "mangle", "-A", "PREROUTING", *words])

    def capture(program: str, *where: str, port: str = "") -> None:
        of_port = ("--dport", port) if port else ()
        target = ("-j", "TPROXY", "--on-port", str(rules.port))
        for protocol in ("tcp", "udp"):
            add(program, *where, "-p", protocol, *of_port, *target)

    capture(iptables, "-d", rules.address, port="53")
    for accepted in (rules.address, "127.0.0.1"):
        add(iptables, "-d", accepted, "-j", "ACCEPT")
    for network in rules.networks:
        capture(iptables, "-d", network)
    add(iptables, "-d", "127.0.0.0/8", "-j", "ACCEPT")
    capture(iptables)
    ip6tables = os.path.join(os.path.dirname(iptables), "ip6tables")
    if os.path.exists(ip6tables) and os.path.exists("/proc/sys/net/ipv6"):
        for accepted in ("::1", _OWN_IPV6):
            add(ip6tables, "-d", accepted, "-j", "ACCEPT")
        capture(ip6tables)


def _run(argv: list[str], text: str = "") -> None:
    environment = {**os.environ, "LC_ALL": "C", "XTABLES_LOCKFILE": "/dev/null"}
    subprocess.run(argv, input=text, text=True, capture_output=True, check=True, env=environment)


# -- its files -------------------------------------------------------------------------------


def _mount_over(files: dict[str, str]) -> None:
    """Show other files at some paths; a path that does not exist is left out."""
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    for path, source in files.items():
        target = os.path.realpath(path)
        if os.path.exists(target):
            _call("mount", os.fsencode(source), os.fsencode(target), None, _MS_BIND, None)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


# -- what it is started for ------------------------------------------------------------------


def _create(wanted: dict[str, Any]) -> dict[str, object]:
    rules = _Rules(wanted["address"], wanted["networks"], wanted["port"])
    _unshare()
    try:
        _keep_capabilities()
        _bring_up_loopback(rules.address, wanted["ipv6"])
        _write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
        _mount_over(wanted["files"])
    except OSError as error:
        what = f" ({error.filename})" if error.filename else ""
        raise SetupError(f"the namespace cannot be set up: {error.strerror}{what}") from None
    return {"pid": os.getpid(), "by": _redirect(rules, wanted["programs"])}


def _hang_up(outside: int) -> None:
    """Send SIGHUP to what is left in the namespace, which has lost its network.

    `outside` is the network of norouter itself, whose processes must not get it.
    """
    own = _network("self")
    if own == outside:
        return
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or ended
            if _network(entry.name) == own and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGHUP)


def _network(process: str) -> int:
    return pathlib.Path(f"/proc/{process}/ns/net").stat().st_ino


def main(argv: list[str]) -> int:
    """Run one of the three; return the exit status, unless the process becomes another program."""
    if argv[0] == "create":
        # Ctrl-C is for norouter, which ends stdin when it is time.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        outside = _network("self")
        try:
            answer = _create(json.loads(sys.stdin.readline()))
        except SetupError as error:
            answer = {"error": str(error), "hint": error.hint}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        if "pid" in answer:
            _hang_up(outside)
        return 0
    pid, command = int(argv[1]), argv[2:]
    directory = command.pop(0) if argv[0] == "command" else "/"
    try:
        _join(pid)
    except OSError as error:
        sys.stderr.write(f"norouter: the namespace of the shell is gone: {error.strerror}\n")
        return 1
    if argv[0] == "agent":
        _keep_capabilities()
    else:
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGHUP, 0, 0, 0)
    try:
        os.chdir(directory)  # joining a mount namespace leads to its root
    except OSError as error:
        if argv[0] == "command":
            sys.stderr.write(f"norouter: {directory}: {error.strerror}; using / instead\n")
        os.chdir("/")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"norouter: cannot run {command[0]}: {error.strerror}\n")
        return 127 if error.errno == errno.ENOENT else 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
