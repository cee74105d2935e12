"""The hub's side of a link: what happens with what comes over it."""

from __future__ import annotations

import asyncio

from norouter_core.agent.channel import SocketChannel
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux, WireEnd
from norouter_core.links.agent_client import Requests
from norouter_core.links.base import Hub
from norouter_core.sanitize import strip_line
from norouter_core.wire import messages
from norouter_core.wire.connection import HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError


class LinkHandler:
    """Handles one `Mux`, which it makes: results go to `requests`, streams to the hub."""

    def __init__(self, hub: Hub, io: Io, channel: SocketChannel) -> None:
        self.mux = Mux(io, Connection(HUB), channel, self)
        self.requests = Requests()
        self.down = asyncio.Event()
        self.violation = ""
        """How the agent broke the protocol, if that ended the link."""
        self.attached = False
        """Whether the agent has answered `attach`; it may offer nothing before that."""
        self._hub = hub

    def link_message(self, kind: str, body: messages.Json) -> None:
        if kind == "result":
            self.requests.take(body)
        elif kind == "event":
            name, data = messages.field(body, "type", str), messages.field(body, "data", dict)
            if name == "direct" and self.attached:
                self._hub.report(messages.field(data, "streams", list))
        else:
            # An agent has nothing to ask of the hub, whatever it sends.
            number = messages.field(body, "id", int)
            self.mux.message(messages.failure(number, "unknown-op", "the hub takes no requests"))

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        if not self.attached:
            raise RemoteProtocolError("stream", "a stream before the hub has attached")
        listener = messages.field(detail, "listener", int)
        host, port = messages.address(detail.get("peer"))
        self._hub.offer(listener, (strip_line(host), port), end)

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        if violation is not None:
            self.violation = str(violation)
        self.requests.close(reason)
        self.down.set()
