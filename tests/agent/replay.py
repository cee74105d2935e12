"""Recorded exchanges with an agent, frame by frame, and what plays them to any agent.

A file in `exchanges/` is a list of steps. In each, one of these acts:

- `hub`: its frames go to the agent;
- `agent`: these frames, and no others, must have come from it since its last step. The order
  counts within each stream, among results and among events. DATA may be split in any way, and of
  the reports of a direct stream only the last one counts;
- `client`, `target`, `udp-client`, `udp-target`: a socket of the agent's machine does something.

`hex` is what is sent (`61*1000` is a byte that is repeated), and `shows` is the same for people;
`record.py` keeps them alike. In the JSON of frames 11111 stands for the target's port, 22222 for
the listener's, 33333 for the client's, and /exchange for a directory. Of a hello, only what is the
same everywhere is compared.
"""

from __future__ import annotations

import json
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from norouter_core.wire import frames, messages
from tests.agent.raw import RawAgent
from tests.servers import TIMEOUT, Peer

EXCHANGES = Path(__file__).parent / "exchanges"
TARGET_PORT, LISTENER_PORT, CLIENT_PORT = 11111, 22222, 33333
DIRECTORY = "/exchange"
RAW = "bytes that are no frames"
_KINDS = {name: kind for kind, name in frames.NAMES.items()}
_WITH_JSON = (frames.JSON, frames.OPEN, frames.OPENED, frames.RESET)

Step = dict[str, Any]
Frame = tuple[int, int, Any]
"""Type, stream, and payload: a JSON value where the type has one, else bytes."""


def load(path: Path) -> list[Step]:
    steps: list[Step] = json.loads(path.read_text())
    return steps


def to_hex(data: bytes) -> str:
    """Return `data` in hex, with `61*1000` for a byte that is repeated that often."""
    at, text = 0, ""
    for run in re.finditer(rb"(.)\1{63,}", data, re.DOTALL):
        text += f"{data[at : run.start()].hex()} {run[1].hex()}*{len(run[0])} "
        at = run.end()
    return (text + data[at:].hex()).strip()


def from_hex(text: str) -> bytes:
    data = b""
    for word in text.split():
        digits, _, count = word.partition("*")
        data += bytes.fromhex(digits) * int(count or 1)
    return data


# -- frames and their texts ----------------------------------------------------------------


def decode(data: bytes) -> Iterator[Frame]:
    """Yield the frames in `data`; consecutive DATA of one stream is one frame."""
    last: Frame | None = None
    for kind, stream, payload in frames.Decoder().feed(memoryview(data)):
        content = bytes(payload)
        if last is not None and kind == frames.DATA == last[0] and stream == last[1]:
            last = (kind, stream, last[2] + content)
            continue
        if last is not None:
            yield last
        last = (kind, stream, json.loads(content) if kind in _WITH_JSON else content)
    if last is not None:
        yield last


def encode(frame: Frame) -> bytes:
    kind, stream, content = frame
    payload = content if isinstance(content, bytes) else messages.encode(content)
    return (
        frames.json_frame(payload)
        if kind == frames.JSON
        else frames.stream_frame(kind, stream, payload)
    )


def show(frame: Frame) -> str:
    kind, stream, content = frame
    words = [frames.NAMES[kind]] + ([] if kind == frames.JSON else [str(stream)])
    if kind == frames.CREDIT:
        words.append(str(frames.credit_value(content)))
    elif isinstance(content, bytes):
        words.append(to_hex(content))
    else:
        words.append(json.dumps(content))
    return " ".join(words).strip()


def parse(text: str) -> Frame:
    """Return the frame that `show` has turned into `text`."""
    name, _, rest = text.partition(" ")
    kind = _KINDS[name]
    if kind == frames.JSON:
        return kind, 0, json.loads(rest)
    stream, _, rest = rest.partition(" ")
    if kind in _WITH_JSON:
        return kind, int(stream), json.loads(rest)
    content = int(rest).to_bytes(4, "big") if kind == frames.CREDIT else from_hex(rest)
    return kind, int(stream), content


def grouped(some: list[Frame]) -> dict[object, list[Any]]:
    """Return what counts of an agent's frames, by what has an order of its own."""
    groups: dict[object, list[Any]] = {}
    for kind, stream, content in some:
        if kind != frames.JSON:
            groups.setdefault(stream, []).append((kind, content))
            continue
        body, event = content["body"], content["body"].get("type")
        if event == "direct":
            for row in body["data"]["streams"]:
                groups["direct", row[0]] = [row]
        elif event == "hello":
            # Only the Python agent on Linux has transparent listeners.
            features = [word for word in body["data"]["features"] if word != "transparent"]
            same = {"protocol": body["data"]["protocol"], "features": features}
            groups.setdefault("event", []).append(("hello", same))
        else:
            groups.setdefault(content["type"], []).append(body)
    return groups


# -- the players ---------------------------------------------------------------------------


