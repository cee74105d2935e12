"""What HTTP and SOCKS sessions share: settings, dialling, tunnels, and every kind of end."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self

from norouter_core.agent.ends import End, join
from norouter_core.byte_stream import ByteStream, StreamReset, step_out
from norouter_core.sanitize import strip_line

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.wire.codes import Address


class Dialer(Protocol):
    """Decides which host reaches a target, and dials; knows whose proxy it serves."""

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        """Join `other` to a new end towards a target, and return that end.

        `host` is a name in lower case or an IP literal (IPv6 without brackets). The outcome, which
        may come before the return, is `observer.end_opened(end, peer)`, or a reset of `other` with
        a code of SPEC.md section 4. Never raises.
        """
        ...


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Times are in seconds."""

    spawn: Callable[[Coroutine[Any, Any, None]], object]
    """Runs a coroutine as a task."""
    auth: str | None = None
    """`USER:PASSWORD` that clients must send; None for an open proxy."""
    address: Address = ("0.0.0.0", 0)
    """Where the proxy listens: the address that a client of a link has reached."""
    header_timeout: float = 30.0
    """For a request head, for a SOCKS handshake, and for the client to take the proxy's reply."""
    keep_alive: float = 75.0
    """Between two requests on one connection."""
    idle_timeout: float = 900.0
    """Without a byte of a request's body, and for a tunnel's target to be reached. A client that
    has sent its request may wait for the answer as long as it likes: TCP's keepalive notices a
    peer that is gone."""
    linger: float = 2.0
    """Between our half-close and a reset, for a client that goes on sending."""
    log: Callable[[str], None] = _ignore
    """Gets one line, free of control characters, for each request that was rejected or failed."""
    on_wrong_login: Callable[[], float] = lambda: 0.0
    """Called for each wrong password; returns the seconds until it may be answered."""
    on_tunnel: Callable[[End, End], None] = _ignore
    """Gets the client's end and the target's once they have been joined to each other: from then
    on no byte passes the session."""


