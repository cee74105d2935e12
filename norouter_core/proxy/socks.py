"""The SOCKS proxy, versions 4, 4a and 5: a handshake, a dial, and then nothing of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from norouter_core.agent.ends import End
from norouter_core.model import format_address
from norouter_core.proxy.auth import Credentials
from norouter_core.proxy.handshake import Connect, Handshake, Reject, Send
from norouter_core.proxy.session import Session
from norouter_core.proxy.settings import Dialer, ProxySettings
from norouter_core.sanitize import strip_line

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer


def socks_session(
    client: End, dialer: Dialer, settings: ProxySettings, observer: Observer | None = None
) -> End:
    """Serves one client connection; returns the end that `client` was joined to.

    All else is as for `http_session`.
    """
    return SocksSession(dialer, settings, observer).start(client)


class SocksSession(Session):
    """One client's one request."""

    def __init__(
        self, dialer: Dialer, settings: ProxySettings, observer: Observer | None = None
    ) -> None:
        super().__init__(dialer, settings, observer)
        credentials = None if settings.auth is None else Credentials(settings.auth)
        self._handshake = Handshake(credentials)
        self._asked: Connect | None = None

    def advance(self) -> None:
        if self._asked is None:
            self._shake_hands()
        if self._asked is not None and self.engaged:
            self._connect(self._asked)

    def timed_out(self) -> None:
        if self._asked is not None:
            self._failed(self._asked, "timeout", "no answer to the dial")
            return
        self._log(f"the handshake took over {self.settings.header_timeout:g} s")
        self.close()

    def _shake_hands(self) -> None:
        client = self.client
        while self.engaged and self._asked is None:
            before = len(client.inbox)
            step = self._handshake.step(client.inbox)
            client.report(before - len(client.inbox))
            if step is None:
                if client.got_end:
                    self.close()
                return
            if isinstance(step, Send):
                client.write(step.data)
            elif isinstance(step, Reject):
                self._log(f"refused: {step.text}")
                client.write(step.data)
                self.close()
            else:
                self._begin(step)

    def _begin(self, asked: Connect) -> None:
        self._asked = asked
        self.alarm.set(self.settings.idle_timeout)
        self.tell_target(asked.host, asked.port, asked.kind)
        self.dial(asked.host, asked.port)

    def _connect(self, asked: Connect) -> None:
        upstream = self.upstream
        assert upstream is not None
        if upstream.failure is not None:
            self._failed(asked, *upstream.failure)
        elif upstream.opened:
            self.client.write(self._handshake.granted())
            self.tunnel()

    def _failed(self, asked: Connect, code: str, reason: str) -> None:
        self._log(f"{asked.kind} {format_address((asked.host, asked.port))}: {code}: {reason}")
        self.client.write(self._handshake.refused(code, reason))
        self.close()

    def _log(self, text: str) -> None:
        self.settings.log(f"socks proxy: {strip_line(text)}")
