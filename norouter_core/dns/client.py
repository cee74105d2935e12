"""The name servers of a host, and asking one by a stream or datagram that somebody dials."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from anyio import EndOfStream

from norouter_core.agent.ends import End
from norouter_core.byte_stream import ByteStream, DatagramStream, StreamReset
from norouter_core.dns.message import HEADER
from norouter_core.dns.responder import LookupFailed
from norouter_core.dns.server import frame

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

DNS_PORT = 53
_MOST = 3
"""As many as the system's resolver uses (MAXNS)."""

_Stream = TypeVar("_Stream", ByteStream, DatagramStream)

_QR = 0x80
_TC = 0x02


async def ask_by_stream(dial: Callable[[End], End], query: bytes) -> bytes:
    """Return the answer to `query`, both without the length that TCP puts in front of them. The
    stream is given up afterwards, also when this is cancelled.

    Args:
        dial: joins the end that it is given to one towards the name server.

    Raises:
        LookupFailed: the name server cannot be reached, or hung up.
    """
    with _asking(ByteStream()) as stream:
        dial(stream.end)
        await stream.send(frame(query))
        size = int.from_bytes(await stream.receive_exactly(2), "big")
        if size < HEADER:
            raise LookupFailed("it sent something that is not DNS")
        return await stream.receive_exactly(size)


async def ask_by_datagram(dial: Callable[[End], End], query: bytes) -> bytes:
    """Return the answer to `query`, however long it takes. The stream is given up afterwards, also
    when this is cancelled. What does not answer the query by its id is ignored: anyone might have
    sent it.

    The argument and the exception are as for `ask_by_stream`.
    """
    with _asking(DatagramStream()) as stream:
        dial(stream.end)
        stream.send(query)
        while True:
            data = await stream.receive()
            if len(data) >= HEADER and data[:2] == query[:2] and data[2] & _QR:
                return data


@contextmanager
def _asking(stream: _Stream) -> Iterator[_Stream]:
    """Report the loss of a stream as a failed look-up, and give the stream up in the end."""
    try:
        yield stream
    except EndOfStream:
        raise LookupFailed("it hung up without an answer") from None
    except StreamReset as reset:
        raise LookupFailed(str(reset)) from None
    finally:
        stream.reset("reset", "no longer wanted")


def is_cut(response: bytes) -> bool:
    """Return whether an answer says that a datagram was too short for all of it (TC)."""
    return len(response) >= HEADER and bool(response[2] & _TC)


def nameservers(text: str, exclude: Collection[str] = ()) -> list[Address]:
    """Return the first three name servers of a `resolv.conf`, as `(IP literal, port)`.

    `[IP]:PORT` is read as OpenBSD writes it. A file that names none means the one on that
    machine itself (resolver(5)).

    Args:
        exclude: addresses that are left out: the mesh's VIPs. A host whose resolver is the mesh's
            own DNS would otherwise ask itself for ever.
    """
    found: list[Address] = []
    named = False
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        server = _server(words[1])
        if server is None:
            continue
        named = True
        if server[0] not in exclude and server not in found:
            found.append(server)
            if len(found) == _MOST:
                break
    if not named and "127.0.0.1" not in exclude:
        return [("127.0.0.1", DNS_PORT)]
    return found


def _server(word: str) -> Address | None:
    address, port = word, str(DNS_PORT)
    if word.startswith("["):
        address, _, rest = word[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return None
    return address, int(port)
