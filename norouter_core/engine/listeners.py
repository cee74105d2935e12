"""One host's listeners: where it should listen, and how the agent is made to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

import anyio

from norouter_core.engine.backoff import QUICK_ATTEMPTS, retry_delay
from norouter_core.engine.fallback_ports import (
    LOCALHOST,
    no_address_hint,
    stable_ports,
    taken_hint,
)
from norouter_core.engine.neighbours import Neighbours
from norouter_core.engine.pacer import Pacer
from norouter_core.engine.probe import answers
from norouter_core.engine.publications import ListenAddress, ListenerSpec, Service
from norouter_core.engine.status import SERVED, ListenerState, ListenerStatus
from norouter_core.links.base import UNSUPPORTED, Link, OperationError

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_T = TypeVar("_T")

_HOPELESS_ATTEMPTS = QUICK_ATTEMPTS + 3
"""The attempts after which an address in use counts as taken for good by another program."""


@dataclass(slots=True, eq=False)
class _Listener:
    spec: ListenerSpec
    state: ListenerState = ListenerState.PENDING
    bound: str = ""
    note: str = ""
    granted: tuple[int, Address | None] | None = None
    """The number and the direct target of the agent's listener, if it has one."""
    holder: str = ""
    """The host that serves it, if shared."""
    attempts: int = 0
    """How often in a row the address was in use."""
    unsupported: bool = False
    """Whether the agent does not support such a listener, so that a retry is useless."""
    is_hopeless: bool = False
    """Whether it has failed for a reason that time does not change."""
    status: ListenerStatus | None = None
    """The status shown last, until it changes."""

    @property
    def settled(self) -> bool:
        return self.unsupported or self.state in SERVED


