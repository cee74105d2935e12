"""nginx by VIP and by each way through the proxies; HTTP/2 with and without TLS."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from pathlib import Path

import httpx
import pytest

from tests.field.field import HTTP, SOCKS, WEB, Field
from tests.field.nginx import NAME, Nginx
from tests.transports.web import WAYS, curl

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]


@pytest.fixture(scope="module", autouse=True)
def noise(nginx: Nginx) -> bytes:
    data = os.urandom(4 << 20)
    (nginx.www / "noise").write_bytes(data)
    (nginx.www / "page").write_text("page of nginx\n")
    return data


@pytest.mark.parametrize("at", ["local", "db", "web", "box", "engine"])
def test_a_service_at_all_addresses_of_its_host(field: Field, at: str) -> None:
    """nginx itself answers at VIP:80 on `web`, where the mesh cannot listen."""
    assert curl(field.places[at], "--fail", f"http://{WEB}/page") == "page of nginx"


@pytest.mark.parametrize("name", [WEB, "web", NAME])
@pytest.mark.parametrize("way", WAYS, ids=["absolute", "connect", "socks4a", "socks5h"])
def test_names_by_each_proxy(field: Field, way: tuple[str, ...], name: str) -> None:
    assert curl(field.hub, "--fail", *way, f"http://{name}/page") == "page of nginx"


@pytest.mark.parametrize("way", [("--noproxy", "*"), *WAYS[1:]])
def test_tls_to_a_name_of_the_mesh(
    field: Field, nginx: Nginx, way: tuple[str, ...], tmp_path: Path, noise: bytes
) -> None:
    name = WEB if "--noproxy" in way else NAME
    got = tmp_path / "noise"
    trust = ("--cacert", str(nginx.certificate), "--write-out", "%{http_version}")
    url = f"https://{name}/noise"
    assert curl(field.hub, "--fail", *way, *trust, "--output", str(got), url) == "2"
    assert got.read_bytes() == noise


@pytest.mark.parametrize("way", WAYS, ids=["absolute", "connect", "socks4a", "socks5h"])
def test_an_offer_of_http2_is_declined(field: Field, way: tuple[str, ...]) -> None:
    """As Java's client makes it with each request that is not TLS: `Upgrade: h2c`."""
    told = curl(field.hub, *way, "--http2", "--write-out", "%{http_version}", f"http://{NAME}/page")
    assert told == "page of nginx\n1.1"


def test_http2_without_tls(field: Field) -> None:
    known = ("--http2-prior-knowledge", "--write-out", "%{http_version}")
    assert curl(field.hub, *known, f"http://{WEB}:8081/page") == "page of nginx\n2"


@pytest.mark.parametrize("proxy", [None, f"http://{HTTP}", f"socks5h://{SOCKS}"])
def test_many_streams_of_one_http2_connection(
    nginx: Nginx, noise: bytes, proxy: str | None
) -> None:
    async def fetch() -> None:
        trust = ssl.create_default_context(cafile=str(nginx.certificate))
        limits = httpx.Limits(max_connections=1)
        options = {"http1": False, "http2": True, "trust_env": False, "timeout": 30}
        async with httpx.AsyncClient(verify=trust, proxy=proxy, limits=limits, **options) as client:
            url = f"https://{NAME if proxy else WEB}"
            pages = [client.get(f"{url}/page") for _ in range(100)]
            large = [client.get(f"{url}/noise") for _ in range(4)]
            answers = await asyncio.gather(*large, *pages)
        assert {answer.http_version for answer in answers} == {"HTTP/2"}
        assert {answer.text for answer in answers[4:]} == {"page of nginx\n"}
        wanted = hashlib.sha256(noise).digest()
        assert {hashlib.sha256(answer.content).digest() for answer in answers[:4]} == {wanted}

    asyncio.run(fetch())
