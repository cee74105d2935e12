"""Clients of the demo mesh, run as a script that ends with its stdin.

The first line of stdin is JSON: `direct`, addresses `IP:PORT`; `proxy`, the address of an HTTP
proxy; `named`, the `HOST:PORT` to reach through it.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time

CLIENTS = 7
_TIMEOUT = 10.0
_CHUNK = 16 * 1024


def client(where: dict[str, object]) -> None:
    """Make one visit after another, forever."""
    while True:
        try:
            visit(where)
        except OSError:
            # A host that is down, a stream that the user has killed: part of the demo.
            pass
        time.sleep(random.uniform(0.3, 3))


def visit(where: dict[str, object]) -> None:
    """Open a stream, move some bytes through it at its own pace, and close it."""
    named, direct = where["named"], where["direct"]
    assert isinstance(named, list) and isinstance(direct, list)
    target, address, by_proxy = "", str(random.choice(direct)), random.random() < 0.4
    if by_proxy:
        target = str(random.choice(named))
        address = str(where["proxy"])
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), _TIMEOUT) as connection:
        connection.settimeout(_TIMEOUT)
        url = f"http://{target}" if by_proxy else ""
        kind = random.choices(("page", "flow", "upload"), (4, 4, 2))[0]
        name = target or address
        if kind == "upload":
            upload(connection, url, name)
        else:
            path = "/" if kind == "page" else f"/flow/{random.randint(20, 400)}"
            connection.sendall(f"GET {url}{path} HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
            download(connection, random.uniform(5, 25))


def download(connection: socket.socket, long: float) -> None:
    """Read for so many seconds, or to the end."""
    until = time.monotonic() + long
    while time.monotonic() < until and connection.recv(65536):
        pass


def upload(connection: socket.socket, url: str, name: str) -> None:
    """Send a few MB, at its own pace."""
    length = random.randint(10, 120) * _CHUNK
    head = f"PUT {url}/ HTTP/1.0\r\nHost: {name}\r\nContent-Length: {length}\r\n\r\n"
    connection.sendall(head.encode())
    for _ in range(length // _CHUNK):
        connection.sendall(bytes(_CHUNK))
        time.sleep(0.08)
    download(connection, _TIMEOUT)


def main() -> None:
    """Run the clients until stdin ends."""
    where = json.loads(sys.stdin.readline())
    for _ in range(CLIENTS):
        threading.Thread(target=client, args=(where,), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
