"""An HTTP/3 client: `http3_client.py HOST PORT CERTIFICATE NAME PATH...`.

It fetches all paths at once and prints the size and hash of each body.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent


class Http3(QuicConnectionProtocol):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._http = H3Connection(self._quic)
        self._bodies: dict[int, bytearray] = {}
        self._ends: dict[int, asyncio.Future[bytes]] = {}

    async def get(self, authority: str, path: str) -> bytes:
        stream = self._quic.get_next_available_stream_id()
        self._bodies[stream] = bytearray()
        self._ends[stream] = asyncio.get_running_loop().create_future()
        values = {":method": "GET", ":scheme": "https", ":authority": authority, ":path": path}
        headers = [(name.encode(), value.encode()) for name, value in values.items()]
        self._http.send_headers(stream, headers, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(self._ends[stream], 30)

    def quic_event_received(self, event: QuicEvent) -> None:
        for received in self._http.handle_event(event):
            self._take(received)

    def _take(self, event: H3Event) -> None:
        if isinstance(event, DataReceived):
            self._bodies[event.stream_id] += event.data
        if getattr(event, "stream_ended", False):
            stream = event.stream_id
            self._ends[stream].set_result(bytes(self._bodies[stream]))


async def main(host: str, port: str, certificate: str, name: str, *paths: str) -> None:
    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name=name)
    configuration.load_verify_locations(certificate)
    made = connect(host, int(port), configuration=configuration, create_protocol=Http3)
    async with made as client:
        assert isinstance(client, Http3)
        bodies = await asyncio.gather(*(client.get(name, path) for path in paths))
    for body in bodies:
        sys.stdout.write(f"{len(body)} {hashlib.sha256(body).hexdigest()}\n")


asyncio.run(main(*sys.argv[1:]))
