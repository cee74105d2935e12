"""The ways to a server: a published port, or a proxy of the client's own host."""

from __future__ import annotations

import struct

from tests.servers import Address, Peer, closing_on_error, connect

HTTP: Address = ("127.0.0.1", 18080)
SOCKS: Address = ("127.0.0.1", 18081)
AUTH = ("chaos", "secret")
"""User and password of the SOCKS proxy on the hub's machine; the others ask for none."""


class Refused(Exception):
    """The proxy did not reach the server."""


async def by_connect(host: str, port: int, timeout: float, proxy: Address = HTTP) -> Peer:
    """Reach a server by CONNECT."""
    with closing_on_error(await connect(proxy, timeout)) as peer:
        await peer.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = await read_head(peer)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise Refused(head.split(b"\r\n")[0].decode(errors="replace"))
        return peer


async def read_head(peer: Peer) -> bytes:
    """Read up to the empty line of an HTTP message, and nothing after it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = await peer.exactly(1)
        if not byte:
            raise Refused("the proxy closed the connection")
        head += byte
    return head


async def by_socks5(
    host: str, port: int, timeout: float, auth: tuple[str, str] | None, proxy: Address = SOCKS
) -> Peer:
    """Reach a server by SOCKS5, which gets a name or an address as a name (RFC 1928, 1929)."""
    with closing_on_error(await connect(proxy, timeout)) as peer:
        await peer.send(b"\x05\x01" + (b"\x02" if auth else b"\x00"))
        if (await _need(peer, 2))[1] not in (0, 2):
            raise Refused("no method of authentication")
        if auth:
            user, password = (word.encode() for word in auth)
            await peer.send(bytes((1, len(user))) + user + bytes((len(password),)) + password)
            if (await _need(peer, 2))[1]:
                raise Refused("wrong password")
        name = host.encode()
        await peer.send(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + struct.pack("!H", port))
        if code := (await _need(peer, 10))[1]:
            raise Refused(f"SOCKS5 error {code}")
        return peer


async def by_socks4a(host: str, port: int, timeout: float, proxy: Address = SOCKS) -> Peer:
    """Reach a server by SOCKS4a, which gets a name."""
    with closing_on_error(await connect(proxy, timeout)) as peer:
        await peer.send(
            struct.pack("!BBH4s", 4, 1, port, b"\0\0\0\1") + b"\0" + host.encode() + b"\0"
        )
        if (code := (await _need(peer, 8))[1]) != 90:
            raise Refused(f"SOCKS4 error {code}")
        return peer


async def _need(peer: Peer, size: int) -> bytes:
    data = await peer.exactly(size)
    if len(data) < size:
        raise Refused("the proxy closed the connection")
    return data
