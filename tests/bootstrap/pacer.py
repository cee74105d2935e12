"""A slow link: `pacer.py BYTES [MOST] -- COMMAND` passes stdin on in pieces of BYTES, 20 ms apart.

After MOST bytes it passes on nothing more, but stays, as a link does that has stalled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def main() -> None:
    at = sys.argv.index("--")
    piece = int(sys.argv[1])
    left = int(sys.argv[2]) if at > 2 else 1 << 62
    child = subprocess.Popen(sys.argv[at + 1 :], stdin=subprocess.PIPE, bufsize=0)
    assert child.stdin is not None
    while data := os.read(0, min(piece, left) or piece):
        if left:
            left -= child.stdin.write(data) or 0
            time.sleep(0.02)
    child.stdin.close()
    sys.exit(child.wait())


main()
