"""Web servers in the networks of hosts, and curl as a user would start it there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.transports.mesh import REMOTE, Place
from tests.transports.procs import Background

HTTP, SOCKS = "127.0.0.1:18080", "127.0.0.1:18081"
HTTP_WAYS = (
    ("--fail", "--proxy", f"http://{HTTP}"),
    ("--fail", "--proxytunnel", "--proxy", f"http://{HTTP}"),
)
SOCKS_WAYS = (("--socks4a", SOCKS), ("--socks5-hostname", SOCKS))
WAYS = HTTP_WAYS + SOCKS_WAYS
"""How curl is told to use the proxies of the hub."""
BY_ENVIRONMENT = {"http_proxy": f"http://{HTTP}"}


def curl(at: Place, *words: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> str:
    """What this machine's curl fetches in a place's network; of proxies it knows `env` alone.

    Raises:
        AssertionError: with curl's own words.
    """
    said = [f"{name}={value}" for name, value in (env or {}).items()]
    unset = [word for name in ("http_proxy", "no_proxy", "NO_PROXY") for word in ("-u", name)]
    argv = ["env", *unset, *said, "curl", "--silent", "--show-error", "--max-time", "20", *words]
    done = subprocess.run(at.net(*argv), capture_output=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{words}: exit {done.returncode}: {done.stderr.decode()}"
    return done.stdout.decode().strip()


def serve(
    stack: ExitStack,
    folder: Path,
    place: Place,
    text: str,
    port: int,
    address: str = "127.0.0.1",
    files: Path = Path("/nonexistent"),
) -> None:
    """A web server in a place's network, up when this returns; its page is `text`.

    It runs outside of the place, so that its end is certain: an exec client's is not.
    """
    words = (sys.executable, str(REMOTE / "pages.py"), text, str(port), str(files), address)
    log = folder / f"pages-{text}.stderr"
    stack.enter_context(Background(place.net(*words), stderr=log)).wait_line("serving", 20)
