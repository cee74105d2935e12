"""One host's listeners: what it should listen on, made so, and kept so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import anyio

from norouter_core.engine.publications import Address, ListenAddress, ListenerSpec
from norouter_core.engine.status import ListenerState, ListenerStatus
from norouter_core.links.base import UNSUPPORTED, Link, OperationError

_QUICK_TRIES = 4
_QUICK_RETRY = 0.03
_RETRY = 0.5
"""Seconds until an address that is taken is tried again: at first soon, since another host of the
namespace may be about to give it up or to be known to hold it; then less often, since a lost agent
holds it until it has noticed that its hub is gone."""


@dataclass(slots=True)
class _Listener:
    wanted: ListenerSpec
    state: ListenerState = ListenerState.PENDING
    bound: str = ""
    note: str = ""
    asked: tuple[int, Address | None] | None = None
    """The number and direct target that the agent has been asked for and has granted."""
    holder: str = ""
    """Who serves it, when shared."""
    tries: int = 0
    """How often it was found taken in a row."""
    given_up: bool = False
    """Whether the agent knows nothing of such a listener, so that to ask again mends nothing."""

    @property
    def settled(self) -> bool:
        return self.given_up or self.state in (ListenerState.BOUND, ListenerState.SHARED)


class HostListeners:
    """Reconciles, over one host's link, what it binds with what it should."""

    def __init__(
        self,
        host: str,
        number_of: Callable[[ListenAddress], int],
        holder_of: Callable[[ListenAddress, frozenset[str]], str],
        changed: Callable[[ListenerStatus], None],
        removed: Callable[[str, str], None],
    ) -> None:
        self._host = host
        self._number_of = number_of
        self._holder_of = holder_of
        self._changed = changed
        self._removed = removed
        self._listeners: dict[ListenAddress, _Listener] = {}
        self._stale: list[int] = []
        self._by_number: dict[int, _Listener] = {}
        self._work = asyncio.Event()

    def want(self, wanted: Mapping[ListenAddress, ListenerSpec]) -> None:
        """Sets what this host should listen on; the work is done by `run`."""
        for place in list(self._listeners):
            if place not in wanted:
                self._drop(place)
        for place, wish in wanted.items():
            known = self._listeners.get(place)
            if known is None:
                known = self._listeners[place] = _Listener(wish)
                self._tell(known)
            else:
                self._rewish(known, wish)
        self._work.set()

    def _rewish(self, listener: _Listener, wish: ListenerSpec) -> None:
        old, listener.wanted = listener.wanted, wish
        deserted = listener.state is ListenerState.SHARED and listener.holder not in wish.group
        if deserted or not _same(old, wish):
            listener.tries = 0
            listener.given_up = False
            self._move(listener, ListenerState.PENDING, listener.bound, "")

    def holds(self, place: ListenAddress) -> bool:
        """Whether this host listens at a place."""
        listener = self._listeners.get(place)
        return listener is not None and listener.state is ListenerState.BOUND

    def unbound(self) -> None:
        """The link is gone, and with it everything that was bound over it."""
        self._stale.clear()
        self._by_number.clear()
        for listener in self._listeners.values():
            listener.asked = None
            listener.given_up = False
            self._move(listener, ListenerState.PENDING, "", "")

    def granted(self, number: int) -> ListenerSpec | None:
        """What a client that arrived by listener `number` may reach: nothing, unless this host was
        asked to listen for it and still is."""
        listener = self._by_number.get(number)
        return listener.wanted if listener is not None else None

    @property
    def settled(self) -> bool:
        """True when every listener is bound, here or by a host that shares the namespace."""
        return all(listener.settled for listener in self._listeners.values())

    def settled_for(self, hosts: Collection[str]) -> bool:
        """As `settled` for what these hosts publish; the others' have at least been tried."""
        return all(
            x.settled
            or (x.state is ListenerState.FAILED and x.wanted.publication.to_host not in hosts)
            for x in self._listeners.values()
        )

    def statuses(self) -> list[ListenerStatus]:
        return [self._status(listener) for listener in self._listeners.values()]

    async def run(self, link: Link) -> None:
        """Works until cancelled. A lost link ends this by cancelling it."""
        while True:
            self._work.clear()
            for number in self._stale[:]:
                self._stale.remove(number)
                await _quietly(link.unlisten(number))
            async with anyio.create_task_group() as tasks:
                # All at once: one after the other would cost a round trip each.
                for listener in list(self._listeners.values()):
                    if not listener.settled:
                        tasks.start_soon(self._settle, link, listener)
            try:
                async with asyncio.timeout(self._patience()):
                    await self._work.wait()
            except TimeoutError:
                continue

    def _patience(self) -> float | None:
        tries = [x.tries for x in self._listeners.values() if not x.settled]
        if not tries:
            return None
        return _QUICK_RETRY if min(tries) <= _QUICK_TRIES else _RETRY

    async def _settle(self, link: Link, listener: _Listener) -> None:
        wanted = listener.wanted
        place = wanted.publication.listen_address
        number = self._number_of(place)
        if wanted.yields_to:
            await self._yield(link, listener, number, wanted.yields_to)
            return
        direct = wanted.publication.target if wanted.direct else None
        # Known before it is asked for: a client may arrive before the answer does.
        self._by_number[number] = listener
        try:
            host, port, fallback = await link.listen(number, *place.address, direct, place.proto)
        except OperationError as error:
            self._refused(listener, number, wanted, error)
            return
        if self._listeners.get(place) is not listener:
            self._by_number.pop(number, None)
            await _quietly(link.unlisten(number))
            return
        listener.asked = (number, direct)
        listener.tries = 0
        if _same(listener.wanted, wanted):
            note = _fallback_hint(place.host) if fallback else ""
            self._move(listener, ListenerState.BOUND, place.text((host, port)), note)

    async def _yield(self, link: Link, listener: _Listener, number: int, holder: str) -> None:
        if listener.asked is not None:
            listener.asked = None
            self._by_number.pop(number, None)
            await _quietly(link.unlisten(number))
        if self._holder_of(listener.wanted.publication.listen_address, frozenset((holder,))):
            self._share(listener, holder)
            return
        listener.tries += 1
        if listener.tries > _QUICK_TRIES:
            self._move(
                listener,
                ListenerState.FAILED,
                "",
                f"{holder} shares this namespace and cannot listen",
            )

    def _refused(
        self, listener: _Listener, number: int, wanted: ListenerSpec, error: OperationError
    ) -> None:
        listener.asked = None
        self._by_number.pop(number, None)
        if not _same(listener.wanted, wanted):
            return
        others = wanted.group - {self._host}
        holder = self._holder_of(wanted.publication.listen_address, others)
        listener.tries += 1
        if error.code == "in-use" and holder:
            self._share(listener, holder)
        elif error.code == UNSUPPORTED:
            listener.given_up = True
            self._move(listener, ListenerState.FAILED, "", error.reason)
        elif error.code != "in-use" or listener.tries > _QUICK_TRIES:
            self._move(listener, ListenerState.FAILED, "", error.reason)

    def _share(self, listener: _Listener, holder: str) -> None:
        listener.holder = holder
        listener.tries = 0
        note = f"served by {holder}, which shares this network namespace"
        place = listener.wanted.publication.listen_address
        self._move(listener, ListenerState.SHARED, place.text(), note)

    def _drop(self, place: ListenAddress) -> None:
        listener = self._listeners.pop(place)
        number = self._number_of(place)
        self._by_number.pop(number, None)
        if listener.asked is not None:
            self._stale.append(number)
        self._removed(self._host, place.text())

    def _move(self, listener: _Listener, state: ListenerState, bound: str, note: str) -> None:
        if (listener.state, listener.bound, listener.note) != (state, bound, note):
            listener.state, listener.bound, listener.note = state, bound, note
            self._tell(listener)

    def _tell(self, listener: _Listener) -> None:
        self._changed(self._status(listener))

    def _status(self, listener: _Listener) -> ListenerStatus:
        publication = listener.wanted.publication
        return ListenerStatus(
            on_host=self._host,
            to_host=publication.to_host,
            listen=publication.listen_address.text(),
            target=publication.target_text,
            state=listener.state,
            bound=listener.bound,
            note=listener.note,
            service=publication.service.value,
        )


def _same(one: ListenerSpec, other: ListenerSpec) -> bool:
    """Whether two wishes ask for the same, whoever else is in the namespace."""
    return (one.publication, one.direct, one.yields_to) == (
        other.publication,
        other.direct,
        other.yields_to,
    )


async def _quietly(verb: Awaitable[object]) -> None:
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
