"""A way from client to server, and the forwarder on it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from benchmarks.processes import Ends, end
from benchmarks.protocol import Address, LoadError, Proxy
from benchmarks.workers import ClientProcess, ServerProcess

START_LIMIT = 20.0
"""Seconds a forwarder gets until the first byte is through."""


class Forwarder(Protocol):
    """Something that runs between client and server; `address` is what the client connects to.

    `first_byte` is how many seconds after its command's start a byte was through.
    """

    address: Address
    first_byte: float
    proxies: Mapping[str, tuple[Proxy, ...]]
    """By the name of a path, the proxies that its client can use to reach `address`."""

    def ends(self) -> Ends:
        """Its processes now."""


@dataclass(frozen=True)
class Path:
    """One column of the table. `start` brings the forwarder up: it stands once entered.

    Paths with the same `shared` use one forwarder, where a measure does not need a fresh one.
    """

    name: str
    title: str
    client: ClientProcess
    server: ServerProcess
    start: Callable[[], AbstractContextManager[Forwarder]]
    shared: str
    fresh: bool = True
    """Whether memory and start are of interest: not without a forwarder, nor for each cipher."""


class Direct:
    """No forwarder at all."""

    first_byte = 0.0
    proxies: Mapping[str, tuple[Proxy, ...]] = {}

    def __init__(self, address: Address) -> None:
        self.address = address

    def ends(self) -> Ends:
        return Ends()

    def start(self) -> AbstractContextManager[Forwarder]:
        return contextlib.nullcontext(self)


@contextlib.contextmanager
def running(
    argv: list[str], name: str, client: ClientProcess, address: Address
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Yield the process of `argv`, once a byte from `client` came back through `address`.

    Yields:
        The process, and how many seconds after its start the byte was back.

    Raises:
        LoadError: it could not be started, ended, or let nothing through in `START_LIMIT`
            seconds; the text has the last lines that it said.
    """
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as fault:
            raise LoadError(f"{name} cannot be started: {fault}") from fault
        try:
            try:
                through = _wait_through(process, client, address)
            except LoadError as fault:
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()[-6:]
                raise LoadError(
                    f"{name}: {fault}; it said: {' / '.join(lines) or 'nothing'}"
                ) from None
            yield process, through - started
        finally:
            end(process)


def _wait_through(
    process: subprocess.Popen[bytes], client: ClientProcess, address: Address
) -> float:
    limit = time.monotonic() + START_LIMIT
    while True:
        status = process.poll()
        if status is not None:
            raise LoadError(f"ended with exit status {status}")
        try:
            through: float = client.run("first_touch", *address, 1.0, limit=START_LIMIT)
            return through
        except LoadError:
            if time.monotonic() > limit:
                raise


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free now; another program may take it before it is used.

    Raises:
        LoadError: `host` cannot be bound, as 127.0.42.x on macOS.
    """
    try:
        with socket.create_server((host, 0)) as sock:
            port: int = sock.getsockname()[1]
            return port
    except OSError as fault:
        raise LoadError(f"no port at {host}: {fault}") from fault