class Side:
    """A client or a target: a socket that the steps move."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        self._socket = sock

    def act(self, action: str, data: bytes) -> None:
        if action == "send":
            self._socket.sendall(data)
        elif action == "receive":
            assert self._receive(len(data)) == data
        elif action == "end":
            self._socket.shutdown(socket.SHUT_WR)
        elif action == "sees the end":
            assert self._socket.recv(1) == b""
        elif action == "reset":
            Peer(self._socket).abort()
        else:
            assert action == "sees a reset", action
            try:
                came = self._socket.recv(1)
            except ConnectionResetError:
                return
            raise AssertionError(f"no reset, but {came!r}")

    def _receive(self, size: int) -> bytes:
        if self._socket.type == socket.SOCK_DGRAM:
            return self._socket.recv(size + 1)
        data = b""
        while len(data) < size and (more := self._socket.recv(size - len(data))):
            data += more
        return data

    def close(self) -> None:
        self._socket.close()


class Stage:
    """An agent, its hub, and sockets around it."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.agent = RawAgent(program)
        self._target = socket.create_server(("127.0.0.1", 0))
        self._target.settimeout(TIMEOUT)
        port = self._target.getsockname()[1]
        self._udp_target = socket.socket(type=socket.SOCK_DGRAM)
        self._udp_target.bind(("127.0.0.1", port))
        self._sides: dict[str, Side] = {"udp-target": Side(self._udp_target)}
        with socket.create_server(("127.0.0.1", 0)) as free:
            listener = free.getsockname()[1]
        self._real: dict[Any, Any] = {
            TARGET_PORT: port,
            LISTENER_PORT: listener,
            DIRECTORY: str(directory),
        }
        self._received = b""

    def play(self, step: Step) -> None:
        """Let a step happen, and check it."""
        who, data = step["who"], from_hex(step.get("hex", ""))
        if who == "hub":
            self.send(data, step)
        elif who != "agent":
            self.act(who, step["does"], data)
        elif "ends" in step:
            self._check_end(step)
        else:
            self._check_frames(list(decode(data)))

    def send(self, data: bytes, step: Step) -> None:
        if step["shows"] != RAW:
            data = b"".join(encode(self._swap(frame, self._real)) for frame in decode(data))
        self.agent.write(data)

    def act(self, who: str, action: str, data: bytes) -> None:
        if action in ("connect", "accept"):
            sock = self._connected(who) if action == "connect" else self._target.accept()[0]
            if who in self._sides:
                self._sides[who].close()
            self._sides[who] = Side(sock)
        else:
            self._sides[who].act(action, data)

    def _connected(self, who: str) -> socket.socket:
        kind = socket.SOCK_DGRAM if who.startswith("udp") else socket.SOCK_STREAM
        sock = socket.socket(type=kind)
        sock.settimeout(TIMEOUT)
        sock.bind(("127.0.0.1", 0))
        self._real[CLIENT_PORT] = sock.getsockname()[1]
        sock.connect(("127.0.0.1", self._real[LISTENER_PORT]))
        return sock

    def receive(self, timeout: float) -> bool:
        """Take what the agent sends next; return False if that is nothing."""
        assert self.agent.process.stdout is not None
        fd = self.agent.process.stdout.fileno()
        ready, _, _ = select.select([fd], [], [], timeout)
        data = os.read(fd, 1 << 16) if ready else b""
        self._received += data
        return bool(data)

    def take(self) -> list[Frame]:
        """Return the frames that have come since the last call, with placeholders."""
        placeholders = {real: placeholder for placeholder, real in self._real.items()}
        data, self._received = self._received, b""
        return [self._swap(frame, placeholders) for frame in decode(data)]

    def _check_frames(self, expected: list[Frame]) -> None:
        deadline, heard = time.monotonic() + TIMEOUT, self._so_far()
        while grouped(heard) != grouped(expected):
            if not self.receive(deadline - time.monotonic()):
                assert [show(x) for x in heard] == [show(x) for x in expected]
            heard = self._so_far()
        self.take()

    def _so_far(self) -> list[Frame]:
        kept = self._received
        heard = self.take()
        self._received = kept
        return heard

    def _check_end(self, step: Step) -> None:
        assert not self.receive(TIMEOUT) and not self._received
        status, said = self.agent.ended()
        assert status == step["ends"]
        assert said.startswith(step["says"]) if step["says"] else said == ""

    def _swap(self, frame: Frame, by: dict[Any, Any]) -> Frame:
        kind, stream, content = frame
        return kind, stream, _swapped(content, by)

    def close(self) -> None:
        for side in self._sides.values():
            side.close()
        self._target.close()
        self.agent.__exit__(None, None, None)


def _swapped(value: Any, by: dict[Any, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _swapped(item, by) for key, item in value.items()}
    if isinstance(value, list):
        return [_swapped(item, by) for item in value]
    if isinstance(value, str):
        for old, new in by.items():
            colon = "" if isinstance(old, str) else ":"
            value = value.replace(f"{colon}{old}", f"{colon}{new}")
        return value
    return by.get(value, value) if type(value) is int else value
