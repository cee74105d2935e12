"""A web server with what proxies break: `traffic.py ADDRESS PORT FOLDER`.

/page/N answers N. /echo sends the body back as it comes. /socket is a WebSocket that sends every
message back, and closes with the code that a text names. /events sends an event each time that
/next/N is asked for; N = 0 ends it. /files has what is in the folder.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web

ADDRESS, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
due: asyncio.Queue[int] = asyncio.Queue(100)


async def page(request: web.Request) -> web.Response:
    return web.Response(text=f"{request.match_info['number']}\n")


async def echo(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    async for data in request.content.iter_any():
        await answer.write(data)
    await answer.write_eof()
    return answer


async def socket(request: web.Request) -> web.WebSocketResponse:
    answer = web.WebSocketResponse(max_msg_size=0)
    await answer.prepare(request)
    async for message in answer:
        if message.type is WSMsgType.BINARY:
            await answer.send_bytes(message.data)
        elif message.type is WSMsgType.TEXT:
            await answer.close(code=int(message.data))
    return answer


async def events(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    while number := await due.get():
        await answer.write(b"data: %d\n\n" % number)
    return answer


async def next_event(request: web.Request) -> web.Response:
    due.put_nowait(int(request.match_info["number"]))
    return web.Response(text="sent\n")


async def serve() -> None:
    application = web.Application()
    application.add_routes(
        [
            web.get("/page/{number}", page),
            web.put("/echo", echo),
            web.get("/socket", socket),
            web.get("/events", events),
            web.get("/next/{number}", next_event),
            web.static("/files", FOLDER),
        ]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, PORT, backlog=256).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(serve())
