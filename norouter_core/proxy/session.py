"""What HTTP and SOCKS sessions share: turns, time limits, stepping out, and ends of every kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from norouter_core.agent.ends import End, join
from norouter_core.proxy.port import Port, Upstream, step_out
from norouter_core.proxy.settings import Dialer, ProxySettings

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.agent.loop import LoopLike, TimerLike

_TURNS = 16
"""Rounds before the rest of the loop has its own: a source and a sink that are both fast would
keep one going for ever."""


class Alarm:
    """One time limit that is often moved: a timer that is due too early is set anew."""

    __slots__ = ("_due", "_loop", "_ring", "_timer", "_when")

    def __init__(self, loop: LoopLike, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due: float | None = None
        self._timer: TimerLike | None = None
        self._when = 0.0

    def set(self, seconds: float) -> None:
        """Rings in so many seconds, whatever was set before."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._due < self._when:
            self._start(seconds)

    def clear(self) -> None:
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._when = self._loop.time() + seconds
        self._timer = self._loop.call_later(seconds, self._fired)

    def _fired(self) -> None:
        self._timer = None
        if self._due is None:
            return
        left = self._due - self._loop.time()
        if left > 0:
            self._start(left)
        else:
            self._due = None
            self._ring()


class Session(ABC):
    """One client of a proxy. `client` is what the client's end is joined to.

    Whatever happens at a port ends in `pump`, which lets the session act on how things stand: so
    the order in which dials, resets and bytes come in cannot confuse it, and it is never entered
    while it acts.
    """

    def __init__(self, dialer: Dialer, settings: ProxySettings, observer: Observer | None) -> None:
        self.client = Port(self)
        self.client.observer = observer
        self.upstream: Upstream | None = None
        self.settings = settings
        self.alarm = Alarm(settings.loop, self._rang)
        self._dialer = dialer
        self._told: tuple[str, int, str] | None = None
        self._pumping = False
        self._again = False
        self._tunnelling = False
        self._closing = False
        self._cut: tuple[str, str] | None = None
        self._lingering = False
        self._left = 0
        self._rung = False
        self._over = False

    def start(self, client: End) -> Port:
        """Joins the session to its client's end; returns the session's own."""
        client.accept(self.settings.address)
        self.alarm.set(self.settings.header_timeout)
        join(client, self.client)
        return self.client

    # -- what a session is made of ---------------------------------------------------------

    @abstractmethod
    def advance(self) -> None:
        """Does all that can be done now."""

    @abstractmethod
    def timed_out(self) -> None:
        """The alarm rang, and neither a tunnel nor the end was awaited."""

    # -- what it does ----------------------------------------------------------------------

    @property
    def engaged(self) -> bool:
        """Whether there is still something for `advance` to do."""
        return not (self._tunnelling or self._closing or self._over)

    def dial(self, host: str, port: int) -> Upstream:
        """Begins to reach a target; the outcome is in `opened` and `failure` of what is returned,
        at once or at a later turn."""
        upstream = self.upstream = Upstream(self, (host, port))
        self._dialer.dial(upstream, host, port, upstream)
        return upstream

    def tell_target(self, host: str, port: int, kind: str) -> None:
        """Tells who the client goes to, if that is new."""
        if self._told != (host, port, kind):
            self._told = (host, port, kind)
            self.settings.on_target(host, port, kind)

    def tunnel(self) -> None:
        """Steps out as soon as nothing of the session's own is under way any more. Until then the
        two ends could not be joined: the target would be credited with the answer's bytes."""
        self._tunnelling = True
        self.alarm.set(self.settings.header_timeout)

    def close(self, cut: tuple[str, str] | None = None) -> None:
        """Ends the client's connection once it has taken what was written: in order, or by a
        reset with code and reason. The upstream connection is not wanted any more."""
        self._closing = True
        self._cut = cut
        self.client.discard()
        if cut is None:
            self.client.end_after()
        self.alarm.set(self.settings.header_timeout)

    # -- from the ports --------------------------------------------------------------------

    def pump(self) -> None:
        if self._pumping:
            self._again = True
            return
        if self._over:
            return
        self._pumping = True
        try:
            self._turns()
        except Exception as error:
            # One client's session must not take the data path of all others with it.
            self.settings.log(f"internal error in a proxy session: {error!r}")
            self._abandon("internal", "the proxy failed")
        finally:
            self._pumping = False

    def target_closed(self, code: str, reason: str) -> None:
        self._tell_end(code, reason)

    def _turns(self) -> None:
        for _ in range(_TURNS):
            self._again = False
            self._turn()
            if self._over or not self._again:
                return
        self.settings.loop.call_soon(self.pump)

    def _turn(self) -> None:
        if self.client.failure is not None:
            self._abandon(*self.client.failure)
            return
        if self.engaged:
            if self._rung:
                self.timed_out()
            self.advance()
        self._rung = False
        self.client.flush()
        if self.upstream is not None:
            self.upstream.flush()
        if self._closing:
            self._close_if_due()
        elif self._tunnelling:
            self._step_out_if_due()
        if self._over:
            return
        self.client.settle()
        if self.upstream is not None:
            self.upstream.settle()

    # -- the ends of a session -------------------------------------------------------------

    def _step_out_if_due(self) -> None:
        upstream = self.upstream
        assert upstream is not None
        if upstream.failure is not None:
            self._tunnelling = False
            self.close(cut=upstream.failure)
            self._again = True
        elif upstream.opened and not self.client.backlog and not upstream.backlog:
            self._over = True
            self.alarm.clear()
            one, other = self.client.peer, upstream.peer
            assert one is not None and other is not None
            step_out(self.client, upstream)
            self.settings.on_tunnel(one, other)

    def _close_if_due(self) -> None:
        self.drop_upstream()
        if self.client.backlog:
            if self.client.backlog != self._left:
                self._left = self.client.backlog
                self.alarm.set(self.settings.header_timeout)
            return
        if self._cut is not None:
            self._abandon(*self._cut)
        elif self.client.sent_end:
            if self.client.got_end:
                self._finish("closed", "")
            elif not self._lingering:
                # Closing at once would reset the connection if the client is still sending, and
                # that may destroy the answer before the client has read it (RFC 9112 s. 9.6).
                self._lingering = True
                self.alarm.set(self.settings.linger)

    def drop_upstream(self, code: str = "reset", reason: str = "no longer wanted") -> None:
        """Gives the upstream connection up: in order if it is between two requests."""
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        if self.upstream_is_idle(upstream):
            upstream.retire(self.settings.loop, self.settings.linger)
        else:
            upstream.kill(code, reason)

    def upstream_is_idle(self, upstream: Upstream) -> bool:
        """Whether an orderly end would not be taken for the end of something unfinished."""
        return False

    def _abandon(self, code: str, reason: str) -> None:
        """Resets whatever is still up."""
        self._over = True
        self.drop_upstream(code, reason)
        self.client.kill(code, reason)
        self._finish(code, reason)

    def _finish(self, code: str, reason: str) -> None:
        self._over = True
        self.alarm.clear()
        self._tell_end(code, reason)

    def _tell_end(self, code: str, reason: str) -> None:
        observer, self.client.observer = self.client.observer, None
        if observer is not None:
            observer.end_closed(self.client, code, reason)

    def _rang(self) -> None:
        if self._over:
            return
        if self.engaged:
            self._rung = True
            self.pump()
        else:
            self._abandon("timeout", "the client does not take its last bytes")
