"""The HTTP proxy: CONNECT, and requests in absolute form (RFC 9110 and 9112)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from norouter_core.agent.ends import End
from norouter_core.model import format_address
from norouter_core.proxy import headers
from norouter_core.proxy.answers import Refusal, answer, dial_failed
from norouter_core.proxy.auth import Credentials
from norouter_core.proxy.exchange import AnswerBroken, Exchange, RequestBroken
from norouter_core.proxy.head import HeadFinder, parse
from norouter_core.proxy.plan import RequestPlan, plan
from norouter_core.proxy.port import Upstream
from norouter_core.proxy.session import Session
from norouter_core.proxy.settings import Dialer, ProxySettings
from norouter_core.sanitize import strip_line

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer

_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def http_session(
    client: End, dialer: Dialer, settings: ProxySettings, observer: Observer | None = None
) -> End:
    """Serves one client connection; returns the end that `client` was joined to.

    The client is accepted here (`End.accept`), and must not be again. Resetting both `client` and
    the end returned kills the session, whatever it is at. `observer` is told `end_closed` of that
    end, once, when all is over; its `bytes_in` counts what the client was sent.
    """
    return HttpSession(dialer, settings, observer).start(client)


class HttpSession(Session):
    """Requests of one client, one after the other, each to whatever host it names."""

    def __init__(
        self, dialer: Dialer, settings: ProxySettings, observer: Observer | None = None
    ) -> None:
        super().__init__(dialer, settings, observer)
        self._credentials = None if settings.auth is None else Credentials(settings.auth)
        self._finder = HeadFinder()
        self._head_begun = False
        self._connecting: RequestPlan | None = None
        self._exchange: Exchange | None = None

    def advance(self) -> None:
        while self.engaged and self._act():
            pass

    def timed_out(self) -> None:
        seconds = self.settings.idle_timeout
        exchange = self._exchange
        if exchange is not None:
            plan = exchange.plan
            if exchange.answer_begun:
                self._log(f"{plan}: nothing moved for {seconds:g} s")
                self.close(cut=("timeout", f"nothing moved for {seconds:g} s"))
            else:
                self._fail(exchange, self._no_answer(plan))
        elif self._connecting is not None:
            self._refuse(self._no_answer(self._connecting), self._connecting.request)
        elif self._head_begun:
            limit = self.settings.header_timeout
            self._refuse(Refusal(408, f"the head of the request took over {limit:g} s"))
        else:
            self.close()

    def upstream_is_idle(self, upstream: Upstream) -> bool:
        return self._exchange is None and self._connecting is None

    def _act(self) -> bool:
        """One step; False when there is nothing to do until something comes."""
        if self._exchange is not None:
            return self._serve(self._exchange)
        if self._connecting is not None:
            return self._connect(self._connecting)
        return self._read_head()

    # -- heads -----------------------------------------------------------------------------

    def _read_head(self) -> bool:
        self._check_kept()
        client = self.client
        empty = _EMPTY_LINES.match(client.inbox)
        if empty is not None:
            # Some clients end a body with a CRLF too many (RFC 9112 section 2.2).
            client.report(len(client.take(empty.end())))
        if not client.inbox or client.inbox == b"\r":
            if client.got_end:
                self.close()
            return False
        if not self._head_begun:
            self._head_begun = True
            self.alarm.set(self.settings.header_timeout)
        request = None
        try:
            size = self._finder.find(client.inbox)
            if size is None:
                if client.got_end:
                    raise Refusal(400, "the request ends in the middle of its head")
                return False
            head = client.take(size)
            client.report(size)
            server, request = parse(head)
            self._begin(server, plan(request, self._credentials, self.settings.address))
        except Refusal as refusal:
            self._refuse(refusal, request)
        return True

    def _begin(self, server: h11.Connection, plan: RequestPlan) -> None:
        self.alarm.set(self.settings.idle_timeout)
        self.tell_target(plan.host, plan.port, plan.kind)
        if plan.kind == "connect":
            self.drop_upstream()
            self._connecting = plan
            self.dial(plan.host, plan.port)
            return
        upstream = self._reach(plan)
        exchange = self._exchange = Exchange(server, plan, self.client)
        exchange.begin(upstream)

    def _reach(self, plan: RequestPlan) -> Upstream:
        """The connection of the last request, or a new one.

        One that was kept may be closed by the other side just now. Only a request that can be
        repeated then is sent on it.
        """
        kept = self.upstream
        if kept is not None:
            if kept.target == (plan.host, plan.port) and plan.repeatable:
                kept.used = True
                return kept
            self.drop_upstream()
        return self.dial(plan.host, plan.port)

    def _check_kept(self) -> None:
        kept = self.upstream
        if kept is not None and (kept.got_end or kept.inbox or kept.failure is not None):
            self.drop_upstream()

    def _await_head(self) -> None:
        self._exchange = self._connecting = None
        self._finder = HeadFinder()
        self._head_begun = False
        self.alarm.set(self.settings.keep_alive)

    # -- CONNECT ---------------------------------------------------------------------------

    def _connect(self, plan: RequestPlan) -> bool:
        upstream = self.upstream
        assert upstream is not None
        if upstream.failure is not None:
            self._refuse(dial_failed(*upstream.failure, plan.host, plan.port), plan.request)
            return True
        if upstream.opened:
            self.client.write(_ESTABLISHED)
            self.tunnel()
        return False

    # -- requests in absolute form ---------------------------------------------------------

    def _serve(self, exchange: Exchange) -> bool:
        self.alarm.set(self.settings.idle_timeout)
        try:
            # The answer first: one that came before the request broke is the better answer.
            exchange.forward_answer()
            exchange.forward_request()
        except RequestBroken as broken:
            self._request_broken(exchange, str(broken))
            return True
        except AnswerBroken as broken:
            self._answer_broken(exchange, str(broken))
            return True
        if exchange.switched:
            if exchange.request_done:
                self.tunnel()
            return False
        if exchange.answer_done:
            return self._answered(exchange)
        upstream = exchange.upstream
        if upstream.failure is not None and not upstream.inbox:
            self._upstream_lost(exchange, *upstream.failure)
            return True
        return False

    def _answered(self, exchange: Exchange) -> bool:
        upstream = exchange.upstream
        if not exchange.request_done:
            # An early answer: the client may still send the rest, if it is still wanted.
            if upstream.got_end or upstream.failure is not None:
                self.close()
            return False
        reusable = exchange.reusable
        self._await_head()
        if not reusable or upstream.got_end:
            self.drop_upstream()
        if not exchange.client_stays:
            self.close()
        return True

    def _request_broken(self, exchange: Exchange, text: str) -> None:
        # The reset tells the upstream that what it has got is not the whole request.
        refusal = Refusal(400, f"malformed request: {text}")
        if exchange.answer_begun:
            self._log(f"{exchange.plan}: {refusal.text}")
            self.close()
        else:
            self._fail(exchange, refusal)

    def _answer_broken(self, exchange: Exchange, text: str) -> None:
        if self._repeated(exchange):
            return
        plan = exchange.plan
        text = f"{format_address((plan.host, plan.port))}: {text}"
        if not exchange.answer_begun:
            self._fail(exchange, Refusal(502, text))
            return
        self._log(f"{plan}: {text}")
        self.close(cut=None if exchange.end_shows else ("reset", text))

    def _upstream_lost(self, exchange: Exchange, code: str, reason: str) -> None:
        if self._repeated(exchange):
            return
        plan = exchange.plan
        if not exchange.answer_begun:
            self._fail(exchange, dial_failed(code, reason, plan.host, plan.port))
            return
        self._log(f"{plan}: lost in the middle of its answer: {code} {reason}")
        self.close(cut=(code, reason))

    def _repeated(self, exchange: Exchange) -> bool:
        """Sends the request anew where a kept connection was closed as the request came."""
        plan = exchange.plan
        if exchange.heard or not (exchange.upstream.used and plan.repeatable):
            return False
        self.drop_upstream()
        exchange.begin(self.dial(plan.host, plan.port))
        return True

    # -- what the proxy says for itself ----------------------------------------------------

    def _no_answer(self, plan: RequestPlan) -> Refusal:
        seconds = self.settings.idle_timeout
        return Refusal(
            504, f"{format_address((plan.host, plan.port))} did not answer within {seconds:g} s"
        )

    def _fail(self, exchange: Exchange, refusal: Refusal) -> None:
        self._refuse(refusal, exchange.plan.request, read=exchange.request_done)

    def _refuse(
        self, refusal: Refusal, request: h11.Request | None = None, *, read: bool = False
    ) -> None:
        """Answers a request (None: what was none); `read` says that its body has been read."""
        self.drop_upstream()
        self._log(f"{_first_line(request)}: {refusal.status} {refusal.text}")
        close = request is None or not self._stays(refusal, request, read)
        head_only = request is not None and request.method == b"HEAD"
        self.client.write(answer(refusal, close=close, head_only=head_only))
        self._await_head()
        if close:
            self.close()

    def _stays(self, refusal: Refusal, request: h11.Request, read: bool) -> bool:
        if refusal.status == 400 or not headers.keeps_alive(request):
            return False
        if request.method == b"CONNECT":
            # What follows may be meant for the tunnel; it must not be read as a request.
            return refusal.status == 407 and not self.client.inbox
        return read or not headers.has_body(request)

    def _log(self, text: str) -> None:
        self.settings.log(f"http proxy: {strip_line(text)}")


def _first_line(request: h11.Request | None) -> str:
    if request is None:
        return "a request"
    return f"{request.method.decode('ascii')} {request.target.decode('ascii')[:200]}"
