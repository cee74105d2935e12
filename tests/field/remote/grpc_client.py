"""A client of `grpc_server.py`, which prints what it got: `grpc_client.py ADDRESS METHOD`."""

from __future__ import annotations

import asyncio
import os
import sys

import grpc


async def unary(channel: grpc.aio.Channel) -> str:
    call = channel.unary_unary("/field.Echo/Unary")
    large = os.urandom(8 << 20)
    small = [os.urandom(100) for _ in range(200)]
    answers = await asyncio.gather(*(call(message) for message in [large, *small]))
    return f"{sum(a == b for a, b in zip(answers, [large, *small], strict=True))} of 201"


async def repeat(channel: grpc.aio.Channel) -> str:
    call = channel.unary_stream("/field.Echo/Repeat")
    numbers = [int(message) async for message in call(b"5000")]
    return f"{numbers == list(range(5000))}"


async def both(channel: grpc.aio.Channel) -> str:
    """Each message is sent after the answer to the one before has come."""
    call = channel.stream_stream("/field.Echo/Both")()
    same = 0
    for size in (0, 1, 1000, 16384, 65535, 1 << 20) * 5:
        message = os.urandom(size)
        await call.write(message)
        same += await call.read() == message
    await call.done_writing()
    return f"{same} of 30, {await call.code()}, {await call.read() is grpc.aio.EOF}"


async def deadline(channel: grpc.aio.Channel) -> str:
    call = channel.unary_stream("/field.Echo/Wait")(b"", timeout=1)
    await call.read()
    return str(await call.code())


async def cancel(channel: grpc.aio.Channel) -> str:
    call = channel.unary_stream("/field.Echo/Wait")(b"")
    await call.read()
    call.cancel()
    return str(await call.code())


async def main(address: str, method: str) -> None:
    ways = {"unary": unary, "repeat": repeat, "both": both, "deadline": deadline, "cancel": cancel}
    size = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(address, options=size) as channel:
        sys.stdout.write(f"{await ways[method](channel)}\n")


asyncio.run(main(sys.argv[1], sys.argv[2]))
