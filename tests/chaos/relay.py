"""An exec client that is a process of its own, as docker's is: `relay.py COMMAND...`.

It passes bytes on in pieces that follow no frame. SIGUSR1 stalls it for 1 to 4 s, and SIGUSR2 cuts
it in mid-frame: it drops what it holds and exits.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

_PIECES = (1, 2, 3, 7, 11, 12, 13, 100, 4095, 4096, 65535, 1 << 18, 1 << 18, 1 << 18)


class Relay:
    """Copies both ways between its own stdio and a command."""

    def __init__(self, argv: list[str]) -> None:
        # A session of its own: the command outlives this program, as in a container.
        self._child = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        self._stalled_until = 0.0

    def stall(self, number: int, frame: FrameType | None) -> None:
        self._stalled_until = time.monotonic() + random.uniform(1, 4)

    def run(self) -> int:
        """Copy until the command ends, and return its exit status."""
        assert self._child.stdin is not None and self._child.stdout is not None
        sink, source = self._child.stdin, self._child.stdout.fileno()
        threading.Thread(
            target=self._copy, args=(0, sink.fileno(), sink.close), daemon=True
        ).start()
        answers = threading.Thread(target=self._copy, args=(source, 1, lambda: None), daemon=True)
        answers.start()
        status = self._child.wait()
        answers.join(1)
        return status if status >= 0 else 128 - status

    def _copy(self, source: int, sink: int, close: object) -> None:
        try:
            while data := os.read(source, 1 << 18):
                view = memoryview(data)
                while view:
                    time.sleep(max(0.0, self._stalled_until - time.monotonic()))
                    view = view[os.write(sink, view[: random.choice(_PIECES)]) :]
        except OSError:
            pass
        if callable(close):
            close()


def main() -> None:
    relay = Relay(sys.argv[1:])
    signal.signal(signal.SIGUSR1, relay.stall)
    signal.signal(signal.SIGUSR2, lambda *_: os._exit(1))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    os._exit(relay.run())


if __name__ == "__main__":
    main()
