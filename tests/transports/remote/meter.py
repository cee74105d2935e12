"""Reads an endless page and tells how steadily it comes: `meter.py IP PORT PATH CHUNK PAUSE`.

It reads at most CHUNK bytes, then rests PAUSE seconds, so that a bulk sender always meets a
reader slower than itself. Twice a second, and at the end, a line of JSON: `bytes` so far, `gap`
the longest time in seconds without any byte (the running one counts), `ended` why it is over.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

IP, PORT, PATH = sys.argv[1], int(sys.argv[2]), sys.argv[3]
CHUNK, PAUSE = int(sys.argv[4]), float(sys.argv[5])


def tell(total: int, gap: float, ended: str | None = None) -> None:
    line = {"bytes": total, "gap": round(gap, 3), "ended": ended}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def measure(connection: socket.socket) -> None:
    total, gap = 0, 0.0
    last = told = time.monotonic()
    while True:
        readable = select.select([connection], [], [], 0.1)[0]
        now = time.monotonic()
        gap = max(gap, now - last)
        if readable:
            try:
                data = connection.recv(CHUNK)
            except OSError as error:
                return tell(total, gap, type(error).__name__)
            if not data:
                return tell(total, gap, "end of stream")
            total, last = total + len(data), now
            time.sleep(PAUSE)
        if now - told >= 0.5:
            tell(total, gap)
            told = now


with socket.create_connection((IP, PORT), timeout=10) as opened:
    opened.settimeout(None)
    opened.sendall(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
    measure(opened)
