"""A gRPC server of bytes at 127.0.0.1: `grpc_server.py PORT`.

/field.Echo/Unary sends a message back, Repeat sends the message N as N messages of 1000 bytes,
Both sends back each message of a stream, and Wait begins an answer and never ends it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc


async def unary(request: bytes, context: Any) -> bytes:
    return request


async def repeat(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(int(request)):
        yield b"%1000d" % number


async def both(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


async def wait(request: bytes, context: Any) -> AsyncIterator[bytes]:
    yield b""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        sys.stdout.write("cancelled\n")
        sys.stdout.flush()
        raise


async def serve(port: str) -> None:
    size = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=size)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Repeat": grpc.unary_stream_rpc_method_handler(repeat),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Wait": grpc.unary_stream_rpc_method_handler(wait),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("field.Echo", handlers)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(serve(sys.argv[1]))
