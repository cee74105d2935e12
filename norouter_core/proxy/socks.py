"""The SOCKS proxy: 4, 4a and 5, CONNECT only (RFC 1928, RFC 1929, and the SOCKS4 notes)."""

from __future__ import annotations

import ipaddress

from anyio import EndOfStream

from norouter_core.byte_stream import StreamReset
from norouter_core.errors import NorouterError
from norouter_core.model import format_address
from norouter_core.proxy.session import Session
from norouter_core.proxy.target import TargetError, parse_host

_CONNECT = 1
_COMMANDS = {2: "BIND", 3: "UDP ASSOCIATE"}
_MAX_FIELD = 255
"""Bytes of a SOCKS4 user id or name: what SOCKS5 allows, as the notes set no limit."""

_GENERAL, _NO_COMMAND, _NO_ADDRESS_TYPE = 1, 7, 8
_GRANTED4, _REJECTED4, _WRONG_USER4 = 0x5A, 0x5B, 0x5D
_REPLIES = {"not-allowed": 2, "unreachable": 4, "name": 4, "refused": 5, "timeout": 6}
_HTTP_HINT = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    b"norouter: this is a SOCKS proxy; the HTTP proxy listens on another port\n"
)


class Reject(NorouterError):
    """The handshake ends with these bytes for the client; the text says why."""

    def __init__(self, data: bytes, text: str) -> None:
        super().__init__(text)
        self.data = data


class SocksSession(Session):
    """One client's one request."""

    kind = "socks"

    async def serve(self) -> None:
        try:
            with self.limit(self.time_left()):
                version, kind, host, port = await self._handshake()
        except TimeoutError:
            self.log(f"the handshake took over {self.settings.header_timeout:g} s")
        except Reject as reject:
            self.log(f"rejected: {reject}")
            await self.say(reject.data)
        except EndOfStream:
            pass
        else:
            if await self._connect(version, kind, host, port):
                return
        await self.close()

    async def _connect(self, version: int, kind: str, host: str, port: int) -> bool:
        """Return whether the client's connection has become a tunnel."""
        upstream = self.dial(host, port)
        try:
            with self.limit(self.settings.idle_timeout):
                await upstream.connected()
        except TimeoutError:
            failure = StreamReset("timeout", "no answer to the dial")
        except StreamReset as reset:
            failure = reset
        else:
            await self.say(_reply5(0) if version == 5 else _reply4(_GRANTED4))
            await self.tunnel(upstream)
            return True
        self.log(f"{kind} {format_address((host, port))}: {failure.code}: {failure.reason}")
        await self.say(_failure5(failure) if version == 5 else _reply4(_REJECTED4))
        return False

    # -- the handshake ---------------------------------------------------------------------

    async def _handshake(self) -> tuple[int, str, str, int]:
        """Return the version, the kind of request, and the target.

        Raises:
            Reject: the client gets no target.
            EndOfStream: it has left.
        """
        version, second = await self.client.receive_exactly(2)
        if version == 4:
            kind, host, port = await self._request4(second)
        elif version == 5:
            await self._greeting5(second)
            kind, host, port = await self._request5()
        else:
            is_text = chr(version).isascii() and chr(version).isalpha()
            raise Reject(_HTTP_HINT if is_text else b"", "not SOCKS 4 or 5")
        self.client.acknowledge()
        rejected = _reply5(_GENERAL) if version == 5 else _reply4(_REJECTED4)
        try:
            host = parse_host(host)
        except TargetError as error:
            raise Reject(rejected, f"{host!r} {error}") from None
        if not port:
            raise Reject(rejected, f"{host} port 0")
        return version, kind, host, port

    async def _request4(self, command: int) -> tuple[str, str, int]:
        rest = await self.client.receive_exactly(6)
        port, address = int.from_bytes(rest[:2], "big"), rest[2:]
        if command != _CONNECT:
            raise Reject(_reply4(_REJECTED4), f"command {_command(command)} is not supported")
        await self._text4()  # the user id, which nobody checks
        # 4a: an address of 0.0.0.x, which no host has, says that a name follows.
        named = address[:3] == b"\0\0\0" and address[3] != 0
        host = await self._text4() if named else str(ipaddress.IPv4Address(address))
        if self.credentials is not None:
            raise Reject(_reply4(_WRONG_USER4), "SOCKS4 cannot carry a password")
        return "socks4a" if named else "socks4", host, port

    async def _text4(self) -> str:
        """Receive a field that ends in a NUL."""
        buffer = self.client.buffer
        while (end := buffer.find(0, 0, _MAX_FIELD + 1)) < 0:
            if len(buffer) > _MAX_FIELD:
                raise Reject(_reply4(_REJECTED4), "a field is too long")
            await self.client.fill()
        return self.client.take(end + 1)[:-1].decode("latin-1")

    async def _greeting5(self, count: int) -> None:
        methods = await self.client.receive_exactly(count)
        wanted = 0 if self.credentials is None else 2
        if wanted not in methods:
            what = "no authentication" if wanted == 0 else "user and password"
            raise Reject(b"\x05\xff", f"the client does not offer {what}")
        await self.client.send(bytes((5, wanted)))
        if self.credentials is None:
            return
        version, size = await self.client.receive_exactly(2)
        if version != 1:
            raise Reject(b"\x01\x01", "malformed user and password")
        *user, size = await self.client.receive_exactly(size + 1)
        password = await self.client.receive_exactly(size)
        if not self.credentials.match(bytes(user), password):
            await self.wait_after_wrong_login()
            raise Reject(b"\x01\x01", "wrong user or password")
        await self.client.send(b"\x01\x00")

    async def _request5(self) -> tuple[str, str, int]:
        version, command, reserved, family, first = await self.client.receive_exactly(5)
        if version != 5:
            raise Reject(_reply5(_GENERAL), "malformed request")
        if command != _CONNECT:
            raise Reject(_reply5(_NO_COMMAND), f"command {_command(command)} is not supported")
        if reserved:
            raise Reject(_reply5(_GENERAL), "malformed request")
        sizes = {1: 3, 3: first, 4: 15}
        if family not in sizes:
            raise Reject(_reply5(_NO_ADDRESS_TYPE), f"address type {family} is not supported")
        rest = await self.client.receive_exactly(sizes[family] + 2)
        address, port = rest[:-2], int.from_bytes(rest[-2:], "big")
        if family == 3:
            return "socks5", address.decode("latin-1"), port
        return "socks5", str(ipaddress.ip_address(bytes((first,)) + address)), port


def _failure5(failure: StreamReset) -> bytes:
    if failure.code == "unreachable" and "network" in failure.reason.lower():
        return _reply5(3)
    return _reply5(_REPLIES.get(failure.code, _GENERAL))


def _command(number: int) -> str:
    return _COMMANDS.get(number, str(number))


def _reply4(code: int) -> bytes:
    return bytes((0, code)) + bytes(6)


def _reply5(code: int) -> bytes:
    # The bound address is the far host's own, which a client of CONNECT never needs: 0.0.0.0:0.
    return bytes((5, code, 0, 1)) + bytes(6)
