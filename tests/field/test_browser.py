"""Chromium by each proxy, and WebSockets and server-sent events without a browser."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.field.field import HTTP, READY, SOCKS, WEB, Field, wait_until
from tests.transports.procs import Background
from tests.transports.require import need_program
from tests.transports.web import WAYS

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

REMOTE = Path(__file__).parent / "remote"
PORT = 8000


@pytest.fixture(scope="module")
def files(field: Field) -> Path:
    folder = field.make_folder("site")
    (folder / "noise").write_bytes(os.urandom(2 << 20))
    return folder


@pytest.fixture(scope="module", autouse=True)
def site(field: Field, files: Path) -> Iterator[Background]:
    argv = [sys.executable, str(REMOTE / "site.py"), str(PORT), str(files)]
    with field.serving("web", argv, PORT) as started:
        yield started


@pytest.mark.parametrize(
    ("proxy", "name"),
    [
        (f"http://{HTTP}", "www.field.test"),
        (f"socks5://{SOCKS}", "web"),
        ("direct://", WEB),
    ],
)
def test_chromium(
    field: Field, site: Background, files: Path, tmp_path: Path, proxy: str, name: str
) -> None:
    """A page with parts, a WebSocket, events, an upload and a download."""
    chromium = need_program("chromium", "chromium")
    profile, downloads = tmp_path / "profile", tmp_path / "downloads"
    (profile / "Default").mkdir(parents=True)
    wanted = {"download": {"default_directory": str(downloads), "prompt_for_download": False}}
    (profile / "Default" / "Preferences").write_text(json.dumps(wanted))
    quiet = ("--disable-gpu", "--no-first-run", "--disable-background-networking")
    options = ("--headless=new", "--no-sandbox", *quiet, f"--user-data-dir={profile}")
    origin = f"http://{name}:{PORT}"
    # Else it asks before it keeps what came without TLS from beyond 127.0.0.0/8.
    trust = f"--unsafely-treat-insecure-origin-as-secure={origin}"
    argv = field.hub.enter(chromium, *options, trust, f"--proxy-server={proxy}", f"{origin}/")
    before = len(site.lines)
    with Background(argv, stderr=tmp_path / "chromium.stderr"):
        site.wait_until(lambda: len(site.lines) > before, 40, "the report of the page")
        seen = json.loads(site.lines[before].removeprefix("report "))
        assert seen == {
            "parts": " ".join(map(str, range(40))),
            "colour": "rgb(1, 2, 3)",
            "width": 7,
            "socket": "true 1000",
            "events": " ".join(map(str, range(10))),
            "posted": True,
        }
        wait_until((downloads / "noise").exists, 20, "the download")
        assert (downloads / "noise").read_bytes() == (files / "noise").read_bytes()


@pytest.mark.parametrize("proxy", [None, f"http://{HTTP}", f"socks5h://{SOCKS}"])
def test_websockets(proxy: str | None) -> None:
    async def talk() -> None:
        url = f"ws://{'web' if proxy else WEB}:{PORT}/socket"
        messages = [os.urandom(size) for size in (0, 1, 125, 126, 65535, 65536, 1 << 20, 4 << 20)]
        async with connect(url, proxy=proxy, max_size=None) as socket:
            sending = asyncio.gather(*(socket.send(message) for message in messages))
            assert [await socket.recv() for _ in messages] == messages
            await sending
            await asyncio.wait_for(await socket.ping(), 10)

    asyncio.run(talk())


def test_a_body_that_breaks_off_is_no_success(field: Field, tmp_path: Path) -> None:
    """Of HTTP/1.0 nothing but a reset tells a client that this was not the end."""
    ways = [("--http1.0",), *(("--http1.0", *way) for way in WAYS), *WAYS[:2]]
    mark = len(field.mesh.events)
    with ExitStack() as stack:
        clients = []
        for number, way in enumerate(ways):
            url = f"http://{WEB if way == ways[0] else 'web'}:{PORT}/endless"
            into = tmp_path / f"{number}"
            argv = field.hub.enter("curl", "-sS", "--noproxy", "", *way, "-o", str(into), url)
            log = tmp_path / f"{number}.stderr"
            clients.append((stack.enter_context(Background(argv, stderr=log)), into, way))
        for _, into, way in clients:
            wait_until(partial(_has_begun, into), 20, f"{way}: the body begins")
        field.mesh.exec_client("web").send_signal(signal.SIGKILL)
        ends = {way: client.process.wait(20) for client, _, way in clients}
    field.mesh.wait_states_since(mark, "web", "ready", READY)
    assert set(ends.values()) <= {18, 56}, ends


def _has_begun(into: Path) -> bool:
    return into.exists() and into.stat().st_size > 1 << 16


@pytest.mark.parametrize("proxy", [None, f"http://{HTTP}", f"socks5h://{SOCKS}"])
def test_events_come_one_by_one(proxy: str | None) -> None:
    url = f"http://{'web' if proxy else WEB}:{PORT}/events"
    with (
        httpx.Client(proxy=proxy, trust_env=False) as client,
        client.stream("GET", url) as answer,
    ):
        chunks = [chunk for chunk in answer.iter_raw() if chunk]
    assert b"".join(chunks) == b"".join(b"data: %d\n\n" % number for number in range(10))
    assert len(chunks) > 1
