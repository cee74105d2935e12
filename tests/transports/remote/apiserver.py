"""As much of a Kubernetes API server as `kubectl exec` asks for: `apiserver.py PORT PODS`.

PODS is a JSON file: for each cluster and pod the words before a command that is to run in it. The
URL of a cluster ends with its name. A pod `X-...` belongs to the deployment `X`.

An exec is a WebSocket of the subprotocol v5.channel.k8s.io: the first byte of a message is its
channel. As a kubelet does, a client that has gone ends the command's input and not the command.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

STDIN, STDOUT, STDERR, STATUS, CLOSE = b"\x00", b"\x01", b"\x02", b"\x03", b"\xff"
PORT, PODS = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}


def cluster(request: web.Request) -> dict[str, list[str]]:
    """The pods of the cluster that is asked."""
    found: dict[str, list[str]] = PODS[request.match_info["cluster"]]
    return found


def known(request: web.Request, kind: str, names: Iterable[str]) -> str:
    """The name that is asked for, if it is one of `names`."""
    name = request.match_info["name"]
    if name in names:
        return name
    told = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f'{kind} "{name}" not found',
        "reason": "NotFound",
        "code": 404,
    }
    raise web.HTTPNotFound(text=json.dumps(told), content_type="application/json")


def deployment_of(pod: str) -> str:
    return pod.rpartition("-")[0]


def meta(request: web.Request, name: str) -> dict[str, str]:
    return {"name": name, "namespace": request.match_info["namespace"]}


def a_pod(request: web.Request, name: str) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {**meta(request, name), "labels": {"app": deployment_of(name)}},
        "spec": {"containers": [{"name": deployment_of(name)}]},
        "status": {"phase": "Running"},
    }


async def pod(request: web.Request) -> web.Response:
    return web.json_response(a_pod(request, known(request, "pods", cluster(request))))


async def pods(request: web.Request) -> web.Response:
    wanted = request.query.get("labelSelector", "").removeprefix("app=")
    found = [a_pod(request, name) for name in cluster(request) if deployment_of(name) == wanted]
    return web.json_response({"kind": "PodList", "apiVersion": "v1", "items": found})


async def deployment(request: web.Request) -> web.Response:
    name = known(request, "deployments.apps", map(deployment_of, cluster(request)))
    labels = {"app": name}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    told = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta(request, name)}
    return web.json_response({**told, "spec": spec})


async def execute(request: web.Request) -> web.WebSocketResponse:
    way = cluster(request)[known(request, "pods", cluster(request))]
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


def resources(version: str, kind: str, *names: str) -> dict[str, Any]:
    listed = [
        {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}
        for name in names
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}


async def serve() -> None:
    application = web.Application()
    versions = [{"groupVersion": "apps/v1", "version": "v1"}]
    apps = {"name": "apps", "versions": versions, "preferredVersion": versions[0]}
    groups = {"kind": "APIGroupList", "apiVersion": "v1", "groups": [apps]}
    core, more, within = "/{cluster}/api/v1", "/{cluster}/apis/apps/v1", "namespaces/{namespace}"
    application.add_routes(
        [
            web.get("/{cluster}/version", answers(VERSION)),
            web.get("/{cluster}/api", answers({"kind": "APIVersions", "versions": ["v1"]})),
            web.get("/{cluster}/apis", answers(groups)),
            web.get(core, answers(resources("v1", "Pod", "pods", "pods/exec"))),
            web.get(more, answers(resources("apps/v1", "Deployment", "deployments"))),
            web.get(f"{core}/{within}/pods", pods),
            web.get(f"{core}/{within}/pods/{{name}}", pod),
            web.get(f"{core}/{within}/pods/{{name}}/exec", execute),
            web.get(f"{more}/{within}/deployments/{{name}}", deployment),
        ]
    )
    # A command travels in the URL, and may be long.
    runner = web.AppRunner(application, max_line_size=1 << 20, max_field_size=1 << 20)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    sys.stdout.write("serving\n")
    await asyncio.Event().wait()


asyncio.run(serve())
