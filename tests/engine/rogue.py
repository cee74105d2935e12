"""An agent that does what none of ours would: `rogue.py DEED... norouter agent --automated`.

It speaks the wire well enough to be let in, then does its action. It reports what it learns on
stderr, which the hub shows in its log.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from norouter_core.wire import events, frames, messages
from norouter_core.wire.connection import AGENT, Connection

Json = dict[str, Any]

HELLO: Json = {
    "protocol": 1,
    "python": "3.11.2",
    "implementation": "CPython",
    "system": "Linux",
    "machine": "x86_64",
    "hostname": "rogue",
    "boot_id": "",
    "netns": "",
}


def report(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class Rogue:
    """The honest half: hello, answers, pongs."""

    def __init__(self) -> None:
        self.connection = Connection(AGENT)
        self.listeners: list[int] = []
        """Its own port first: what it is asked to serve without the hub."""
        self.served = False
        self.seen: list[events.Event] = []
        self.result: Json = {"host": "127.0.0.1", "port": 1}
        self.text = ""
        self.resolved: Json = {}
        self.opened: Json = {"peer": ["127.0.0.1", 1]}
        self.unanswered: frozenset[str] = frozenset()
        self.errors: dict[str, str] = {}
        """The operations that it refuses, and the text."""

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    def message(self, message: Json) -> None:
        self.write(frames.json_frame(messages.encode(message)))

    def hello(self, **changed: object) -> None:
        self.message(messages.event("hello", {**HELLO, **changed}))

    def flush(self) -> None:
        """Writes what the connection has queued."""
        outbox = self.connection.outbox
        while not outbox.idle:
            outbox.fill([])
            data = b"".join(outbox.writing)
            outbox.written(len(data))
            self.write(data)

    def serve(self, until: Callable[[], object] = lambda: False) -> None:
        """Answers the hub until something has come, or until the hub is gone."""
        while not until():
            data = os.read(0, 1 << 18)
            if not data:
                sys.exit(0)
            for event in self.connection.receive(memoryview(data)):
                if event is None:
                    continue
                if not isinstance(event, events.Data):
                    self.seen.append(event)
                self._answer(event)
            self.flush()

    def _answer(self, event: events.Event) -> None:
        if isinstance(event, events.Opened) and event.offered:
            if error := self.errors.get("dial"):
                self.connection.reset(event.stream, "refused", error)
            else:
                self.connection.accept(event.stream, self.opened)
        if not isinstance(event, events.Message):
            return
        body = event.body
        if event.kind == "event" and body["type"] == "ping":
            self.message(messages.event("pong", {"n": body["data"]["n"]}))
        elif event.kind == "request":
            if body["op"] == "listen":
                own = body["args"]["direct"] is not None
                self.listeners.insert(0 if own else len(self.listeners), body["args"]["listener"])
                self.served = self.served or own
            if body["op"] in self.unanswered:
                return
            if error := self.errors.get(body["op"]):
                self.message(messages.failure(body["id"], error, error))
                return
            answers = {"listen": self.result, "read": {"text": self.text}, "resolve": self.resolved}
            data = answers.get(body["op"], {})
            self.message(messages.result(body["id"], data))

    def attached(self) -> None:
        """Is let in."""
        self.hello()
        self.serve(lambda: [event for event in self.seen if _op(event) == "attach"])

    def listens(self) -> None:
        """Is let in, and has been asked to listen, for its own port too."""
        self.hello()
        self.serve(lambda: self.served)

    def dialled(self) -> None:
        """Is let in, and has been asked to dial."""
        self.hello()
        self.serve(lambda: [event for event in self.seen if isinstance(event, events.Opened)])

    def opens(self, listener: int, peer: str = "127.0.0.1") -> None:
        self.connection.open({"listener": listener, "peer": [peer, 4711]})
        self.flush()

    def was_reset(self) -> events.Reset | None:
        return next((e for e in self.seen if isinstance(e, events.Reset)), None)


def hello_and_serve(rogue: Rogue) -> None:
    """Does nothing wrong: an agent of few features."""
    rogue.hello()
    rogue.serve()


def unpublished(rogue: Rogue) -> None:
    rogue.listens()
    rogue.opens(999)
    rogue.serve(rogue.was_reset)
    report(f"reset with {rogue.was_reset().code}")  # type: ignore[union-attr]  # it was waited for
    rogue.serve()


def mixes(rogue: Rogue) -> None:
    """Offers datagrams where it was asked for streams of bytes."""
    rogue.listens()
    stream = rogue.connection.open(
        {"listener": rogue.listeners[0], "peer": ["127.0.0.1", 1], "proto": "udp"}
    )
    for _ in range(8):
        rogue.connection.send_datagram(stream, bytes(60_000))
    rogue.flush()
    rogue.serve(rogue.was_reset)
    report(f"reset with {rogue.was_reset().code}")  # type: ignore[union-attr]  # it was waited for
    rogue.serve()


def forgotten(rogue: Rogue) -> None:
    """Opens by a listener that it was asked for once and is no more."""
    rogue.listens()
    rogue.serve(lambda: [e for e in rogue.seen if _op(e) == "unlisten"])
    (asked,) = [e for e in rogue.seen if isinstance(e, events.Message) and _op(e) == "unlisten"]
    rogue.opens(asked.body["args"]["listener"])
    rogue.serve(rogue.was_reset)
    report(f"reset with {rogue.was_reset().code}")  # type: ignore[union-attr]  # it was waited for
    rogue.serve()


def _op(event: events.Event) -> object:
    return event.body.get("op") if isinstance(event, events.Message) else None


def asks(rogue: Rogue) -> None:
    """Requests of the hub what only a hub may request."""
    rogue.listens()
    for number, op in enumerate(("listen", "write", "resolve", "attach"), 1):
        rogue.message(messages.request(number, op, {"path": "/tmp/x", "name": "localhost"}))
    rogue.serve(lambda: sum(_is_result(event) for event in rogue.seen) == 4)
    for event in filter(_is_result, rogue.seen):
        assert isinstance(event, events.Message)
        report(f"refused with {event.body['error']['code']}")
    rogue.serve()


def _is_result(event: events.Event) -> bool:
    return isinstance(event, events.Message) and event.kind == "result"


def garbage(rogue: Rogue) -> None:
    rogue.listens()
    rogue.write(b"Segmentation fault\n" * 10)
    rogue.serve()


def huge_hello(rogue: Rogue) -> None:
    data = json.dumps(messages.event("hello", HELLO), separators=(",", ":"))
    rogue.write(frames.json_frame(data.encode() + b" " * 1_100_000))
    rogue.serve()


def long_hello(rogue: Rogue) -> None:
    rogue.hello(hostname="\x1b[31m" + "x" * 100_000, python="\x1b]0;title\x07" + "9" * 9000)
    rogue.serve()


def wrong_hello(rogue: Rogue) -> None:
    rogue.hello(python=3.11)
    rogue.serve()


def older_protocol(rogue: Rogue) -> None:
    rogue.hello(protocol=0)
    rogue.serve()


def other_protocol(rogue: Rogue) -> None:
    rogue.hello(protocol=99)
    rogue.serve()


def dies_after_hello(rogue: Rogue) -> None:
    rogue.hello()
    report("out of cheese")
    sys.exit(4)


def dies_in_a_frame(rogue: Rogue) -> None:
    rogue.listens()
    rogue.write(frames.json_frame(b"{}" + b" " * 1000)[:500])
    sys.exit(5)


def flood(rogue: Rogue) -> None:
    """Opens 6,000 streams that lead nowhere, as fast as it can."""
    rogue.listens()
    for number in range(6_000):
        rogue.opens(100 + number)
        if number % 500 == 0:
            before = len(rogue.seen)
            rogue.serve(lambda before=before: len(rogue.seen) > before)  # type: ignore[misc]  # a default binds the loop's value
    report("flooded")
    rogue.serve()


def churns(rogue: Rogue) -> None:
    """Opens streams to port 8081 of another host and resets each at once, with 3 KB of reason."""

    def asked() -> list[int]:
        bodies = [e.body for e in rogue.seen if isinstance(e, events.Message)]
        listens = [body["args"] for body in bodies if body.get("op") == "listen"]
        return [args["listener"] for args in listens if args["port"] == 8081]

    rogue.listens()
    rogue.serve(asked)
    detail = {"listener": asked()[0], "peer": ["127.0.0.1", 4711]}
    for _ in range(50):
        opened = [rogue.connection.open(detail) for _ in range(50)]
        for stream in opened:
            rogue.connection.reset(stream, "reset", "\u4e16" * 500)
        # The hub refuses this one by itself, after it has handled the others.
        last = rogue.connection.open({**detail, "listener": 999})
        rogue.flush()
        rogue.serve(lambda last=last: last.closed)  # type: ignore[misc]  # a default binds the loop's value
    report("churned")
    rogue.serve()


def lies(rogue: Rogue) -> None:
    """Reports a direct stream of a kind that there is not."""
    rogue.listens()
    rows = [[1, rogue.listeners[0], "127.0.0.1", 4711, -5, 0, "open", ""]]
    rogue.message(messages.event("direct", {"streams": rows}))
    rogue.serve()


def reports(rogue: Rogue) -> None:
    """Reports more direct streams than there can be."""
    rogue.listens()
    for start in range(0, 40_000, 4_000):
        numbers = range(start, start + 4_000)
        rows = [[n, rogue.listeners[0], "127.0.0.1", 1, 0, 0, "opening", ""] for n in numbers]
        rogue.message(messages.event("direct", {"streams": rows}))
    rogue.serve()


def counts(rogue: Rogue) -> None:
    """Reports a number of bytes that no machine can hold."""
    rogue.listens()
    rows = [[1, rogue.listeners[0], "127.0.0.1", 1, 10**4000, 10**4000, "open", ""]]
    rogue.message(messages.event("direct", {"streams": rows}))
    rogue.serve()


def answers(rogue: Rogue) -> None:
    """Answers `listen` with nonsense."""
    rogue.result = {"host": 5, "port": "http"}
    rogue.hello()
    rogue.serve()


def paints(rogue: Rogue) -> None:
    """Puts escape sequences into everything that a person gets to see."""
    red = "\x1b[31mred\x1b[0m"
    rogue.result = {"host": red, "port": 1}
    rogue.hello(system=red)
    rogue.serve(lambda: rogue.listeners)
    rogue.opens(999, red)
    rows = [[1, rogue.listeners[0], red, 1, 0, 0, "open", red]]
    rogue.message(messages.event("direct", {"streams": rows}))
    report(red)
    rogue.serve()


def deaf(rogue: Rogue) -> None:
    """Makes the hub answer, and reads none of it."""
    rogue.listens()
    ping = frames.json_frame(messages.encode(messages.event("ping", {"n": 10**3000, "rtt": None})))
    while True:
        rogue.write(ping)


def overruns(rogue: Rogue) -> None:
    """Sends more than its window lets it, on a stream that the hub has opened."""
    rogue.dialled()
    for _ in range(100):
        rogue.write(frames.data_header(1, 200_000) + bytes(200_000))
    rogue.serve()


def rambles(rogue: Rogue) -> None:
    """Answers every look-up and every read with as much as a message holds."""
    servers = (f"nameserver 10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(10_000))
    rogue.text = "".join(servers)
    rogue.resolved = {"addresses": [f"10.0.{n >> 8}.{n & 255}" for n in range(15_000)]}
    rogue.hello()
    rogue.serve()


def mute(rogue: Rogue) -> None:
    """Never answers a look-up."""
    rogue.unanswered = frozenset(["resolve"])
    rogue.hello()
    rogue.serve()


def keeps(rogue: Rogue) -> None:
    """Reports a direct stream, and answers nothing when it is to be killed."""
    rogue.unanswered = frozenset(["kill"])
    rogue.listens()
    rows = [[1, rogue.listeners[0], "127.0.0.1", 4711, 0, 0, "open", ""]]
    rogue.message(messages.event("direct", {"streams": rows}))
    rogue.serve()


def boasts(rogue: Rogue) -> None:
    """Says of a dial that it reached a peer with a name that fills a frame."""
    rogue.opened = {"peer": ["\u4e16" * 5_000, 1]}
    rogue.attached()
    rogue.serve()


def raves(rogue: Rogue) -> None:
    """Resets a dial with a code that fills a frame."""
    rogue.dialled()
    detail = {"code": "\u4e16" * 5_000, "reason": ""}
    payload = json.dumps(detail, ensure_ascii=False).encode()
    rogue.write(frames.stream_frame(frames.RESET, 1, payload))
    rogue.serve()


def silent(rogue: Rogue) -> None:
    """Waits to be configured, as NoRouter's own agent does."""
    time.sleep(600)


def stubborn(rogue: Rogue) -> None:
    """Attach, and then ignore all input."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    rogue.attached()
    while True:
        time.sleep(600)


if __name__ == "__main__":
    action = sys.argv[1]
    globals()[action](Rogue())