class HostListeners:
    """Reconciles, over its link, what one host binds with what it should bind.

    A mesh has hosts times ports of listeners, so a change of one must not iterate over all others:
    unsettled ones are counted as they change.
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
        """Those that `run` has to work on."""
        self._missing: dict[ListenAddress, _Listener] = {}
        """Those of them that the mesh is not ready without."""
        self._closed = False
        self._failed: dict[str, int] = {}
        """The number of missing listeners that have failed, by the publishing host."""
        self._is_here = False
        self._shared: dict[str, set[ListenAddress]] = {}
        """The shared addresses, by the host that serves them."""
        self._neighbour_changes: list[tuple[str, Sequence[ListenAddress]]] = []
        """Neighbours that have changed (empty: all), and what they publish, until `run` handles
        them."""
        self._namespace: object = None
        self._stale: list[int] = []
        self._by_number: dict[int, _Listener] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._listeners)

    def set_here(self, is_here: bool) -> None:
        """Set whether the host is this machine, where every port has to be served.

        On other hosts a listener that fails does not keep the mesh from being ready.
        """
        if is_here == self._is_here:
            return
        for address, listener in self._listeners.items():
            self._count(address, listener, -1)
        self._is_here = is_here
        for address, listener in self._listeners.items():
            self._count(address, listener, 1)

    def update(self, wanted: Mapping[ListenAddress, ListenerSpec]) -> None:
        """Set where this host should listen; `run` does the work."""
        for address in [address for address in self._listeners if address not in wanted]:
            self._drop(address)
        for address, spec in wanted.items():
            known = self._listeners.get(address)
            if known is None:
                known = self._listeners[address] = _Listener(spec)
                self._count(address, known, 1)
                self._publish(known)
            elif known.spec is spec or known.spec == spec:
                known.spec = spec
            else:
                self._reset(address, known, spec)
        self._changed.set()

    def neighbour_changed(self, host: str, owned: Sequence[ListenAddress]) -> None:
        """Note that another host has joined or left this one's network namespace.

        It publishes the addresses in `owned`.
        """
        self._neighbour_changes.append((host, owned))
        self._changed.set()

    def guards_changed(self) -> None:
        """Note that other hosts than before may listen in this one's network namespace."""
        self._neighbour_changes.append(("", tuple(self._listeners)))
        self._changed.set()

    def close(self) -> None:
        """Note that the mesh ends: from now on nothing has to be known of single listeners."""
        self._closed = True

    def link_lost(self) -> None:
        """Note that the link is gone, and with it everything that it had bound."""
        if self._closed:
            return
        self._stale.clear()
        self._neighbour_changes.clear()
        self._by_number.clear()
        self._shared.clear()
        for address, listener in self._listeners.items():
            listener.granted = None
            self._neighbours.release(self._namespace, address, self._host)
            self._move(address, listener, ListenerState.PENDING)

    def spec_of(self, number: int) -> ListenerSpec | None:
        """Return what a client of listener `number` may reach.

        Return None unless this host has been asked to listen for it and still should.
        """
        listener = self._by_number.get(number)
        return listener.spec if listener is not None else None

    @property
    def is_settled(self) -> bool:
        """Whether the mesh can be ready.

        That is, every listener is served, or has been tried and may fail.
        """
        return not self._missing and not self._neighbour_changes

    def is_settled_for(self, hosts: Collection[str]) -> bool:
        """Return `is_settled` for what these hosts publish; all others have at least been tried."""
        if self.is_settled:
            return True
        if self._neighbour_changes or len(self._missing) > sum(self._failed.values()):
            return False
        return not any(self._failed.get(host) for host in hosts)

    def hopeless(self, hosts: Collection[str] | None = None) -> list[ListenerStatus]:
        """Return the listeners that keep the mesh from being ready, whatever time passes.

        Args:
            hosts: only those for what these hosts publish.
        """
        if not any(self._failed.values()):
            return []
        return [
            listener.status or self._status(listener)
            for listener in self._missing.values()
            if listener.is_hopeless
            and (hosts is None or listener.spec.publication.to_host in hosts)
        ]

    def statuses(self) -> list[ListenerStatus]:
        return [listener.status or self._status(listener) for listener in self._listeners.values()]

    async def run(self, link: Link) -> None:
        """Work until cancelled, which the loss of the link does."""
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
            for address in {*owned, *self._shared.get(host, ())}:
                await self._pacer.wait()
                listener = self._listeners.get(address)
                if listener is None:
                    continue
                deserted = listener.state is ListenerState.SHARED and listener.holder == host
                if deserted or host in ("", listener.spec.publication.to_host):
                    self._reset(address, listener, listener.spec)
            self._shared.pop(host, None)
            # Only now: until then the host is not settled.
            del self._neighbour_changes[0]
            self._on_settled()

    async def _each(
        self, link: Link, items: Sequence[_T], do: Callable[[_T], Awaitable[None]]
    ) -> None:
        """Call `do` for each item, many at once: one by one, each would cost a round trip."""
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
        return retry_delay(min(tries)) if tries else None

    async def _settle(self, link: Link, address: ListenAddress, listener: _Listener) -> None:
        if self._unsettled.get(address) is not listener:
            return  # dropped since, or settled
        wanted = listener.spec
        number = self._number_of(address)
        if other := self._yields_to(wanted):
            await self._yield(link, address, listener, number, other)
            return
        direct = wanted.publication.target if wanted.direct else None
        # Set before the request: a client may arrive before the answer.
        self._by_number[number] = listener
        try:
            bound_at = await link.listen(
                number,
                *address.host_port,
                direct,
                address.proto,
                transparent=wanted.publication.service is Service.TRANSPARENT,
            )
        except OperationError as error:
            await self._on_refused(link, address, listener, number, wanted, error)
            return
        if self._listeners.get(address) is not listener:
            self._by_number.pop(number, None)
            await _ignore_errors(link.unlisten(number))
            return
        listener.granted = (number, direct)
        bound = address.text(bound_at)
        self._neighbours.hold(self._namespace, address, self._host, bound)
        listener.attempts = 0
        if self._is_still_wanted(listener, wanted):
            self._move(address, listener, ListenerState.BOUND, bound)

    def _is_current(
        self, address: ListenAddress, listener: _Listener, wanted: ListenerSpec
    ) -> bool:
        """Return whether a listener has not been dropped and its spec is still the wanted one."""
        return self._listeners.get(address) is listener and self._is_still_wanted(listener, wanted)

    def _is_still_wanted(self, listener: _Listener, wanted: ListenerSpec) -> bool:
        """Return whether this host should still listen as it has asked to."""
        return listener.spec == wanted and not self._yields_to(wanted)

    def _yields_to(self, wanted: ListenerSpec) -> str:
        """Return the host of this namespace that listens in place of this one; empty if none."""
        published = wanted.publication
        if guard := self._neighbours.guard(self._namespace, published.listen_address, self._host):
            return guard
        owner = published.to_host
        listens = published.may_listen(owner) and self._neighbours.listens_for(owner, self._host)
        return owner if listens else ""

    async def _yield(
        self, link: Link, address: ListenAddress, listener: _Listener, number: int, other: str
    ) -> None:
        if listener.granted is not None:
            listener.granted = None
            self._by_number.pop(number, None)
            await _ignore_errors(link.unlisten(number))
            self._neighbours.release(self._namespace, address, self._host)
            if self._unsettled.get(address) is not listener:
                return
        if self._neighbours.holds(self._namespace, address, other):
            self._share(address, listener, other)
            return
        listener.attempts += 1
        why = self._neighbours.refusal(self._namespace, address)
        note = f"{other} shares this namespace and cannot listen: {why}" if why else ""
        is_guarded = self._neighbours.guard(self._namespace, address, self._host)
        if is_guarded and not why and listener.attempts > QUICK_ATTEMPTS:
            note = f"only {other}, which has onlyUser, may listen in this network namespace"
        if note:
            self._fail(address, listener, note)

    async def _on_refused(
        self,
        link: Link,
        address: ListenAddress,
        listener: _Listener,
        number: int,
        wanted: ListenerSpec,
        error: OperationError,
    ) -> None:
        listener.granted = None
        self._neighbours.release(self._namespace, address, self._host)
        self._by_number.pop(number, None)
        if not self._is_current(address, listener, wanted):
            return
        holder = self._neighbours.holder(self._namespace, address, self._host)
        listener.attempts += 1
        if error.code in ("in-use", "no-address") and holder:
            # At its own VIP, and as a guard, a host only has to wait until the holder yields.
            guard = self._neighbours.guard(self._namespace, address, holder)
            if not self._is_own(listener) and not guard:
                self._share(address, listener, holder)
        elif error.code == UNSUPPORTED:
            self._move(address, listener, ListenerState.FAILED, note=error.reason, given_up=True)
        elif error.code == "no-address":
            await self._on_no_address(link, address, listener, number, error.reason)
        elif error.code != "in-use":
            self._fail(address, listener, error.reason, is_hopeless=error.code == "not-allowed")
        elif listener.attempts > QUICK_ATTEMPTS:
            await self._on_taken(link, address, listener, number, error.reason)

    async def _on_taken(
        self, link: Link, address: ListenAddress, listener: _Listener, number: int, reason: str
    ) -> None:
        """Handle an address that a program outside the mesh holds."""
        wanted = listener.spec
        is_served = False
        if wanted.publication.service is Service.PORT:
            is_served = wanted.is_service_at_address and await self._is_served(link, wanted)
            if not is_served and await self._is_taken_everywhere(link, address):
                ports, note = stable_ports(address), taken_hint(address)
                if await self._fall_back(link, address, listener, number, ports, note):
                    return
        if not self._is_current(address, listener, wanted):
            return
        if not is_served:
            self._fail(address, listener, reason)
            return
        bound = address.text()
        listener.attempts = 0
        self._neighbours.hold(self._namespace, address, self._host, bound)
        note = f"{self._host} itself answers there"
        self._move(address, listener, ListenerState.SERVED, bound, note)

    async def _on_no_address(
        self, link: Link, address: ListenAddress, listener: _Listener, number: int, reason: str
    ) -> None:
        """Handle an address that is not one of the host's, as most of 127.0.0.0/8 on macOS."""
        wanted = listener.spec
        is_transparent = wanted.publication.service is Service.TRANSPARENT
        if ip_address(address.host).version == 4 and not is_transparent:
            ports, note = (address.port, *stable_ports(address)), no_address_hint(address.host)
            if await self._fall_back(link, address, listener, number, ports, note):
                return
        if self._is_current(address, listener, wanted):
            self._fail(address, listener, reason)

    async def _is_served(self, link: Link, wanted: ListenerSpec) -> bool:
        """Return whether the service answers at the published address as at its own."""
        published = wanted.publication
        return await answers(link, published.target) and await answers(link, published.address)

    async def _is_taken_everywhere(self, link: Link, address: ListenAddress) -> bool:
        """Return whether a port is taken at every loopback address of the host.

        That is so if a program listens at 0.0.0.0 or [::], and hardly otherwise.
        """
        other = f"127.{random.randrange(128, 255)}.{random.randrange(255)}.1"
        number = self._number_of(ListenAddress("127.0.0.0", address.port, address.proto))
        try:
            await link.listen(number, other, address.port, None, address.proto)
        except OperationError as error:
            return error.code == "in-use"
        await _ignore_errors(link.unlisten(number))
        return False

    async def _fall_back(
        self,
        link: Link,
        address: ListenAddress,
        listener: _Listener,
        number: int,
        ports: Sequence[int],
        note: str,
    ) -> bool:
        """Listen at the first of the ports that 127.0.0.1 has free; return whether there is one."""
        wanted = listener.spec
        direct = wanted.publication.target if wanted.direct else None
        self._by_number[number] = listener
        for port in ports:
            try:
                bound_at = await link.listen(number, LOCALHOST, port, direct, address.proto)
            except OperationError:
                continue
            if self._is_current(address, listener, wanted):
                listener.granted = (number, direct)
                listener.attempts = 0
                bound = address.text(bound_at)
                self._neighbours.hold(self._namespace, address, self._host, bound)
                self._move(address, listener, ListenerState.BOUND, bound, note)
            else:
                self._by_number.pop(number, None)
                await _ignore_errors(link.unlisten(number))
            return True
        self._by_number.pop(number, None)
        return False

    def _fail(
        self,
        address: ListenAddress,
        listener: _Listener,
        note: str,
        is_hopeless: bool | None = None,
    ) -> None:
        """Note a failure. By default, the number of attempts shows whether it is hopeless."""
        if is_hopeless is None:
            is_hopeless = listener.attempts >= _HOPELESS_ATTEMPTS
        self._move(address, listener, ListenerState.FAILED, note=note, is_hopeless=is_hopeless)

    def _share(self, address: ListenAddress, listener: _Listener, holder: str) -> None:
        self._unshare(address, listener)
        listener.holder = holder
        listener.attempts = 0
        note = f"served by {holder}, which shares this network namespace"
        bound = self._neighbours.bound(self._namespace, address, holder)
        self._move(address, listener, ListenerState.SHARED, bound, note)
        self._shared.setdefault(holder, set()).add(address)

    def _unshare(self, address: ListenAddress, listener: _Listener) -> None:
        addresses = self._shared.get(listener.holder)
        if listener.state is ListenerState.SHARED and addresses is not None:
            addresses.discard(address)
            if not addresses:
                del self._shared[listener.holder]

    def _drop(self, address: ListenAddress) -> None:
        listener = self._listeners.pop(address)
        self._unshare(address, listener)
        self._count(address, listener, -1)
        self._set_refused(address, listener, False)
        number = self._number_of(address)
        self._by_number.pop(number, None)
        self._neighbours.release(self._namespace, address, self._host)
        if listener.granted is not None:
            self._stale.append(number)
        self._on_removed(self._host, address.text())

    # -- all changes of a listener's state ------------------------------------------------

    def _reset(self, address: ListenAddress, listener: _Listener, spec: ListenerSpec) -> None:
        """Settle a listener again, by a new spec."""
        self._count(address, listener, -1)
        self._set_refused(address, listener, False)
        if listener.state is ListenerState.SERVED:
            self._neighbours.release(self._namespace, address, self._host)
        listener.spec = spec
        listener.status = None
        listener.attempts = 0
        self._count(address, listener, 1)
        self._move(address, listener, ListenerState.PENDING, listener.bound)

    def _move(
        self,
        address: ListenAddress,
        listener: _Listener,
        state: ListenerState,
        bound: str = "",
        note: str = "",
        *,
        given_up: bool = False,
        is_hopeless: bool = False,
    ) -> None:
        now = (state, bound, note, given_up)
        if (listener.state, listener.bound, listener.note, listener.unsupported) == now:
            if is_hopeless and not listener.is_hopeless:
                listener.is_hopeless = True
                self._on_settled()
            return
        self._unshare(address, listener)
        self._count(address, listener, -1)
        self._set_refused(address, listener, False)
        listener.state, listener.bound, listener.note, listener.unsupported = now
        listener.is_hopeless = is_hopeless
        self._set_refused(address, listener, True)
        self._count(address, listener, 1)
        self._publish(listener)

    def _set_refused(self, address: ListenAddress, listener: _Listener, refused: bool) -> None:
        """Note for the neighbours whether this host cannot serve its own address."""
        if listener.state is ListenerState.FAILED and self._is_own(listener):
            why = listener.note.removeprefix(f"{address.text()}: ") if refused else ""
            self._neighbours.set_refused(self._namespace, address, why)

    def _is_own(self, listener: _Listener) -> bool:
        """Return whether it is at this host's own VIP, for which others in the namespace yield."""
        publication = listener.spec.publication
        return publication.to_host == self._host and not publication.is_proxy

    def _count(self, address: ListenAddress, listener: _Listener, step: int) -> None:
        """Count an unsettled listener: -1 before it changes, 1 after that."""
        if listener.settled:
            return
        if step > 0:
            self._unsettled[address] = listener
        else:
            del self._unsettled[address]
        is_failed = listener.state is ListenerState.FAILED
        if is_failed and not self._is_required(listener):
            return
        if step > 0:
            self._missing[address] = listener
        else:
            del self._missing[address]
        if is_failed:
            owner = listener.spec.publication.to_host
            self._failed[owner] = self._failed.get(owner, 0) + step

    def _is_required(self, listener: _Listener) -> bool:
        """Return whether the mesh is not ready if it fails. DNS is an extra."""
        return self._is_here and listener.spec.publication.service is not Service.DNS

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


async def _ignore_errors(request: Awaitable[object]) -> None:
    """Close a listener; a host that refuses, or is gone, has none left."""
    try:
        await request
    except OperationError:
        pass
