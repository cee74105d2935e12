"""A "shell" that answers the hub's first line with a report of its own: `fakeshell.py UNIT sh`."""

from __future__ import annotations

import os
import re
import sys

line = b""
while not line.endswith(b"\n"):
    line += os.read(0, 65536)
found = re.search(rb"norouter-agent ([0-9a-f]{16})", line)
assert found is not None
unit = sys.argv[1].encode()
data = b"NOROUTER:" + found[1] + b":none:" + unit * (250_000 // len(unit)) + b"\n"
while data:
    data = data[os.write(1, data) :]
