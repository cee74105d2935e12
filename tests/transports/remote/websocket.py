"""A WebSocket client behind a proxy: `websocket.py PROXY URL`.

It sends messages of many sizes, all before it reads the first, and tells how many came back as
they were, and the code by which the connection was closed.
"""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp

SIZES = (0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 5 << 20)


async def talk(proxy: str, url: str) -> None:
    messages = [os.urandom(size) for size in SIZES]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, proxy=proxy, max_msg_size=0) as socket,
    ):
        sending = asyncio.gather(*(socket.send_bytes(message) for message in messages))
        same = sum([await socket.receive_bytes() == message for message in messages])
        await sending
        await socket.send_str("4321")
        await socket.receive()
        sys.stdout.write(f"{same} of {len(SIZES)}, closed {socket.close_code}\n")


asyncio.run(talk(sys.argv[1], sys.argv[2]))
