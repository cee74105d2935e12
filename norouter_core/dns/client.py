"""Asking a name server one question, over a stream or by a datagram that somebody dials."""

from __future__ import annotations

from collections.abc import Callable

from anyio import EndOfStream

from norouter_core.agent.ends import End
from norouter_core.byte_stream import ByteStream, DatagramStream, StreamReset
from norouter_core.dns.message import HEADER
from norouter_core.dns.responder import LookupFailed
from norouter_core.dns.server import frame

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
    stream = ByteStream()
    dial(stream.end)
    try:
        await stream.send(frame(query))
        size = int.from_bytes(await stream.receive_exactly(2), "big")
        if size < HEADER:
            raise LookupFailed("it sent something that is not DNS")
        return await stream.receive_exactly(size)
    except EndOfStream:
        raise LookupFailed("it hung up without an answer") from None
    except StreamReset as reset:
        raise LookupFailed(str(reset)) from None
    finally:
        stream.reset("reset", "no longer wanted")


async def ask_by_datagram(dial: Callable[[End], End], query: bytes) -> bytes:
    """Return the answer to `query`, however long it takes. The stream is given up afterwards, also
    when this is cancelled. What does not answer the query by its id is ignored: anyone might have
    sent it.

    The argument and the exception are as for `ask_by_stream`.
    """
    stream = DatagramStream()
    dial(stream.end)
    try:
        stream.send(query)
        while True:
            data = await stream.receive()
            if len(data) >= HEADER and data[:2] == query[:2] and data[2] & _QR:
                return data
    except EndOfStream:
        raise LookupFailed("it hung up without an answer") from None
    except StreamReset as reset:
        raise LookupFailed(str(reset)) from None
    finally:
        stream.reset("reset", "no longer wanted")


def is_cut(response: bytes) -> bool:
    """Return whether an answer says that a datagram was too short for all of it (TC)."""
    return len(response) >= HEADER and bool(response[2] & _TC)
