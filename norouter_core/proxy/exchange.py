"""One request and its answer, on their way between a client's connection and an upstream's."""

from __future__ import annotations

import h11

from norouter_core.errors import NorouterError
from norouter_core.proxy import headers
from norouter_core.proxy.head import MAX_HEAD
from norouter_core.proxy.plan import RequestPlan
from norouter_core.proxy.port import LIMIT, Port, Upstream

_PIECE = 64 * 1024


class Broken(NorouterError):
    """One of the two does not speak HTTP, or ended in the middle; the text says how."""


class RequestBroken(Broken):
    """The client."""


class AnswerBroken(Broken):
    """The upstream."""


class Exchange:
    """Bodies are framed anew on both sides: what one side's framing could hide from the other
    does not pass. h11 connections last for one exchange; only the ports live on."""

    def __init__(self, server: h11.Connection, plan: RequestPlan, client: Port) -> None:
        self.plan = plan
        self.upstream: Upstream
        self.request_done = False
        self.heard = False
        """Whether anything has come from the upstream, an interim answer even."""
        self.answer_begun = False
        self.answer_done = False
        self.switched = False
        """The upstream has agreed to go on in another protocol, and the client is being told."""
        self.end_shows = True
        """Whether the client could tell an answer that is cut short, by its length or chunks."""
        self._server = server
        self._client = client
        self._upper: h11.Connection
        self._fed_end = False
        self._two_framings = False

    def begin(self, upstream: Upstream) -> None:
        """Sends the head; once more after a connection that was kept turned out to be dead."""
        self.upstream = upstream
        self._fed_end = False
        self._upper = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        upstream.write(self._send_up(self.plan.forwarded()))
        if self.request_done:
            upstream.write(self._send_up(h11.EndOfMessage()))

    @property
    def reusable(self) -> bool:
        """Whether the upstream connection may serve another request, now that this is over."""
        upper = self._upper
        done = upper.our_state is h11.DONE and upper.their_state is h11.DONE
        return done and not self._two_framings and not upper.trailing_data[0]

    @property
    def client_stays(self) -> bool:
        """Whether the client may make another request, now that this is over."""
        return self._server.our_state is h11.DONE and self._server.their_state is h11.DONE

    # -- the request -----------------------------------------------------------------------

    def forward_request(self) -> None:
        """Passes on what has come of the request.

        Raises:
            RequestBroken: its body cannot be read, or ended early.
        """
        client = self._client
        # A request without a body is over with its head: nothing needs to be taken then.
        self._pass_on(b"")
        while not self.request_done and self.upstream.backlog < LIMIT:
            piece = client.take(_PIECE)
            if not piece:
                break
            self._pass_on(piece)
        if not self.request_done and client.got_end and not client.inbox:
            raise RequestBroken("it ends in the middle of its body")

    def _pass_on(self, piece: bytes) -> None:
        if piece:
            self._server.receive_data(piece)
        size = len(piece)
        try:
            out = self._request_events()
        except RequestBroken:
            self._client.report(size)
            raise
        if self.request_done and piece:
            # What follows the request is the next one, or belongs to another protocol.
            rest = self._server.trailing_data[0]
            self._client.put_back(rest)
            size -= len(rest)
        self.upstream.write(out, self._client, size)

    def _request_events(self) -> bytes:
        out = []
        while not self.request_done:
            try:
                event = self._server.next_event()
            except h11.RemoteProtocolError as error:
                raise RequestBroken(str(error)) from None
            if isinstance(event, h11.Data):
                out.append(self._send_up(event))
            elif isinstance(event, h11.EndOfMessage):
                self.request_done = True
                end = h11.EndOfMessage(headers=headers.trailers(event.headers))
                out.append(self._send_up(end))
            else:
                break
        return b"".join(out)

    def _send_up(self, event: h11.Event) -> bytes:
        try:
            return self._upper.send(event) or b""
        except h11.LocalProtocolError as error:
            raise RequestBroken(str(error)) from None

    # -- the answer ------------------------------------------------------------------------

    def forward_answer(self) -> None:
        """Passes on what has come of the answer, as it came.

        Raises:
            AnswerBroken: it cannot be read, or ended early.
        """
        upstream = self.upstream
        while not (self.answer_done or self.switched) and self._client.backlog < LIMIT:
            piece = upstream.take(_PIECE)
            if piece:
                self.heard = True
                self._upper.receive_data(piece)
            elif upstream.got_end and not self._fed_end:
                if not self.heard:
                    raise AnswerBroken("it closed the connection without an answer")
                self._fed_end = True
                self._upper.receive_data(b"")
            else:
                break
            self._relay(len(piece))

    def _relay(self, size: int) -> None:
        out: list[bytes] = []
        try:
            while not (self.answer_done or self.switched):
                event = self._upper.next_event()
                if not isinstance(event, h11.Event):
                    break
                self._answer_event(event, out)
        except h11.ProtocolError as error:
            if self._fed_end:
                raise AnswerBroken("it closed the connection in the middle of an answer") from None
            raise AnswerBroken(f"its answer is not HTTP: {error}") from None
        finally:
            if self.switched:
                rest = self._upper.trailing_data[0]
                self.upstream.put_back(rest)
                size -= len(rest)
            self._client.write(b"".join(out), self.upstream, size)

    def _answer_event(self, event: h11.Event, out: list[bytes]) -> None:
        if isinstance(event, h11.InformationalResponse):
            self.switched = event.status_code == 101
            # An HTTP/1.0 client knows no interim answers (RFC 9110 section 15.2).
            if self.plan.request.http_version != b"1.0":
                fields = headers.for_client(event, close=False)
                event = h11.InformationalResponse(
                    status_code=event.status_code, headers=fields, reason=event.reason
                )
                out.append(self._server.send(event))
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
        chunked = b"transfer-encoding" in names
        sized = b"content-length" in names
        self._two_framings = chunked and sized
        self.end_shows = self.plan.request.http_version != b"1.0" or (sized and not chunked)
        leaves = not (chunked or sized) or not headers.persists(response)
        fields = headers.for_client(response, close=leaves and not self.request_done)
        return h11.Response(
            status_code=response.status_code, headers=fields, reason=response.reason
        )
