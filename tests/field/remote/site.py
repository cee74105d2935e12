"""A web site for a browser: `site.py PORT FOLDER`.

/ is a page whose script fetches parts, talks to /socket, reads /events, posts data, downloads a
file of the folder, and posts what it has seen to /report, which is printed as a line.
/endless never ends.
"""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web

PAGE = """\
<!doctype html><title>field</title><link rel="stylesheet" href="/style.css">
<img src="/dot.svg"><script type="module">
const seen = {}
const part = async (n) => (await fetch(`/part/${n}`)).text()
seen.parts = (await Promise.all([...Array(40).keys()].map(part))).join(" ")
seen.colour = getComputedStyle(document.body).color
seen.width = document.images[0].naturalWidth
seen.socket = await new Promise((done) => {
  const socket = new WebSocket(`ws://${location.host}/socket`)
  const sizes = []
  socket.onopen = () => { for (let n = 0; n < 50; n++) socket.send("x".repeat(n * 1000)) }
  socket.onmessage = (message) => { if (sizes.push(message.data.length) == 50) socket.close(1000) }
  socket.onclose = (end) => done(`${sizes.every((size, n) => size == n * 1000)} ${end.code}`)
})
seen.events = await new Promise((done) => {
  const source = new EventSource("/events")
  const heard = []
  source.onmessage = (event) => {
    if (heard.push(event.data) == 10) { source.close(); done(heard.join(" ")) }
  }
})
const sent = new Uint8Array(1 << 21).map((_, n) => n * n % 251)
const answer = await fetch("/echo", {method: "POST", body: sent})
const back = new Uint8Array(await answer.arrayBuffer())
seen.posted = back.length == sent.length && back.every((byte, n) => byte == sent[n])
document.body.insertAdjacentHTML("beforeend", "<a href='/files/noise' download>noise</a>")
document.links[0].click()
await fetch("/report", {method: "POST", body: JSON.stringify(seen)})
</script>
"""
DOT = "<svg xmlns='http://www.w3.org/2000/svg' width='7' height='7'/>"


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def style(request: web.Request) -> web.Response:
    return web.Response(text="body { color: rgb(1, 2, 3) }", content_type="text/css")


async def dot(request: web.Request) -> web.Response:
    return web.Response(text=DOT, content_type="image/svg+xml")


async def part(request: web.Request) -> web.Response:
    return web.Response(text=request.match_info["number"])


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def socket(request: web.Request) -> web.WebSocketResponse:
    answer = web.WebSocketResponse(max_msg_size=0)
    await answer.prepare(request)
    async for message in answer:
        if message.type is WSMsgType.TEXT:
            await answer.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await answer.send_bytes(message.data)
    return answer


async def events(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    for number in range(10):
        await answer.write(b"data: %d\n\n" % number)
        await asyncio.sleep(0.02)
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(bytes(1 << 14))
        await asyncio.sleep(0.01)


async def report(request: web.Request) -> web.Response:
    sys.stdout.write(f"report {await request.text()}\n")
    sys.stdout.flush()
    return web.Response(text="")


async def serve(port: int, folder: str) -> None:
    application = web.Application(client_max_size=16 << 20)
    application.add_routes(
        [
            web.get("/", page),
            web.get("/style.css", style),
            web.get("/dot.svg", dot),
            web.get("/part/{number}", part),
            web.get("/socket", socket),
            web.get("/events", events),
            web.get("/endless", endless),
            web.post("/echo", echo),
            web.post("/report", report),
            web.static("/files", folder),
        ]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
