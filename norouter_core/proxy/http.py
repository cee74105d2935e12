"""The HTTP proxy: CONNECT, and requests in absolute form (RFC 9110 and 9112)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11
from anyio import EndOfStream

from norouter_core.byte_stream import StreamReset
from norouter_core.model import format_address
from norouter_core.proxy import headers
from norouter_core.proxy.exchange import AnswerBroken, Exchange, RequestBroken, UpstreamLost
from norouter_core.proxy.request import (
    Refusal,
    RequestPlan,
    dial_failed,
    find_head,
    parse,
    plan_request,
)
from norouter_core.proxy.session import Session, Upstream

if TYPE_CHECKING:
    pass

_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class HttpSession(Session):
    """Requests of one client, one after the other, each to the host that it names."""

    kind = "http"

    async def serve(self) -> None:
        limit = self.time_left()
        while await self._serve_request(limit):
            limit = self.settings.keep_alive
        if not self.tunnelled:
            await self.close()

    async def _serve_request(self, limit: float) -> bool:
        """Serve the next request, if it begins within `limit` seconds; return whether another may
        follow.
        """
        request = None
        try:
            if not await self._await_request(limit):
                return False
            head = await self._read_head()
            server, request = parse(head)
            plan = plan_request(request, self.credentials, self.settings.address)
            if request.method == b"CONNECT":
                return await self._connect(plan)
            return await self._relay(server, plan)
        except Refusal as refusal:
            return await self._refuse(refusal, request)

    # -- heads -----------------------------------------------------------------------------

    async def _await_request(self, limit: float) -> bool:
        """Wait for the first byte of a request; return whether it came."""
        self._watch_kept()
        client = self.client
        try:
            with self.limit(limit):
                while True:
                    empty = _EMPTY_LINES.match(client.buffer)
                    if empty is not None:
                        # Some clients end a body with a CRLF too many (RFC 9112 section 2.2).
                        client.take(empty.end())
                    if client.buffer and client.buffer != b"\r":
                        return True
                    await client.fill()
        except (TimeoutError, EndOfStream):
            return False

    async def _read_head(self) -> bytes:
        client, searched = self.client, 0
        limit = self.settings.header_timeout
        try:
            with self.limit(limit):
                while (size := find_head(client.buffer, searched)) is None:
                    searched = len(client.buffer)
                    await client.fill()
        except TimeoutError:
            raise Refusal(408, f"the head of the request took over {limit:g} s") from None
        except EndOfStream:
            raise Refusal(400, "the request ends in the middle of its head") from None
        head = client.take(size)
        client.acknowledge()
        return head

    def _watch_kept(self) -> None:
        """Close a kept connection as soon as its other side ends it, or sends what nobody asked
        for.
        """
        kept = self.upstream
        if kept is not None:
            kept.end.watch = self.drop_upstream
            if kept.got_eof or kept.buffer or kept.failure is not None:
                self.drop_upstream()

    # -- CONNECT ---------------------------------------------------------------------------

    async def _connect(self, plan: RequestPlan) -> bool:
        self.drop_upstream()
        upstream = self.dial(plan.host, plan.port)
        try:
            with self.limit(self.settings.idle_timeout):
                await upstream.connected()
        except TimeoutError:
            raise self._no_answer(plan) from None
        except StreamReset as reset:
            raise dial_failed(reset.code, reset.reason, plan.host, plan.port) from None
        await self.say(_ESTABLISHED)
        await self.tunnel(upstream)
        return False

    # -- requests in absolute form ---------------------------------------------------------

    async def _relay(self, server: h11.Connection, plan: RequestPlan) -> bool:
        """Relay one request; return whether another may follow.

        Raises:
            Refusal: nothing was answered, and the client gets this.
        """
        seconds = self.settings.idle_timeout
        exchange = Exchange(server, plan, self.client, lambda: self._moved(exchange))
        upstream = self._reach(plan)
        try:
            with self.limit(seconds):
                while True:
                    try:
                        finished = await exchange.run(upstream)
                        break
                    except (AnswerBroken, UpstreamLost):
                        # A kept connection may be closed by the other side as the request comes.
                        if exchange.heard or not (upstream.used and plan.repeatable):
                            raise
                        self.drop_upstream()
                        upstream = self.dial(plan.host, plan.port)
        except TimeoutError:
            reason = f"nothing came of the request's body for {seconds:g} s"
            if not exchange.answer_begun:
                raise Refusal(408, reason) from None
            self.log(f"{plan}: {reason}")
            await self.cut("timeout", reason)
        except RequestBroken as broken:
            # The reset tells the upstream that what it has got is not the whole request.
            self.drop_upstream()
            self._spoil(exchange, Refusal(400, f"malformed request: {broken}"))
            return False
        except AnswerBroken as broken:
            text = f"{format_address((plan.host, plan.port))}: {broken}"
            self._spoil(exchange, Refusal(502, text))
            if not exchange.end_shows:
                await self.cut("reset", text)
            return False
        except UpstreamLost as lost:
            if not exchange.answer_begun:
                refusal = dial_failed(lost.code, lost.reason, plan.host, plan.port)
                raise _read(exchange, refusal) from None
            self.log(f"{plan}: lost in the middle of its answer: {lost.code} {lost.reason}")
            await self.cut(lost.code, lost.reason)
        return await self._answered(exchange, upstream, finished)

    def _moved(self, exchange: Exchange) -> None:
        """Note that bytes have gone on. Only the rest of a request may not take for ever."""
        if exchange.request_done:
            self.limit.lift()
        else:
            self.limit.restart()

    def _spoil(self, exchange: Exchange, refusal: Refusal) -> None:
        """Answer with a refusal, or log it where an answer has begun."""
        if not exchange.answer_begun:
            raise _read(exchange, refusal) from None
        self.log(f"{exchange.plan}: {refusal.text}")

    def _reach(self, plan: RequestPlan) -> Upstream:
        """Return the connection of the last request, or a new one.

        One that was kept may be closed by the other side just now. So only a request that can be
        repeated then is sent on it, or one whose login holds for this connection.
        """
        kept = self.upstream
        is_same = kept is not None and kept.target == (plan.host, plan.port)
        if kept is not None and is_same and (plan.repeatable or kept.is_bound):
            kept.used, kept.idle, kept.end.watch = True, False, None
            return kept
        self.drop_upstream()
        return self.dial(plan.host, plan.port)

    async def _answered(self, exchange: Exchange, upstream: Upstream, finished: bool) -> bool:
        if exchange.switched:
            await self.tunnel(upstream)
            return False
        if not finished:
            return False
        upstream.acknowledge()
        upstream.idle = True
        upstream.is_bound = upstream.is_bound or exchange.binds_connection
        if not exchange.reusable or upstream.got_eof:
            self.drop_upstream()
        return exchange.client_stays

    # -- the proxy's own answers -----------------------------------------------------------

    def _no_answer(self, plan: RequestPlan) -> Refusal:
        seconds = self.settings.idle_timeout
        return Refusal(
            504, f"{format_address((plan.host, plan.port))} did not answer within {seconds:g} s"
        )

    async def _refuse(self, refusal: Refusal, request: h11.Request | None) -> bool:
        """Answer a request (None: it could not be read); return whether another may follow."""
        self.drop_upstream()
        self.log(f"{_first_line(request)}: {refusal.status} {refusal.text}")
        if refusal.is_silent:
            await self.cut("not-allowed", "a web page is no client of a proxy")
        if refusal.is_wrong_login:
            await self.wait_after_wrong_login()
        stays = request is not None and self._stays(refusal, request)
        head_only = request is not None and request.method == b"HEAD"
        await self.say(refusal.answer(close=not stays, head_only=head_only))
        return stays

    def _stays(self, refusal: Refusal, request: h11.Request) -> bool:
        if refusal.status == 400 or not headers.keeps_alive(request):
            return False
        if request.method == b"CONNECT":
            # What follows may be meant for the tunnel; it must not be read as a request.
            return refusal.status == 407 and not self.client.buffer
        return refusal.body_read or not headers.has_body(request)


def _read(exchange: Exchange, refusal: Refusal) -> Refusal:
    refusal.body_read = exchange.request_done
    return refusal


_USER = re.compile(r"//[^/@]*@")


def _first_line(request: h11.Request | None) -> str:
    if request is None:
        return "a request"
    # Queries and users of a URL may hold passwords and tokens.
    target = _USER.sub("//***@", request.target.decode("ascii").partition("?")[0])
    return f"{request.method.decode('ascii')} {target[:200]}"