class Credentials:
    """The one user and password that a proxy accepts, compared in constant time."""

    def __init__(self, text: str) -> None:
        """`text` is `USER:PASSWORD`; the password may contain colons."""
        user, _, password = text.partition(":")
        self._user = user.encode()
        self._password = password.encode()

    def match(self, user: bytes, password: bytes) -> bool:
        # Always compare both: the time taken must not show which one is wrong.
        right_user = hmac.compare_digest(self._user, user)
        right_password = hmac.compare_digest(self._password, password)
        return right_user and right_password

    def match_basic(self, values: Sequence[bytes]) -> bool:
        """Return whether there is exactly one `Proxy-Authorization` field, and its value is the
        right one for `Basic` (RFC 7617).
        """
        if len(values) != 1:
            return False
        scheme, _, token = values[0].partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            shown = base64.b64decode(token.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        user, colon, password = shown.partition(b":")
        return self.match(user, password) and bool(colon)


class Upstream(ByteStream):
    """A stream to a target; observes the dial."""

    def __init__(self, target: Address, on_closed: Callable[[str, str], None]) -> None:
        super().__init__()
        self.target = target
        self.idle = False
        """Whether it is kept for another request: its end then cuts nothing short."""
        self.used = False
        """Whether it has served a request before."""
        self.is_bound = False
        """Whether the client has logged in to the server for this connection."""
        self._opened = False
        self._on_closed = on_closed
        """Called when the target's end has closed after the session stepped out."""

    async def connected(self) -> None:
        """Wait until the target is reached.

        Raises:
            StreamReset: it cannot be.
        """
        while not self._opened:
            self._check_failure()
            await self.end.output.wait()
        self._check_failure()

    def end_opened(self, end: End, peer: Address) -> None:
        self._opened = True
        self.end.output.notify()
        self.end.flush()

    def end_half_closed(self, end: End) -> None:
        """Do nothing: the peer of that end, ours, gets EOF."""

    def end_closed(self, end: End, code: str, reason: str) -> None:
        if self.end.successor is not None:
            self._on_closed(code, reason)
        elif code != "closed":
            # A stream that the user kills has its ends reset; those do not reset their peers.
            self.end.reset(code, reason)


class TimeLimit:
    """What `asyncio.timeout` does, for one task and many times, by a timer that is seldom set: each
    connection passes several limits, and each piece of a body moves one.

    Limits cannot be nested.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._seconds = 0.0
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False

    def __call__(self, seconds: float) -> Self:
        """Limit the block of a `with` statement, which raises TimeoutError after so long."""
        self._seconds = seconds
        return self

    def __enter__(self) -> None:
        self.restart()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        self._due = None
        if self._expired:
            self._expired = False
            assert self._task is not None
            if not self._task.uncancel() and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def restart(self) -> None:
        """Let the time begin again."""
        self._due = self._loop.time() + self._seconds
        if self._timer is None or self._timer.when() > self._due:
            self._set_timer()

    def lift(self) -> None:
        """Do without a limit until the next `restart`."""
        self._due = None

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        assert self._due is not None
        self.close()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > self._loop.time():
            self._set_timer()
            return
        self._due = None
        self._expired = True
        assert self._task is not None
        self._task.cancel()


class Session(ABC):
    """One client of a proxy, served by one task."""

    kind: str
    limit: TimeLimit
    _deadline: float
    _starter: asyncio.TimerHandle

    def __init__(self, dialer: Dialer, settings: ProxySettings) -> None:
        self.client = ByteStream()
        self.upstream: Upstream | None = None
        self.settings = settings
        self.credentials = None if settings.auth is None else Credentials(settings.auth)
        self.tunnelled = False
        """Whether the session has stepped out."""
        self._dialer = dialer
        self._task: asyncio.Task[Any] | None = None

    def start(self, client: End, observer: Observer | None = None) -> End:
        """Serve one client connection; return the end that `client` was joined to.

        The client is accepted here (`End.accept`), and must not be again. Resetting both `client`
        and the end returned kills the session, whatever it does. `observer.end_closed` is called
        with that end, once, when everything is over; its `bytes_in` counts what the client was
        sent.
        """
        loop, limit = asyncio.get_running_loop(), self.settings.header_timeout
        self._deadline = loop.time() + limit
        # Clients speak first: one that is silent needs no task, and one that is not saves a turn
        # of the loop.
        self._starter = loop.call_later(limit, self._begin)
        self.client.end.observer = observer
        self.client.end.watch = self._begin
        client.accept(self.settings.address)
        join(client, self.client.end)
        return self.client.end

    def _begin(self) -> None:
        self._starter.cancel()
        self.client.end.watch = self._check_client
        self.settings.spawn(self._run())

    def time_left(self) -> float:
        """Return how much of `header_timeout` is left since the client connected."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    @abstractmethod
    async def serve(self) -> None:
        """Serve the client until its connection is closed or has become a tunnel.

        Raises:
            StreamReset: nothing more can be said to the client; it is reset like that.
        """

    # -- what a session does ---------------------------------------------------------------

    def dial(self, host: str, port: int) -> Upstream:
        """Begin to reach a target, which becomes the session's upstream."""
        upstream = self.upstream = Upstream((host, port), self.client.closed)
        self._dialer.dial(upstream.end, host, port, upstream)
        return upstream

    async def say(self, data: bytes) -> None:
        """Send the client a reply of the proxy's own."""
        try:
            with self.limit(self.settings.header_timeout):
                await self.client.send(data)
        except TimeoutError:
            raise _not_taken() from None

    async def wait_after_wrong_login(self) -> None:
        """Wait as long as a guess at the password has to."""
        delay = self.settings.on_wrong_login()
        if delay:
            await asyncio.sleep(delay)

    async def tunnel(self, upstream: Upstream) -> None:
        """Step out: join client and target to each other. The session's own bytes must have left
        by then, or the target would be credited with them.
        """
        if self.client.end.under_way or upstream.end.under_way or upstream.failure:
            try:
                with self.limit(self.settings.header_timeout):
                    await self.client.drain()
                    await upstream.drain()
            except TimeoutError:
                raise _not_taken() from None
        self.upstream = self.client.end.watch = None
        self.tunnelled = True
        self.settings.on_tunnel(*step_out(self.client, upstream))

    async def close(self) -> None:
        """Close the client's connection in order, once it has taken what it was sent."""
        self.client.discard()
        self.drop_upstream()
        await self.client.send_eof()
        await self._drain_client()
        # Closing at once would reset the connection of a client that is still sending, and might
        # destroy the reply before the client has read it (RFC 9112 section 9.6).
        try:
            with self.limit(self.settings.linger):
                await self.client.wait_eof()
        except TimeoutError:
            raise StreamReset("timeout", "the client does not close its side") from None
        self.client.closed("closed", "")

    async def cut(self, code: str, reason: str) -> NoReturn:
        """Reset the client's connection, once it has taken what it was sent."""
        self.client.discard()
        self.drop_upstream()
        await self._drain_client()
        raise StreamReset(code, reason)

    async def _drain_client(self) -> None:
        while left := self.client.end.under_way:
            try:
                with self.limit(self.settings.header_timeout):
                    await self.client.drain()
            except TimeoutError:
                if self.client.end.under_way == left:
                    raise _not_taken() from None

    def drop_upstream(self, code: str = "reset", reason: str = "no longer wanted") -> None:
        """Give up the upstream connection: in order if it is idle, else by a reset."""
        upstream, self.upstream = self.upstream, None
        if upstream is None:
            return
        if upstream.idle:
            upstream.end.watch = None
            self.settings.spawn(upstream.aclose(self.settings.linger))
        else:
            upstream.reset(code, reason)

    def log(self, text: str) -> None:
        self.settings.log(f"{self.kind} proxy: {strip_line(text)}")

    # -- its task --------------------------------------------------------------------------

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        self.limit = TimeLimit()
        try:
            if self.client.failure is None:
                await self.serve()
        except StreamReset as reset:
            self._reset(reset.code, reset.reason)
        except asyncio.CancelledError:
            if self.client.failure is None:
                self._reset("gone", "norouter stops")
                raise
        except Exception as error:
            # A fault in one session must not end the engine's task group.
            self.settings.log(f"internal error in a {self.kind} proxy session: {error!r}")
            self._reset("internal", "internal error")
        finally:
            self._task = None
            self.limit.close()
            if self.client.failure is not None:
                self._reset(*self.client.failure)

    def _reset(self, code: str, reason: str) -> None:
        self.drop_upstream(code, reason)
        self.client.reset(code, reason)

    def _check_client(self) -> None:
        """Give up when the client is reset, whatever the task waits for."""
        if self.client.failure is not None and self._task is not None:
            self._task.cancel()


def _not_taken() -> StreamReset:
    return StreamReset("timeout", "the client does not take its last bytes")
