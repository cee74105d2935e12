"""As much of a Kubernetes API server as `kubectl exec` asks for: `apiserver.py PORT PODS`.

PODS is a JSON file: a pod's name, and the words before a command that is to run in it. An exec is a
WebSocket of the subprotocol v5.channel.k8s.io: the first byte of a message is its channel. As a
kubelet does, a client that has gone ends the command's input and not the command.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

STDIN, STDOUT, STDERR, STATUS, CLOSE = b"\x00", b"\x01", b"\x02", b"\x03", b"\xff"
PORT, PODS = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}


def known(request: web.Request) -> str:
    """The name of the pod that is asked for."""
    name = request.match_info["name"]
    if name in PODS:
        return name
    told = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f'pods "{name}" not found',
        "reason": "NotFound",
        "code": 404,
    }
    raise web.HTTPNotFound(text=json.dumps(told), content_type="application/json")


async def pod(request: web.Request) -> web.Response:
    name = known(request)
    return web.json_response(
        {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": request.match_info["namespace"]},
            "spec": {"containers": [{"name": "main"}]},
            "status": {"phase": "Running"},
        }
    )


async def execute(request: web.Request) -> web.WebSocketResponse:
    way = PODS[known(request)]
    socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io"], max_msg_size=0)
    await socket.prepare(request)
    has_input = request.query.get("stdin") == "true"
    process = await asyncio.create_subprocess_exec(
        *way,
        *request.query.getall("command"),
        stdin=PIPE if has_input else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    feeding = asyncio.create_task(feed(socket, process))
    try:
        await asyncio.gather(
            tell(process.stdout, STDOUT, socket), tell(process.stderr, STDERR, socket)
        )
        await socket.send_bytes(STATUS + json.dumps(ended(await process.wait())).encode())
    except ConnectionError:
        # The client has gone, and nobody hears how the command ends.
        await asyncio.gather(drop(process.stdout), drop(process.stderr))
        await process.wait()
    feeding.cancel()
    await socket.close()
    return socket


async def feed(socket: web.WebSocketResponse, process: Process) -> None:
    """Hand the client's input on until it or its connection ends."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or process.stdin is None:
            continue
        if message.data == CLOSE + STDIN:
            process.stdin.close()
        elif message.data[:1] == STDIN and not process.stdin.is_closing():
            process.stdin.write(message.data[1:])
            try:
                await process.stdin.drain()
            except ConnectionError:
                process.stdin.close()
    if process.stdin is not None:
        process.stdin.close()


async def tell(
    source: asyncio.StreamReader | None, channel: bytes, socket: web.WebSocketResponse
) -> None:
    assert source is not None
    while data := await source.read(1 << 15):
        await socket.send_bytes(channel + data)


async def drop(source: asyncio.StreamReader | None) -> None:
    assert source is not None
    while await source.read(1 << 15):
        pass


def ended(code: int) -> dict[str, Any]:
    """A status as kubectl reads it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    number = code if code > 0 else 128 - code
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with exit code {number}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(number)}]},
    }


def answers(told: dict[str, Any]) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(told)

    return answer


async def serve() -> None:
    application = web.Application()
    listed = {"kind": "APIResourceList", "groupVersion": "v1"}
    resource = {"singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
    resources = [{**resource, "name": name} for name in ("pods", "pods/exec")]
    at = "/api/v1/namespaces/{namespace}/pods/{name}"
    application.add_routes(
        [
            web.get("/version", answers(VERSION)),
            web.get("/api", answers({"kind": "APIVersions", "versions": ["v1"]})),
            web.get("/apis", answers({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})),
            web.get("/api/v1", answers({**listed, "resources": resources})),
            web.get(at, pod),
            web.get(f"{at}/exec", execute),
        ]
    )
    # A command travels in the URL, and may be long.
    runner = web.AppRunner(application, max_line_size=1 << 20, max_field_size=1 << 20)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    sys.stdout.write("serving\n")
    await asyncio.Event().wait()


asyncio.run(serve())
