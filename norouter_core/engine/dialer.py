"""Where a proxy's connections go: decided here, once, and dialled by the host decided on."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from norouter_core.agent.ends import End, join
from norouter_core.engine.publications import Address, Publication
from norouter_core.links.base import Link, OperationError
from norouter_core.model import format_address
from norouter_core.routing.table import RouteTable

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer


class Reached(Protocol):
    def __call__(self, host: str, target: str, through: Publication | None, towards: End) -> None:
        """`host` dials `target`; `through` is the published port that this is, if it is one, and
        the `bytes_in` of `towards` counts what the target is sent."""
        ...


class DialerContext(Protocol):
    """What a dialer needs of the engine."""

    @property
    def routes(self) -> RouteTable: ...

    def publication(self, address: Address) -> Publication | None:
        """The port that the mesh publishes at an address."""
        ...

    def link(self, host: str) -> Link | None:
        """A host's link, while it is up."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine as a task of the engine's."""
        ...


class HostDialer:
    """Dials for one client of a host's proxy; `reached` is told of each decision."""

    def __init__(self, mesh: DialerContext, host: str, reached: Reached) -> None:
        self._mesh = mesh
        self._host = host
        self._reached = reached

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        """As `norouter_core.proxy.session.Dialer` has it."""
        if not self._mesh.routes.needs_addresses(host):
            return self._dial(other, host, port, observer, ())
        pending = _Pending()
        join(other, pending)
        self._mesh.spawn(self._resolve_and_dial(pending, other, host, port, observer))
        return pending

    async def _resolve_and_dial(
        self, pending: _Pending, other: End, host: str, port: int, observer: Observer
    ) -> None:
        failure: OperationError | None = None
        addresses: list[str] = []
        try:
            addresses = await self._look_up(host)
        except OperationError as error:
            failure = error
        if pending.given_up:
            return
        if failure is not None:
            _refuse(other, failure.code, f"looking up {host} on {self._host}: {failure.reason}")
            return
        end = self._dial(other, host, port, observer, addresses)
        if pending.ended:
            end.end()

    async def _look_up(self, host: str) -> list[str]:
        """The addresses of a name on the proxy's own host; none if it has none there, when only
        its name can match a route.

        Raises:
            OperationError: nobody can tell. To go by the name alone then could be to go where a
                route's
                networks forbid it.
        """
        link = self._mesh.link(self._host)
        if link is None:
            raise OperationError("gone", f"{self._host} is not up")
        try:
            return await link.resolve(host)
        except OperationError as error:
            if error.code not in ("name", "try-again"):
                raise
        return []

    def _dial(
        self, other: End, host: str, port: int, observer: Observer, resolved: Sequence[str]
    ) -> End:
        choice = self._mesh.routes.decide_port(host, port, self._host, resolved)
        dialler = choice.decision.host
        published = self._mesh.publication(choice.published) if choice.published else None
        self._reached(dialler, format_address((host, port)), published, other)
        if choice.dial is None:
            return _refuse(other, choice.code, choice.reason)
        link = self._mesh.link(dialler)
        if link is None:
            return _refuse(other, "gone", f"{dialler} is not up")
        return link.dial(other, *choice.dial, observer)


def _refuse(other: End, code: str, reason: str) -> End:
    nowhere = _Pending()
    other.reset(code, reason)
    return nowhere


class _Pending(End):
    """Stands where the target's end will be, while a name is looked up: it takes nothing."""

    __slots__ = ("ended", "given_up")

    def __init__(self) -> None:
        super().__init__()
        self.given_up = False
        self.ended = False

    def send(self, data: memoryview) -> None:
        raise AssertionError("sent without room")

    def end(self) -> None:
        self.ended = True

    def reset(self, code: str, reason: str) -> None:
        self.given_up = True

    def room(self) -> int:
        return 0

    def wake(self) -> None:
        """It brings nothing in."""

    def consumed(self, size: int) -> None:
        """It has brought nothing in."""
