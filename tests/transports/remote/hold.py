"""Runs a command and never lets its stdin end: `hold.py COMMAND...`.

What a wrapper, a jump host or an engine's shim does at its worst: when the program that started
this one dies, the command behind it sees no end of its input and no broken pipe, ever. Ends when
the command ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def copy(source: int, sink: int) -> None:
    """Move bytes until `source` ends; where `sink` is gone, keep reading and drop them."""
    broken = False
    while data := _read(source):
        view = memoryview(data)
        while view and not broken:
            try:
                view = view[os.write(sink, view) :]
            except OSError:
                broken = True


def _read(source: int) -> bytes:
    try:
        return os.read(source, 1 << 16)
    except OSError:
        return b""


for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
    signal.signal(ignored, signal.SIG_IGN)
command = subprocess.Popen(
    sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
)
assert command.stdin is not None and command.stdout is not None
forth = threading.Thread(target=copy, args=(0, command.stdin.fileno()), daemon=True)
forth.start()
copy(command.stdout.fileno(), 1)
os._exit(command.wait() & 0xFF)
