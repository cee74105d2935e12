"""A name server by UDP and by TCP, and HTTP/3, which is a whole transport in UDP."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.field import WEB, Field
from tests.field.nginx import NAME, Nginx
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

REMOTE = Path(__file__).parent / "remote"
LARGE = 1 << 17


@pytest.fixture(scope="module")
def dnsmasq(field: Field) -> Iterator[None]:
    program = need_program("dnsmasq", "dnsmasq-base")
    words = [program, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--log-facility=-"]
    words += ["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file", "--conf-file"]
    words += ["--user=root", "--group=root", "--address=/field.test/10.1.2.3"]
    # An answer of 4,000 bytes, which no datagram of 1,232 holds.
    words += [f"--txt-record=many.test,{number}{'x' * 190}" for number in range(10, 30)]
    with field.serving("web", words, 53):
        yield


@pytest.mark.usefixtures("dnsmasq")
@pytest.mark.parametrize("at", ["local", "db", "box"])
def test_dig(field: Field, at: str) -> None:
    need_program("dig", "bind9-dnsutils")
    dig = ("dig", f"@{WEB}", "+tries=1", "+time=5", "+short")
    for protocol in ("+notcp", "+tcp"):
        assert field.run(at, *dig, protocol, "www.field.test", "A").strip() == "10.1.2.3"
    records = field.run(at, *dig, "many.test", "TXT").split()
    assert sorted(records) == [f'"{number}{"x" * 190}"' for number in range(10, 30)]


def test_http3(field: Field, nginx: Nginx) -> None:
    key = str(nginx.certificate.with_name("key"))
    trust = ("--certfile", str(nginx.certificate), "--keyfile", key)
    at = ("--quic-bind", "127.0.0.1:4433", "--bind", "127.0.0.1:4434")
    argv = [sys.executable, "-m", "hypercorn", *trust, *at, f"{REMOTE / 'http3_site.py'}:app"]
    client = (sys.executable, str(REMOTE / "http3_client.py"), WEB, "4433")
    sizes = [1, 1000, 100_000, LARGE]
    with field.serving("web", argv, 4434):
        for host in ("local", "box"):
            told = field.run(
                host, *client, str(nginx.certificate), NAME, *(f"/{size}" for size in sizes)
            )
            bodies = [hashlib.shake_128(b"field").digest(size) for size in sizes]
            assert told.splitlines() == [
                f"{len(body)} {hashlib.sha256(body).hexdigest()}" for body in bodies
            ]
