"""What a person at a terminal has: programs that lead to hosts nearby, a server, a home."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from pathlib import Path

from tests.engine.meshes import exec_command
from tests.programs import ROOT

NOROUTER = (sys.executable, "-m", "norouter_tui")
SCREEN = (sys.executable, "-m", "norouter_tui.cli.screen_entry")

EXEC = """\
#!/bin/sh
[ "$1" = exec ] || { echo "no such command: $1" >&2; exit 64; }
shift
while [ "${1#-}" != "$1" ]; do shift; done
shift
exec "$@"
"""
SSH = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
shift
exec sh -c "$*"
"""


def user_env(home: Path, **programs: str) -> dict[str, str]:
    """The environment of a person whose every file is below `home`, and whose PATH begins with
    these programs, by their names and texts."""
    folder = home / "bin"
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    plain = exec_command()[1].removeprefix("PATH=")
    return {
        "PATH": f"{folder}:{plain}",
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_RUNTIME_DIR": str(home),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/sh",
    }


class Echo:
    """A server that sends back what it gets, and a page to whoever asks by HTTP."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(
                    target=self._serve, args=(self._socket.accept()[0],), daemon=True
                ).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if data.startswith(b"GET "):
                    client.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe page\n")
                    return
                client.sendall(data)

    def close(self) -> None:
        self._socket.close()


def assert_runs(manifest: Path, url: str, env: dict[str, str]) -> None:
    """The saved manifest brings the same mesh up without a person."""
    done = subprocess.run(
        [*NOROUTER, "run", str(manifest), "--headless", "--", "curl", "-sS", url],
        env=env, text=True, capture_output=True, timeout=50,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["the page"]), done.stderr
