"""What people send through the HTTP proxy, as an engine serves it, by real clients."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import http.server
import os
import random
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest

from norouter_core.model import Route
from tests.proxy.engines import PUBLISHED, World, curl, world
from tests.proxy.proxy_server import Origin, origin, unmask
from tests.servers import Peer, connect, serving

pytestmark = pytest.mark.anyio

MIB = 1 << 20


@asynccontextmanager
async def there() -> AsyncIterator[tuple[Origin, World]]:
    """An origin that `web` publishes, and that `localhost` means on the bastion."""
    async with origin() as site, world(site.port, Route("bastion", ("localhost",))) as made:
        yield site, made


async def head_of(client: Peer) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = await client.exactly(1)
        assert piece, head
        head += piece
    return head


async def test_a_websocket_says_back_what_it_is_told() -> None:
    async with there() as (_, made):
        with await connect(made.http) as client:
            await client.send(
                b"GET http://web:%d/socket HTTP/1.1\r\nHost: web\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % PUBLISHED
            )
            assert (await head_of(client)).startswith(b"HTTP/1.1 101 ")
            for size in (0, 1, 125, 5000, 65535):
                text, mask = os.urandom(size), os.urandom(4)
                sizes = bytes((0x82, 0xFE)) + size.to_bytes(2, "big")
                await client.send(sizes + mask + unmask(text, mask))
                answer = bytes((0x82, 126)) + size.to_bytes(2, "big") + text
                assert await client.exactly(len(answer)) == answer
            assert made.stream.to_host == "back"
            await client.send(b"\x88\x80" + bytes(4))
            assert await client.rest() == b"\x88\x00"


@pytest.mark.parametrize("name", ["web", "localhost"])
async def test_each_event_is_here_before_the_next_is_sent(name: str) -> None:
    async with there() as (site, made):
        at = PUBLISHED if name == "web" else site.port
        with await connect(made.http) as client:
            url = f"http://{name}:{at}/events"
            await client.send(f"GET {url} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            await head_of(client)
            for number in range(5):
                site.event.set()
                event = b"data: %d\n\n" % number
                wire = b"%x\r\n%s\r\n" % (len(event), event)
                assert await client.exactly(len(wire)) == wire


async def test_two_hundred_requests_at_once() -> None:
    async with there() as (site, made):

        async def fetch(number: int) -> bytes:
            name, at = [("web", PUBLISHED), ("localhost", site.port)][number % 2]
            head = f"GET http://{name}:{at}/{number} HTTP/1.1\r\nHost: {name}:{at}\r\n"
            with await connect(made.http) as client:
                await client.send(f"{head}Connection: close\r\n\r\n".encode())
                return (await client.rest()).partition(b"\r\n\r\n")[2]

        got = await asyncio.gather(*map(fetch, range(200)))
        for number, text in enumerate(got):
            assert text.startswith(b"/%d of " % number), text


# -- git


@contextmanager
def repository(folder: Path) -> Iterator[tuple[int, str]]:
    """A repository served by HTTP: the port, and the commit that it holds."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **{f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in _WHO},
    }

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=work, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    work = folder / "work"
    work.mkdir()
    git("init", "--quiet", ".")
    (work / "big").write_bytes(random.Random(1).randbytes(2 * MIB))
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    git("clone", "--quiet", "--bare", ".", "../site/repo.git")
    git("--git-dir", "../site/repo.git", "update-server-info")
    handler = functools.partial(_Quiet, directory=str(folder / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], git("rev-parse", "HEAD")
        finally:
            server.shutdown()
            thread.join()


_WHO = ("NAME", "EMAIL")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.mark.skipif(not shutil.which("git"), reason="git is missing")
async def test_git_clones(tmp_path: Path) -> None:
    with repository(tmp_path) as (port, commit):
        async with world(port) as made:
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "http_proxy": "http://{}:{}".format(*made.http),
                "GIT_TERMINAL_PROMPT": "0",
            }
            url, target = f"http://web:{PUBLISHED}/repo.git", tmp_path / "clone"
            clone = await asyncio.create_subprocess_exec(
                *("git", "clone", "--quiet", url, str(target)), env=environment
            )
            assert await clone.wait() == 0
            head = subprocess.run(
                ["git", "-C", str(target), "rev-parse", "HEAD"],
                env=environment, check=True, capture_output=True, text=True,
            )  # fmt: skip
            assert head.stdout.strip() == commit
            assert (target / "big").read_bytes() == (tmp_path / "work" / "big").read_bytes()


# -- much data


class Chunks:
    """Answers GET with so many MiB in chunks, PUT with how much came and what it was."""

    def __init__(self, mebibytes: int) -> None:
        self.size = mebibytes
        self.block = random.Random(5).randbytes(MIB)
        digest = hashlib.sha256()
        for _ in range(mebibytes):
            digest.update(self.block)
        self.digest = digest.hexdigest()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"PUT "):
            assert b"chunked" in head.lower(), head
            digest = hashlib.sha256()
            while size := int(await reader.readuntil(b"\r\n"), 16):
                digest.update(await reader.readexactly(size))
                await reader.readexactly(2)
            await reader.readexactly(2)
            text = digest.hexdigest().encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(self.size):
            writer.write(b"%x\r\n%s\r\n" % (MIB, self.block))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_two_hundred_mebibytes_in_chunks_both_ways_take_no_memory(tmp_path: Path) -> None:
    chunks = Chunks(200)
    sent, got = tmp_path / "sent", tmp_path / "got"
    with sent.open("wb") as file:
        for _ in range(chunks.size):
            file.write(chunks.block)
    async with serving(chunks) as port, world(port, Route("bastion", ("localhost",))) as made:
        words = ["--proxy", "{}:{}".format(*made.http), f"http://localhost:{port}/"]
        before = psutil.Process().memory_info().rss
        down = await curl("--output", str(got), *words)
        assert down.status == 0, down.told
        up = await curl(
            "--header", "Transfer-Encoding: chunked", "--upload-file", str(sent), *words
        )
        assert (up.status, up.out.decode()) == (0, chunks.digest), up.told
        # The origin runs in this process, too.
        assert psutil.Process().memory_info().rss - before < 48 * MIB
    with got.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == chunks.digest
