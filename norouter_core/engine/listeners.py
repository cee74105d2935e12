"""One host's listeners: what it should listen on, made so, and kept so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from norouter_core.engine.neighbours import Neighbours
from norouter_core.engine.pacer import Pacer
from norouter_core.engine.publications import ListenAddress, ListenerSpec
from norouter_core.engine.status import ListenerState, ListenerStatus
from norouter_core.links.base import UNSUPPORTED, Link, OperationError

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_T = TypeVar("_T")

_QUICK_ATTEMPTS = 4
_QUICK_RETRY = 0.03
_RETRY = 0.5
"""Seconds until an address that is taken is tried again: at first soon, since another host of the
namespace may be about to give it up or to be known to hold it; then less often, since a lost agent
holds it until it has noticed that its hub is gone."""


@dataclass(slots=True, eq=False)
class _Listener:
    spec: ListenerSpec
    state: ListenerState = ListenerState.PENDING
    bound: str = ""
    note: str = ""
    granted: tuple[int, Address | None] | None = None
    """The number and direct target that the agent has been asked for and has granted."""
    holder: str = ""
    """Who serves it, when shared."""
    attempts: int = 0
    """How often it was found taken in a row."""
    unsupported: bool = False
    """Whether the agent knows nothing of such a listener, so that to ask again mends nothing."""
    status: ListenerStatus | None = None
    """Its status, until it changes."""

    @property
    def settled(self) -> bool:
        return self.unsupported or self.state in (ListenerState.BOUND, ListenerState.SHARED)


class HostListeners:
    """Reconciles, over one host's link, what it binds with what it should.

    A mesh has hosts times ports of them, so no change of one may look at all the others: what is
    unsettled is counted as it changes.
    """

    def __init__(
        self,
        host: str,
        number_of: Callable[[ListenAddress], int],
        neighbours: Neighbours,
        pacer: Pacer,
        on_changed: Callable[[ListenerStatus], None],
        on_removed: Callable[[str, str], None],
        on_settled: Callable[[], None],
    ) -> None:
        self._host = host
        self._number_of = number_of
        self._neighbours = neighbours
        self._pacer = pacer
        self._on_changed = on_changed
        self._on_removed = on_removed
        self._on_settled = on_settled
        self._listeners: dict[ListenAddress, _Listener] = {}
        self._unsettled: dict[ListenAddress, _Listener] = {}
        self._failed: dict[str, int] = {}
        """How many of the unsettled have failed, by the host that publishes them."""
        self._shared: dict[str, set[ListenAddress]] = {}
        """What has been shared, by the host that served it."""
        self._neighbour_changes: list[tuple[str, Sequence[ListenAddress]]] = []
        """Neighbours that have moved since `run` looked last, and what they publish."""
        self._namespace: object = None
        self._stale: list[int] = []
        self._by_number: dict[int, _Listener] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._listeners)

    def update(self, wanted: Mapping[ListenAddress, ListenerSpec]) -> None:
        """Sets what this host should listen on; the work is done by `run`."""
        for place in [place for place in self._listeners if place not in wanted]:
            self._drop(place)
        for place, wish in wanted.items():
            known = self._listeners.get(place)
            if known is None:
                known = self._listeners[place] = _Listener(wish)
                self._count(place, known, 1)
                self._publish(known)
            elif known.spec == wish:
                known.spec = wish
            else:
                self._reset(place, known, wish)
        self._changed.set()

    def neighbour_changed(self, host: str, owned: Sequence[ListenAddress]) -> None:
        """Another host, which publishes the `owned` places, has come up in this one's network
        namespace, or has left it."""
        self._neighbour_changes.append((host, owned))
        self._changed.set()

    def link_lost(self) -> None:
        """The link is gone, and with it everything that was bound over it."""
        self._stale.clear()
        self._neighbour_changes.clear()
        self._by_number.clear()
        self._shared.clear()
        for place, listener in self._listeners.items():
            if listener.granted is not None:
                listener.granted = None
                self._neighbours.release(self._namespace, place, self._host)
            self._move(place, listener, ListenerState.PENDING)

    def spec_of(self, number: int) -> ListenerSpec | None:
        """What a client that arrived by listener `number` may reach: nothing, unless this host was
        asked to listen for it and still is."""
        listener = self._by_number.get(number)
        return listener.spec if listener is not None else None

    @property
    def is_settled(self) -> bool:
        """True when every listener is bound, here or by a host that shares the namespace."""
        return not self._unsettled and not self._neighbour_changes

    def is_settled_for(self, hosts: Collection[str]) -> bool:
        """As `settled` for what these hosts publish; the others' have at least been tried."""
        if self.is_settled:
            return True
        if self._neighbour_changes or len(self._unsettled) > sum(self._failed.values()):
            return False
        return not any(self._failed.get(host) for host in hosts)

    def statuses(self) -> list[ListenerStatus]:
        return [listener.status or self._status(listener) for listener in self._listeners.values()]

    async def run(self, link: Link) -> None:
        """Works until cancelled. A lost link ends this by cancelling it."""
        self._namespace = link.hello.namespace
        while True:
            self._changed.clear()
            await self._apply_neighbour_changes()
            stale, self._stale = self._stale, []
            await self._each(link, stale, lambda number: _ignore_errors(link.unlisten(number)))
            unsettled = list(self._unsettled.items())
            await self._each(link, unsettled, lambda item: self._settle(link, *item))
            try:
                async with asyncio.timeout(self._retry_delay()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _apply_neighbour_changes(self) -> None:
        while self._neighbour_changes:
            host, owned = self._neighbour_changes[0]
            for place in {*owned, *self._shared.get(host, ())}:
                await self._pacer.wait()
                listener = self._listeners.get(place)
                if listener is None:
                    continue
                deserted = listener.state is ListenerState.SHARED and listener.holder == host
                if deserted or listener.spec.publication.to_host == host:
                    self._reset(place, listener, listener.spec)
            self._shared.pop(host, None)
            # Only now: as long as there is news the host is not settled.
            del self._neighbour_changes[0]
            self._on_settled()

    async def _each(
        self, link: Link, items: Sequence[_T], do: Callable[[_T], Awaitable[None]]
    ) -> None:
        """Do to each item what asks the link; one after the other would cost a round trip each."""
        rest = iter(items)

        async def work() -> None:
            for item in rest:
                await self._pacer.wait()
                await do(item)

        async with anyio.create_task_group() as tasks:
            for _ in range(min(len(items), link.at_once)):
                tasks.start_soon(work)

    def _retry_delay(self) -> float | None:
        tries = [listener.attempts for listener in self._unsettled.values()]
        if not tries:
            return None
        return _QUICK_RETRY if min(tries) <= _QUICK_ATTEMPTS else _RETRY

    async def _settle(self, link: Link, place: ListenAddress, listener: _Listener) -> None:
        if self._unsettled.get(place) is not listener:
            return  # dropped since, or settled
        wanted = listener.spec
        number = self._number_of(place)
        owner = wanted.publication.to_host
        if self._neighbours.listens_for(owner, self._host):
            await self._yield_to_owner(link, place, listener, number, owner)
            return
        direct = wanted.publication.target if wanted.direct else None
        # Known before it is asked for: a client may arrive before the answer does.
        self._by_number[number] = listener
        try:
            host, port, fallback = await link.listen(number, *place.address, direct, place.proto)
        except OperationError as error:
            self._on_refused(place, listener, number, wanted, error)
            return
        if self._listeners.get(place) is not listener:
            self._by_number.pop(number, None)
            await _ignore_errors(link.unlisten(number))
            return
        listener.granted = (number, direct)
        self._neighbours.hold(self._namespace, place, self._host)
        listener.attempts = 0
        if self._is_still_wanted(listener, wanted):
            note = _fallback_hint(place.host) if fallback else ""
            self._move(place, listener, ListenerState.BOUND, place.text((host, port)), note)

    def _is_still_wanted(self, listener: _Listener, wanted: ListenerSpec) -> bool:
        """Whether what an answer is about is still wanted of this host."""
        owner = wanted.publication.to_host
        return listener.spec == wanted and not self._neighbours.listens_for(owner, self._host)

    async def _yield_to_owner(
        self, link: Link, place: ListenAddress, listener: _Listener, number: int, owner: str
    ) -> None:
        if listener.granted is not None:
            listener.granted = None
            self._by_number.pop(number, None)
            await _ignore_errors(link.unlisten(number))
            self._neighbours.release(self._namespace, place, self._host)
            if self._unsettled.get(place) is not listener:
                return
        if self._neighbours.holds(self._namespace, place, owner):
            self._share(place, listener, owner)
            return
        listener.attempts += 1
        if self._neighbours.is_refused(self._namespace, place):
            note = f"{owner} shares this namespace and cannot listen"
            self._move(place, listener, ListenerState.FAILED, note=note)

    def _on_refused(
        self,
        place: ListenAddress,
        listener: _Listener,
        number: int,
        wanted: ListenerSpec,
        error: OperationError,
    ) -> None:
        listener.granted = None
        self._neighbours.release(self._namespace, place, self._host)
        self._by_number.pop(number, None)
        if self._listeners.get(place) is not listener or not self._is_still_wanted(
            listener, wanted
        ):
            return
        holder = self._neighbours.holder(self._namespace, place, self._host)
        listener.attempts += 1
        if error.code == "in-use" and holder:
            # At its own VIP a host only has to wait: who holds that has yet to yield.
            if not self._is_own(listener):
                self._share(place, listener, holder)
        elif error.code == UNSUPPORTED:
            self._move(place, listener, ListenerState.FAILED, note=error.reason, given_up=True)
        elif error.code != "in-use" or listener.attempts > _QUICK_ATTEMPTS:
            self._move(place, listener, ListenerState.FAILED, note=error.reason)

    def _share(self, place: ListenAddress, listener: _Listener, holder: str) -> None:
        listener.holder = holder
        listener.attempts = 0
        self._shared.setdefault(holder, set()).add(place)
        note = f"served by {holder}, which shares this network namespace"
        self._move(place, listener, ListenerState.SHARED, place.text(), note)

    def _drop(self, place: ListenAddress) -> None:
        listener = self._listeners.pop(place)
        self._count(place, listener, -1)
        self._set_refused(place, listener, False)
        number = self._number_of(place)
        self._by_number.pop(number, None)
        if listener.granted is not None:
            self._stale.append(number)
            self._neighbours.release(self._namespace, place, self._host)
        self._on_removed(self._host, place.text())

    # -- the one way in which a listener changes --------------------------------------------

    def _reset(self, place: ListenAddress, listener: _Listener, wish: ListenerSpec) -> None:
        """Have it settled again, as `wish` says."""
        self._count(place, listener, -1)
        self._set_refused(place, listener, False)
        listener.spec = wish
        listener.status = None
        listener.attempts = 0
        self._count(place, listener, 1)
        self._move(place, listener, ListenerState.PENDING, listener.bound)

    def _move(
        self,
        place: ListenAddress,
        listener: _Listener,
        state: ListenerState,
        bound: str = "",
        note: str = "",
        *,
        given_up: bool = False,
    ) -> None:
        now = (state, bound, note, given_up)
        if (listener.state, listener.bound, listener.note, listener.unsupported) == now:
            return
        self._count(place, listener, -1)
        self._set_refused(place, listener, False)
        listener.state, listener.bound, listener.note, listener.unsupported = now
        self._set_refused(place, listener, True)
        self._count(place, listener, 1)
        self._publish(listener)

    def _set_refused(self, place: ListenAddress, listener: _Listener, refused: bool) -> None:
        """Tell the neighbours that they wait for it in vain, or do no longer."""
        if listener.state is ListenerState.FAILED and self._is_own(listener):
            self._neighbours.set_refused(self._namespace, place, refused)

    def _is_own(self, listener: _Listener) -> bool:
        """Whether it is at this host's own VIP, so that others in its namespace yield."""
        publication = listener.spec.publication
        return publication.to_host == self._host and not publication.is_proxy

    def _count(self, place: ListenAddress, listener: _Listener, step: int) -> None:
        """Count a listener in (1) before, or out (-1) after, as it is now."""
        if listener.settled:
            return
        if step > 0:
            self._unsettled[place] = listener
        else:
            del self._unsettled[place]
        if listener.state is ListenerState.FAILED:
            owner = listener.spec.publication.to_host
            self._failed[owner] = self._failed.get(owner, 0) + step

    def _publish(self, listener: _Listener) -> None:
        self._on_changed(self._status(listener))

    def _status(self, listener: _Listener) -> ListenerStatus:
        publication = listener.spec.publication
        listener.status = ListenerStatus(
            on_host=self._host,
            to_host=publication.to_host,
            listen=publication.listen_address.text(),
            target=publication.target_text,
            state=listener.state,
            bound=listener.bound,
            note=listener.note,
            service=publication.service.value,
        )
        return listener.status


async def _ignore_errors(verb: Awaitable[object]) -> None:
    """Takes a listener away; a host that refuses or is gone has none left."""
    try:
        await verb
    except OperationError:
        pass


def _fallback_hint(vip: str) -> str:
    return (
        f"{vip} is no address of that host; to have it there: sudo ip addr add {vip}/32 dev lo "
        f"(Linux) or sudo ifconfig lo0 alias {vip} (macOS, BSD)"
    )
