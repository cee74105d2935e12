"""A ping-pong stream: `python -m benchmarks.pingpong PORT` echoes, `... HOST PORT` measures.

The measuring side answers each line on its stdin with the longest round trip since the line before,
and the number of round trips. It connects again after a reset.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import sys
import threading
import time

_PAUSE = 0.005
"""Seconds between two round trips."""


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        sock: socket.socket = self.request
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            while data := sock.recv(4096):
                sock.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Ping(threading.Thread):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(daemon=True)
        self._address = (host, port)
        self._lock = threading.Lock()
        self._longest = 0.0
        self._count = 0
        self._asked = 0.0
        """When the open round trip began; 0: there is none."""

    def run(self) -> None:
        while True:
            try:
                with socket.create_connection(self._address, timeout=600) as sock:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while self._once(sock):
                        time.sleep(_PAUSE)
            except OSError:
                pass
            self._asked = 0.0
            time.sleep(_PAUSE)

    def _once(self, sock: socket.socket) -> bool:
        self._asked = time.perf_counter()
        sock.sendall(b"ping")
        if not sock.recv(64):
            return False
        with self._lock:
            self._longest = max(self._longest, time.perf_counter() - self._asked)
            self._count += 1
            self._asked = 0.0
        return True

    def take(self) -> dict[str, float]:
        with self._lock:
            asked = self._asked
            open_for = time.perf_counter() - asked if asked else 0.0
            found = {"longest": max(self._longest, open_for), "count": self._count}
            self._longest, self._count = 0.0, 0
        return found


def main(argv: list[str]) -> int:
    if len(argv) == 1:
        server = _Server(("127.0.0.1", int(argv[0])), _Echo)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print("up", flush=True)
        sys.stdin.read()
        return 0
    ping = _Ping(argv[0], int(argv[1]))
    ping.start()
    for _ in sys.stdin:
        print(json.dumps(ping.take()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
