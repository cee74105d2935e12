"""A simulated host's web server, run as a script of its own: `web.py NAME`.

It serves on a free loopback port, prints that port, and ends when its stdin does, so that it
never outlives the demo. `GET` answers with the host's name, `PUT` with the sha256 of the body, and
`GET /flow/N` with some N KB a second, in waves, until the client has enough.
"""

from __future__ import annotations

import hashlib
import http.server
import math
import socketserver
import sys
import threading
import time

CHUNK = 256 * 1024
STEP = 0.1
"""Seconds between two pieces of a flow."""
MOST = 10_000
"""KB per second."""


class Server(socketserver.ThreadingTCPServer):
    """Unlike `http.server.HTTPServer` it asks no name server for its own name."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        _, flow, rate = self.path.rpartition("/flow/")
        if flow and rate.isdecimal():
            self._flow(min(int(rate), MOST))
            return
        self._answer(f"I am {self.server.name}\n")

    def do_PUT(self) -> None:
        digest = hashlib.sha256()
        missing = int(self.headers.get("Content-Length", "0"))
        while missing > 0 and (data := self.rfile.read(min(missing, CHUNK))):
            digest.update(data)
            missing -= len(data)
        self._answer(f"{digest.hexdigest()}\n")

    def _flow(self, rate: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        began = time.monotonic()
        try:
            while True:
                wave = 1 + math.sin((time.monotonic() - began) / 2)
                self.wfile.write(bytes(int(rate * 1000 * wave * STEP) + 1))
                time.sleep(STEP)
        except OSError:
            return  # The client has enough.

    def _answer(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: stderr is the demo's."""


def main() -> None:
    """Serve until stdin ends."""
    with Server(sys.argv[1]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
