"""What load client and load server say to each other, and the sockets they say it on.

The first byte from the client selects what a connection is for; the server answers with the
same byte, so that the client knows that the whole path stands before it starts a clock.

- `ECHO`: everything comes back until the client's EOF.
- `SOURCE`: the client sends a count (uint64be), the server that many bytes, then EOF.
- `SINK`: the client sends until its EOF, the server answers with the count it got (uint64be).
- `TOUCH`: nothing more; the connection is held until the client closes it.
- `STALL`: the server never reads again; it drops the connection when a line comes on its
  standard input, which no jam between client and server can hold up.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

ECHO, SOURCE, SINK, TOUCH, STALL = b"e", b"s", b"k", b"t", b"z"

CHUNK = 256 * 1024
"""Bytes moved by one system call."""

COUNT = struct.Struct(">Q")

PATIENCE = 60.0
"""Seconds after which a blocked socket gives up."""

Address = tuple[str, int]


@dataclass(frozen=True)
class Proxy:
    """A proxy that connections are made through; `kind` is `connect` (HTTP) or `socks5`."""

    kind: str
    host: str
    port: int

    def request(self, target: Address) -> bytes:
        """Return all that a client sends to reach `target`, in one go."""
        if self.kind == "connect":
            name = "{}:{}".format(*target)
            return f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode()
        return b"\5\1\0\5\1\0\1" + socket.inet_aton(target[0]) + target[1].to_bytes(2, "big")

    @property
    def answer(self) -> bytes:
        """What the proxy says once the target is reached."""
        if self.kind == "connect":
            return b"HTTP/1.1 200 Connection established\r\n\r\n"
        return b"\5\0\5\0\0\1" + bytes(6)


class LoadError(Exception):
    """A load did not run as asked. The text says what happened, in one line."""


def be_patient(sock: socket.socket, seconds: float = PATIENCE) -> None:
    """Limit blocking calls by the kernel: `settimeout` would cost a poll for every call."""
    sock.setblocking(True)
    if sys.platform == "win32":
        sock.settimeout(seconds)
        return
    limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def no_delay(sock: socket.socket) -> None:
    """Send small messages at once."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def receive_exactly(sock: socket.socket, view: memoryview) -> None:
    """Fill `view`.

    Raises:
        LoadError: the other side ended too early.
        OSError: the connection failed.
    """
    got = 0
    while got < len(view):
        more = sock.recv_into(view[got:])
        if not more:
            raise LoadError(f"the connection ended after {got} of {len(view)} bytes")
        got += more


def open_stream(address: Address, mode: bytes, proxy: Proxy | None = None) -> socket.socket:
    """Return a connection in `mode`, answered for by the server; through `proxy`, if there is one.

    Raises:
        LoadError: the server's answer is another byte, or none.
        OSError: the connection failed.
    """
    sock = ask(address, mode, proxy)
    try:
        check_answer(sock, mode)
    except BaseException:
        sock.close()
        raise
    return sock


def ask(address: Address, mode: bytes, proxy: Proxy | None = None) -> socket.socket:
    """Return a connection on which `mode` was asked for; see `check_answer`."""
    near = address if proxy is None else (proxy.host, proxy.port)
    sock = socket.create_connection(near, timeout=PATIENCE)
    try:
        be_patient(sock)
        no_delay(sock)
        if proxy is not None:
            pass_proxy(sock, proxy, address)
        sock.sendall(mode)
    except BaseException:
        sock.close()
        raise
    return sock


def pass_proxy(sock: socket.socket, proxy: Proxy, target: Address) -> None:
    """Have `proxy`, which the socket is connected to, reach `target`.

    Raises:
        LoadError: it does not answer as it should.
    """
    sock.send(proxy.request(target))
    answer = bytearray(len(proxy.answer))
    receive_exactly(sock, memoryview(answer))
    if answer != proxy.answer:
        raise LoadError(f"the proxy answered {bytes(answer)!r}")


def check_answer(sock: socket.socket, mode: bytes) -> None:
    """Raise LoadError when the server's answer is not `mode`, OSError when none can come."""
    answer = sock.recv(1)
    if answer != mode:
        raise LoadError(f"asked for {mode!r}, the server answered {answer!r}")


def run_program(main: Callable[[], int]) -> NoReturn:
    """Exit with what `main` returns; a failed load becomes one line."""
    try:
        sys.exit(main())
    except LoadError as fault:
        sys.exit(f"benchmarks: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
