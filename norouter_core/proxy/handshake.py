"""SOCKS 4, 4a and 5 up to the request, without I/O (RFC 1928, RFC 1929, and the SOCKS4 notes)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from norouter_core.proxy.auth import Credentials
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
    b"norouter: this is a SOCKS proxy; the HTTP proxy listens elsewhere\n"
)


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the client; the handshake goes on."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Connect:
    """The client asks for a target. `kind` is `socks4`, `socks4a` or `socks5`."""

    host: str
    port: int
    kind: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The last bytes for the client, and why."""

    data: bytes
    text: str


Step = Send | Connect | Reject


class Handshake:
    """`step` takes what it understands off the front of a buffer, and nothing of what follows."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._state: Callable[[bytearray], Step | None] | None = self._version
        self._version5 = False

    def step(self, buffer: bytearray) -> Step | None:
        """The next step, or None if more bytes are needed or the handshake is over."""
        while buffer and self._state is not None:
            before = self._state
            step = before(buffer)
            if step is not None or self._state is before:
                return step
        return None

    def granted(self) -> bytes:
        """What tells the client that its target has been reached."""
        return _reply5(0) if self._version5 else _reply4(_GRANTED4)

    def refused(self, code: str, reason: str) -> bytes:
        """What tells the client that a dial failed, by its code (SPEC.md section 4)."""
        if not self._version5:
            return _reply4(_REJECTED4)
        if code == "unreachable" and "network" in reason.lower():
            return _reply5(3)
        return _reply5(_REPLIES.get(code, _GENERAL))

    # -- states: each takes a whole message off the buffer, or nothing ----------------------

    def _version(self, buffer: bytearray) -> Step | None:
        if buffer[0] == 4:
            self._state = self._request4
            return None
        if buffer[0] == 5:
            self._version5 = True
            self._state = self._greeting5
            return None
        is_text = chr(buffer[0]).isascii() and chr(buffer[0]).isalpha()
        return self._refuse(_HTTP_HINT if is_text else b"", "not SOCKS 4 or 5")

    def _request4(self, buffer: bytearray) -> Step | None:
        if len(buffer) < 8:
            return None
        command, address = buffer[1], bytes(buffer[4:8])
        if command != _CONNECT:
            return self._refuse4(f"command {_command(command)} is not served")
        # 4a: an address of 0.0.0.x, which none has, says that a name follows.
        named = address[:3] == b"\0\0\0" and address[3] != 0
        user, at = _text_field(buffer, 8)
        name, end = _text_field(buffer, at) if named and user is not None else (b"", at)
        if user is None or name is None:
            return self._refuse4("a field is too long") if end > len(buffer) else None
        port = int.from_bytes(buffer[2:4], "big")
        del buffer[:end]
        if self._credentials is not None:
            return self._refuse4("SOCKS4 cannot carry a password", _WRONG_USER4)
        host = name.decode("latin-1") if named else str(ipaddress.IPv4Address(address))
        return self._reach(host, port, "socks4a" if named else "socks4")

    def _greeting5(self, buffer: bytearray) -> Step | None:
        if len(buffer) < 2 or len(buffer) < 2 + buffer[1]:
            return None
        methods = bytes(buffer[2 : 2 + buffer[1]])
        del buffer[: 2 + len(methods)]
        wanted = 0 if self._credentials is None else 2
        if wanted not in methods:
            what = "no authentication" if wanted == 0 else "user and password"
            return self._refuse(b"\x05\xff", f"the client does not offer {what}")
        self._state = self._password5 if wanted else self._request5
        return Send(bytes((5, wanted)))

    def _password5(self, buffer: bytearray) -> Step | None:
        if buffer[0] != 1:
            return self._refuse(b"\x01\x01", "malformed user and password")
        if len(buffer) < 2 or len(buffer) < 3 + buffer[1]:
            return None
        at = 2 + buffer[1]
        end = at + 1 + buffer[at]
        if len(buffer) < end:
            return None
        user, password = bytes(buffer[2:at]), bytes(buffer[at + 1 : end])
        del buffer[:end]
        assert self._credentials is not None
        if not self._credentials.match(user, password):
            return self._refuse(b"\x01\x01", "a wrong user or password")
        self._state = self._request5
        return Send(b"\x01\x00")

    def _request5(self, buffer: bytearray) -> Step | None:
        if buffer[0] != 5:
            return self._refuse5(_GENERAL, "malformed request")
        if len(buffer) < 5:
            return None
        command, reserved, kind = buffer[1], buffer[2], buffer[3]
        if command != _CONNECT:
            return self._refuse5(_NO_COMMAND, f"command {_command(command)} is not served")
        if reserved:
            return self._refuse5(_GENERAL, "malformed request")
        sizes = {1: 4, 3: 1 + buffer[4], 4: 16}
        if kind not in sizes:
            return self._refuse5(_NO_ADDRESS_TYPE, f"address type {kind} is not known")
        at = 4 + sizes[kind]
        if len(buffer) < at + 2:
            return None
        address, port = bytes(buffer[4:at]), int.from_bytes(buffer[at : at + 2], "big")
        del buffer[: at + 2]
        if kind == 3:
            host = address[1:].decode("latin-1")
        else:
            host = str(ipaddress.ip_address(address))
        return self._reach(host, port, "socks5")

    # -- the end of a handshake --------------------------------------------------------------

    def _reach(self, host: str, port: int, kind: str) -> Step:
        self._state = None
        try:
            host = parse_host(host)
        except TargetError as error:
            return self._refuse_target(f"{host!r} {error}")
        if not port:
            return self._refuse_target(f"{host} port 0")
        return Connect(host, port, kind)

    def _refuse_target(self, text: str) -> Reject:
        return self._refuse5(_GENERAL, text) if self._version5 else self._refuse4(text)

    def _refuse4(self, text: str, code: int = _REJECTED4) -> Reject:
        return self._refuse(_reply4(code), text)

    def _refuse5(self, code: int, text: str) -> Reject:
        return self._refuse(_reply5(code), text)

    def _refuse(self, data: bytes, text: str) -> Reject:
        self._state = None
        return Reject(data, text)


def _text_field(buffer: bytearray, at: int) -> tuple[bytes | None, int]:
    """A field that ends in a NUL, and where the next begins. None while the NUL has not come; an
    offset beyond the buffer then tells that the field is too long already."""
    end = buffer.find(0, at, at + _MAX_FIELD + 1)
    if end >= 0:
        return bytes(buffer[at:end]), end + 1
    return None, len(buffer) + (len(buffer) - at > _MAX_FIELD)


def _command(number: int) -> str:
    return _COMMANDS.get(number, str(number))


def _reply4(code: int) -> bytes:
    return bytes((0, code)) + bytes(6)


def _reply5(code: int) -> bytes:
    # The bound address is the far host's own, which nobody asks for with CONNECT: 0.0.0.0:0.
    return bytes((5, code, 0, 1)) + bytes(6)
