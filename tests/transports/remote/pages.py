"""A host's web server: `pages.py NAME PORT [FOLDER [ADDRESS]]`, any Python >= 3.8.

It listens on 127.0.0.1 where no address is given.

GET / answers NAME. GET /trickle sends 64 bytes twenty times a second, GET /bulk as much as
is taken, both without end. GET /file/X sends a file of FOLDER; PUT answers the body's sha256.
"""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import socket
import sys
import time

NAME, PORT = sys.argv[1], int(sys.argv[2])
FOLDER = sys.argv[3] if len(sys.argv) > 3 else "/nonexistent"
ADDRESS = sys.argv[4] if len(sys.argv) > 4 else "127.0.0.1"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def _head(self, length: int | None = None) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, text: str) -> None:
        body = text.encode() + b"\n"
        self._head(len(body))
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/trickle":
            self._endless(b"." * 64, 0.05)
        elif self.path == "/bulk":
            self._endless(os.urandom(1 << 16), 0)
        elif self.path.startswith("/file/"):
            self._file(os.path.join(FOLDER, os.path.basename(self.path)))
        else:
            self._answer(NAME)

    def _endless(self, chunk: bytes, pause: float) -> None:
        self._head()
        try:
            while True:
                self.wfile.write(chunk)
                if pause:
                    time.sleep(pause)
        except OSError:
            self.close_connection = True

    def _file(self, path: str) -> None:
        with open(path, "rb") as source:
            self._head(os.fstat(source.fileno()).st_size)
            shutil.copyfileobj(source, self.wfile, 1 << 18)

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        while left:
            chunk = self.rfile.read(min(left, 1 << 18))
            if not chunk:
                return
            digest.update(chunk)
            left -= len(chunk)
        self._answer(digest.hexdigest())


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True
    address_family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET

    def handle_error(self, request: object, client_address: object) -> None:
        pass


server = Server((ADDRESS, PORT), Handler)
sys.stdout.write("serving\n")
sys.stdout.flush()
server.serve_forever()
