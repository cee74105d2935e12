"""One request and its answer, on their way between a client's stream and an upstream's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import h11
from anyio import EndOfStream

from norouter_core.byte_stream import ByteStream, StreamReset
from norouter_core.errors import NorouterError
from norouter_core.proxy import answer_head, headers
from norouter_core.proxy.chunk_lines import ChunkLines
from norouter_core.proxy.request import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_INCOMPLETE,
    RequestPlan,
    plain_text,
)
from norouter_core.proxy.session import Upstream

_MAX_EVENTS = 64
"""Events of h11 in one turn of the loop. Each chunk is one, and 64 KiB can hold 10,000 chunks."""
_SLICE = 2048


class RequestBroken(NorouterError):
    """The client does not speak HTTP, or ended in the middle; the text says how."""


class AnswerBroken(NorouterError):
    """The upstream does not speak HTTP, or ended in the middle; the text says how."""


class UpstreamLost(NorouterError):
    """The upstream's stream was reset."""

    def __init__(self, reset: StreamReset) -> None:
        super().__init__(str(reset))
        self.code = reset.code
        self.reason = reset.reason


class Exchange:
    """Frames bodies again on both sides: what one side's framing could hide from the other does
    not pass. h11's connections last for one exchange; only the streams live on.
    """

    def __init__(
        self,
        server: h11.Connection,
        plan: RequestPlan,
        client: ByteStream,
        moved: Callable[[], None],
    ) -> None:
        """Call `moved` whenever bytes have gone on, in either direction."""
        self.plan = plan
        self.request_done = False
        self.heard = False
        """Whether anything has come from the upstream, even an interim answer."""
        self.answer_begun = False
        self.answer_done = False
        self.switched = False
        """The upstream goes on in another protocol, and the client knows."""
        self.end_shows = True
        """Whether the client could tell an answer that is cut short, by its length or chunks."""
        self._server = server
        self._client = client
        self._moved = moved
        self._upstream: Upstream
        self._upper: h11.Connection
        self._fed_eof = False
        self._answer_head = bytearray()
        """What has come of the answer and was not given to h11 yet."""
        self._searched = 0
        self._events = 0
        """How many events were handled in this turn of the loop."""
        self._two_framings = False
        self._chunk_lines: ChunkLines | None = None
        """Repairs the answer's body, if that is chunked."""
        self.binds_connection = False
        """Whether the client logs in to the server in a way that holds for the connection."""

    @property
    def reusable(self) -> bool:
        """Whether the upstream connection may serve another request, now that this is over."""
        upper = self._upper
        done = upper.our_state is h11.DONE and upper.their_state is h11.DONE
        ambiguous = self._two_framings or (self._chunk_lines and self._chunk_lines.repaired)
        return done and not ambiguous and not upper.trailing_data[0]

    @property
    def client_stays(self) -> bool:
        """Whether the client may make another request, now that this is over."""
        return self._server.our_state is h11.DONE and self._server.their_state is h11.DONE

    async def run(self, upstream: Upstream) -> bool:
        """Relay request and answer. Return False if the answer is complete and the request is not,
        and the upstream takes no more of it.

        May be run again on another upstream while nothing was heard and the request has no body.

        Raises:
            RequestBroken, AnswerBroken, UpstreamLost: what the class says.
        """
        self._upstream = upstream
        self._fed_eof = False
        self._answer_head.clear()
        self._searched = 0
        self._chunk_lines = None
        self._upper = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_INCOMPLETE)
        if not headers.has_body(self.plan.request):
            await self._forward_request()
            await self._forward_answer()
            return self.request_done
        request = asyncio.create_task(self._forward_request())
        answer = asyncio.create_task(self._forward_answer())
        try:
            return await self._both(request, answer)
        finally:
            request.cancel()
            answer.cancel()
            await asyncio.gather(request, answer, return_exceptions=True)

    async def _both(self, request: asyncio.Task[None], answer: asyncio.Task[None]) -> bool:
        await asyncio.wait((request, answer), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            request.result()
            await answer
            return self.request_done
        # An answer that came before the request broke is the better answer.
        answer.result()
        if not (self.switched or self.request_done):
            # An early answer. The client may send the rest as long as the upstream takes it.
            left = asyncio.create_task(self._upstream.wait_eof())
            try:
                await asyncio.wait((request, left), return_when=asyncio.FIRST_COMPLETED)
            finally:
                left.cancel()
                await asyncio.gather(left, return_exceptions=True)
            if not request.done():
                return False
        await request
        return self.request_done

    # -- the request -----------------------------------------------------------------------

    async def _forward_request(self) -> None:
        try:
            out = self._up(self.plan.forwarded())
            if self.request_done:
                out += self._up(h11.EndOfMessage())
            else:
                out += await self._request_events()
            while True:
                if out:
                    await self._upstream.send(out)
                    self._moved()
                if self.request_done:
                    self._client.acknowledge()
                    return
                out = b""
                for piece in _slices(await self._client.receive()):
                    self._server.receive_data(piece)
                    out += await self._request_events()
        except EndOfStream:
            raise RequestBroken("it ends in the middle of its body") from None
        except StreamReset:
            # The upstream takes no more. What it has answered by then, or that it is lost, shows
            # where the answer is read.
            return

    async def _request_events(self) -> bytes:
        """Return what goes on of the request's body that has come."""
        out = []
        while not self.request_done:
            try:
                event = self._server.next_event()
            except h11.RemoteProtocolError as error:
                raise RequestBroken(plain_text(error)) from None
            if isinstance(event, h11.Data):
                out.append(self._up(event))
            elif isinstance(event, h11.EndOfMessage):
                self.request_done = True
                # What follows is the next request, or belongs to another protocol.
                self._client.put_back(self._server.trailing_data[0])
                out.append(self._up(h11.EndOfMessage(headers=headers.trailers(event.headers))))
            else:
                break
            await self._pause()
        return b"".join(out)

    async def _pause(self) -> None:
        """Let others have their turn after some events."""
        self._events += 1
        if self._events >= _MAX_EVENTS:
            self._events = 0
            await asyncio.sleep(0)

    def _up(self, event: h11.Event) -> bytes:
        try:
            return self._upper.send(event) or b""
        except h11.LocalProtocolError as error:
            raise RequestBroken(plain_text(error)) from None

    # -- the answer ------------------------------------------------------------------------

    async def _forward_answer(self) -> None:
        while not (self.answer_done or self.switched):
            try:
                piece = await self._upstream.receive()
                self.heard = True
            except StreamReset as reset:
                raise UpstreamLost(reset) from None
            except EndOfStream:
                if not self.heard:
                    raise AnswerBroken("it closed the connection without an answer") from None
                piece = b""
                self._fed_eof = True
            out: list[bytes] = []
            try:
                await self._answer_piece(piece, out)
            finally:
                await self._send_answer(out)

    async def _send_answer(self, out: list[bytes]) -> None:
        if out:
            data = b"".join(out)
            out.clear()
            await self._client.send(data)
            self._moved()

    async def _answer_piece(self, piece: bytes, out: list[bytes]) -> None:
        """Read the next piece of the answer (empty: its end); append what goes on to `out`."""
        upper, head = self._upper, self._answer_head
        head += piece
        while head and upper.their_state is h11.SEND_RESPONSE:
            size = len(head) if self._fed_eof else self._find_head()
            if size is None:
                return
            upper.receive_data(answer_head.repair(bytes(head[:size])))
            del head[:size]
            self._searched = 0
            await self._answer_events(out)
        if head and not self.switched:
            body = bytes(head)
            head.clear()
            for part in _slices(body):
                upper.receive_data(self._chunk_lines.feed(part) if self._chunk_lines else part)
                await self._answer_events(out)
        if self._fed_eof:
            upper.receive_data(b"")
            await self._answer_events(out)
        if self.switched:
            self._upstream.put_back(upper.trailing_data[0] + bytes(head))

    def _find_head(self) -> int | None:
        try:
            size = answer_head.find_head(self._answer_head, self._searched)
        except ValueError as error:
            raise AnswerBroken(f"its answer is not HTTP: {error}") from None
        self._searched = len(self._answer_head)
        if (self._searched if size is None else size) > MAX_HEAD:
            raise AnswerBroken(f"its answer is not HTTP: its head is over {MAX_HEAD // 1024} KiB")
        if size is not None and self._answer_head.count(b"\n", 0, size) > MAX_FIELDS:
            raise AnswerBroken(f"its answer is not HTTP: it has more than {MAX_FIELDS} fields")
        return size

    async def _answer_events(self, out: list[bytes]) -> None:
        try:
            while not (self.answer_done or self.switched):
                event = self._upper.next_event()
                if not isinstance(event, h11.Event):
                    break
                self._answer_event(event, out)
                if self._events + 1 >= _MAX_EVENTS:
                    await self._send_answer(out)
                await self._pause()
        except h11.ProtocolError as error:
            if self._fed_eof:
                raise AnswerBroken("it closed the connection in the middle of an answer") from None
            raise AnswerBroken(f"its answer is not HTTP: {plain_text(error)}") from None

    def _answer_event(self, event: h11.Event, out: list[bytes]) -> None:
        if isinstance(event, h11.InformationalResponse):
            # An HTTP/1.0 client knows no interim answers (RFC 9110 section 15.2).
            if self.plan.request.http_version != b"1.0":
                fields = headers.for_client(event, close=False)
                head = h11.InformationalResponse(
                    status_code=event.status_code, headers=fields, reason=event.reason
                )
                out.append(self._server.send(head))
            self.switched = event.status_code == 101
        elif isinstance(event, h11.Response):
            self.answer_begun = True
            out.append(self._server.send(self._head(event)))
        elif isinstance(event, h11.Data):
            out.append(self._server.send(event))
        elif isinstance(event, h11.EndOfMessage):
            self.answer_done = True
            fields = headers.trailers(event.headers)
            if self.plan.request.http_version == b"1.0":
                fields = []
            out.append(self._server.send(h11.EndOfMessage(headers=fields)))

    def _head(self, response: h11.Response) -> h11.Response:
        names = {name for name, _ in response.headers}
        self.binds_connection = headers.binds_connection(self.plan.request, response)
        chunked = b"transfer-encoding" in names
        sized = b"content-length" in names
        self._two_framings = chunked and sized
        self._chunk_lines = ChunkLines() if chunked else None
        self.end_shows = self.plan.request.http_version != b"1.0" or (sized and not chunked)
        leaves = not (chunked or sized) or not headers.keeps_alive(response)
        fields = headers.for_client(response, close=leaves and not self.request_done)
        return h11.Response(
            status_code=response.status_code, headers=fields, reason=response.reason
        )


def _slices(piece: bytes) -> Iterator[bytes]:
    """Yield a piece of a body; if it has many lines, in slices, so that h11 gives up too many
    trailers instead of reading them all at once.
    """
    size = len(piece) if piece.count(b"\n") <= MAX_FIELDS else _SLICE
    for at in range(0, len(piece), max(1, size)):
        yield piece[at : at + size]
