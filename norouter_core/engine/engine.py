"""The engine: it brings a mesh to its `MeshSpec`, and reports its state."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Collection, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from norouter_core.agent.ends import End, protocol_of
from norouter_core.agent.io import Io
from norouter_core.engine import events
from norouter_core.engine.attribution import Attributed
from norouter_core.engine.bus import Bus, EventTypes, Subscription
from norouter_core.engine.cuts import cuts, is_restarted
from norouter_core.engine.dns_service import DnsService
from norouter_core.engine.listeners import HostListeners
from norouter_core.engine.log_throttle import CUT, NOT_REACHED, LogThrottle
from norouter_core.engine.logins import WrongLogins
from norouter_core.engine.mesh_plan import MeshPlan, plan_mesh
from norouter_core.engine.names_files import NamesFiles
from norouter_core.engine.neighbours import Neighbours
from norouter_core.engine.pacer import Pacer
from norouter_core.engine.peer_users import UserCheck
from norouter_core.engine.publications import ListenAddress, Publication, Service
from norouter_core.engine.questions import Questions
from norouter_core.engine.readiness import Readiness
from norouter_core.engine.services import reset_spliced, serve_dns, serve_proxy, serve_transparently
from norouter_core.engine.starts import StartGate
from norouter_core.engine.status import HostState, ListenerStatus, Status
from norouter_core.engine.streams import RelayedStream, ReportedStream, Streams, check_direct_row
from norouter_core.engine.supervisor import Supervisor
from norouter_core.engine.tap import Sink, Tap, Taps
from norouter_core.exec_commands.asking import with_askpass
from norouter_core.links.base import Link, OperationError
from norouter_core.links.execute import OutputHandler, execute, execute_behind
from norouter_core.links.local import own_hello
from norouter_core.links.process import StartChild, start_child
from norouter_core.model import Host, MeshSpec
from norouter_core.routing.table import LearnedAddresses, RouteTable
from norouter_core.timing import Timing
from norouter_core.wire.codes import TCP

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_NAMES_STEPS = 8
"""The names files that are made or sent in one iteration of the loop, with a line for each host."""

_ENDED_STATES = (HostState.LOST, HostState.STOPPED, HostState.FAILED)
"""The states in which nothing is left of a host that was ready."""
_IDLE_STATES = (HostState.BACKING_OFF, HostState.STOPPED, HostState.FAILED)


class Engine:
    """An async context manager; nothing that it started is left after its end.

    It belongs to one asyncio loop (with `add_reader`), and must not be called from elsewhere.
    """

    def __init__(
        self,
        timing: Timing | None = None,
        *,
        etc_hosts: str = "",
        start_child: StartChild = start_child,
    ) -> None:
        """Make an engine without hosts.

        Args:
            timing: time limits, if they are not the usual ones.
            etc_hosts: a path in place of every host's `/etc/hosts`.
            start_child: starts exec commands.
        """
        self._streams = Streams(self._stream_opened, self._stream_closed)
        self._supervisors: dict[str, Supervisor] = {}
        self._taps = Taps(self.host_log)
        self.timing = timing or Timing()
        self._etc_hosts = etc_hosts
        self.start_child = start_child
        self.io: Io
        self._bus = Bus()
        self._tasks: anyio.abc.TaskGroup
        self._services: set[asyncio.Task[None]] = set()
        self._learned = LearnedAddresses(time.monotonic)
        self._plan = MeshPlan(MeshSpec(), (), RouteTable((), (), self._learned))
        self._dns = DnsService(self, self._learned)
        self._numbers: dict[ListenAddress, int] = {}
        self._next_number = itertools.count(1)
        self._applying = asyncio.Lock()
        self._neighbours = Neighbours()
        self._pacer = Pacer()
        self._names_pacer = Pacer(_NAMES_STEPS)
        self.starts = StartGate()
        self.questions = Questions(self._bus.publish)
        self._closing = False
        self._was_killed = False
        self._readiness = Readiness(self._supervisors, self._applying, self._bus.publish)
        self._log_throttle = LogThrottle(self.host_log)
        self._wrong_logins = WrongLogins(self._log_throttle)
        self._users = UserCheck(self._log_throttle)

    async def __aenter__(self) -> Self:
        self.io = Io(asyncio.get_running_loop())
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closing = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as stopping:
                for supervisor in self._supervisors.values():
                    supervisor.listeners.close()
                    stopping.start_soon(supervisor.stop)
                    await asyncio.sleep(0)
        # The supervisors have ended. What the body raised must not become an exception group.
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self.questions.close()
        self._dns.close()
        self._users.close()
        services = list(self._services)
        for task in services:
            task.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        self._bus.publish(events.Stopped())
        self._bus.end()

    # -- the spec --------------------------------------------------------------------------

    @property
    def spec(self) -> MeshSpec:
        """The spec applied last."""
        return self._plan.spec

    @property
    def routes(self) -> RouteTable:
        return self._plan.routes

    async def apply(self, spec: MeshSpec) -> None:
        """Bring the mesh to `spec`; streams that the change does not affect stay open.

        Return when removed hosts have ended and new ones have been started; see `wait_ready`.

        Raises:
            ValueError: a command cannot be split, or a route leads to no host. Nothing has changed.
        """
        try:
            async with self._applying:
                plan = await plan_mesh(spec, self._plan, self._learned)
                self._readiness.begin()
                names = {host.name for host in plan.hosts}
                gone = [s for name, s in self._supervisors.items() if name not in names]
                async with anyio.create_task_group() as stopping:
                    for supervisor in gone:
                        stopping.start_soon(self._remove, supervisor)
                self._plan = plan
                self._learned.keep(plan.routes.vias)
                self._dns.serve(plan.zone, plan.hosts)
                self._streams.cut_unpublished(plan.reachable.__contains__)
                reset_spliced(self, self._streams.unpublished_spliced(plan.reachable.__contains__))
                for host in plan.hosts:
                    await self._pacer.wait()
                    self._add_or_update_host(host)
                    self._supervisors[host.name].names.update(plan.names, host)
                await self._assign_listeners()
        finally:
            self._readiness.note_progress()

    async def wait_ready(self, hosts: Collection[str] | None = None) -> None:
        """Return when the mesh is ready.

        That is, every host is ready except for those that the user has stopped, this machine serves
        every port, all other listeners have been tried, and every names file has been written or
        refused. DNS may fail anywhere.

        Args:
            hosts: wait only for these, and for what they publish.

        Raises:
            MeshFailed: a host has failed permanently.
            PortsFailed: this machine cannot serve a port.
        """
        await self._readiness.wait(None if hosts is None else frozenset(hosts))

    def cuts(self, spec: MeshSpec) -> tuple[int, ...]:
        """Return the numbers of the streams that `apply(spec)` would cut."""
        beside = self._neighbours.members(own_hello().namespace)
        return tuple(cuts(self._streams, self._plan.hosts, spec.effective(), beside))

    # -- events and status -----------------------------------------------------------------

    def subscribe(
        self, limit: int = 1024, *, streams: bool = True, only: EventTypes = events.Event
    ) -> Subscription:
        """Return a subscription to all further events; at most `limit` wait for a slow reader.

        Without `streams` it omits those of single streams, which may be thousands a second. `only`
        selects types.
        """
        return self._bus.subscribe(limit, streams, only)

    def status(self) -> Status:
        """Return the status of everything; hosts are in the order of the manifest."""
        streams = self._streams.statuses()
        supervisors = [
            self._supervisors[h.name] for h in self._plan.hosts if h.name in self._supervisors
        ]
        return Status(
            hosts=tuple(s.status(self._streams.counted_traffic(s.host.name)) for s in supervisors),
            listeners=tuple(x for s in supervisors for x in s.listeners.statuses()),
            streams=streams,
            opened_total=self._streams.opened_total,
            bytes_total=sum(self._streams.traffic),
        )

    def listeners(self) -> Iterator[list[ListenerStatus]]:
        """Yield the listeners of one host after the other; the mesh may change in between."""
        for host in self._plan.hosts:
            if host.name in self._supervisors:
                yield self._supervisors[host.name].listeners.statuses()

    def host_states(self) -> list[tuple[Host, HostState]]:
        """Return the hosts and their states."""
        return [(s.host, s.state) for s in self._supervisors.values()]

    def traffic(self) -> tuple[int, int]:
        """Return the payload bytes as of the last `status`: sent by clients, received by them."""
        return self._streams.traffic

    # -- hosts -----------------------------------------------------------------------------

    def _add_or_update_host(self, host: Host) -> None:
        known = self._supervisors.get(host.name)
        if known is None:
            listeners = HostListeners(
                host.name,
                self._listener_number,
                self._neighbours,
                self._pacer,
                self._listener_changed,
                self._listener_removed,
                self._readiness.note_progress,
            )

            def log(level: str, text: str) -> None:
                self.host_log(level, host.name, text)

            listeners.set_here(host.is_local)
            names = NamesFiles(
                self._names_pacer, log, self._readiness.note_progress, self._etc_hosts
            )
            supervisor = Supervisor(self, host, listeners, names)
            self._supervisors[host.name] = supervisor
            self._tasks.start_soon(supervisor.run)
            return
        restart = is_restarted(known.host, host)
        changed = known.host != host
        known.host = host
        known.listeners.set_here(host.is_local)
        if restart:
            known.command_changed()
        elif changed:
            self.host_changed(known)

    async def _remove(self, supervisor: Supervisor) -> None:
        await supervisor.stop()
        name = supervisor.host.name
        del self._supervisors[name]
        supervisor.listeners.update({})
        self._bus.publish(events.HostRemoved(name=name))

    async def _assign_listeners(self) -> None:
        """Set where each host should listen."""
        guards = frozenset(host.name for host in self._plan.hosts if host.checks_users)
        for name in self._neighbours.set_guards(guards, own_hello().namespace):
            if name in self._supervisors:
                self._supervisors[name].listeners.guards_changed()
        for name, supervisor in list(self._supervisors.items()):
            supervisor.listeners.update(self._plan.listeners.get(name, {}))
            self._update_neighbours(supervisor)
            # Other tasks may run in between: a large mesh has hosts times ports of listeners.
            await asyncio.sleep(0)

    def _update_neighbours(self, supervisor: Supervisor) -> None:
        """Update the hosts in the network namespace that a host has joined or left."""
        if self._closing:
            return  # no host must take over its listeners
        name, link = supervisor.host.name, supervisor.link
        namespace = link.hello.namespace if link is not None else None
        listens = supervisor.host.loopback
        for other in self._neighbours.update(name, namespace, listens):
            if other in self._supervisors:
                owned = self._plan.published_by.get(name, ())
                self._supervisors[other].listeners.neighbour_changed(name, owned)

    def _listener_number(self, address: ListenAddress) -> int:
        """Return the listener number of an address: the same on all hosts, and never reused."""
        if address not in self._numbers:
            self._numbers[address] = next(self._next_number)
        return self._numbers[address]

    # -- operations on one host or stream ------------------------------------------------

    async def restart(self, host: str) -> None:
        """Restart a host at once, even if it was stopped.

        Raises:
            KeyError: there is no host of that name.
        """
        self._supervisors[host].restart()

    async def stop_host(self, host: str) -> None:
        """Stop a host until `start_host` or `restart`, whatever is applied meanwhile.

        Its streams are reset at once. Return when nothing of it is left.

        Raises:
            KeyError: there is no host of that name.
        """
        supervisor = self._supervisors[host]
        self._streams.cut_host(host)
        await supervisor.pause()

    async def start_host(self, host: str) -> None:
        """Start a host at once that was stopped, has failed or is backing off.

        Raises:
            KeyError: there is no host of that name.
        """
        supervisor = self._supervisors[host]
        if supervisor.paused or supervisor.state in _IDLE_STATES:
            supervisor.restart()

    async def kill_stream(self, number: int) -> bool:
        """Reset a stream; return False if there is none of that number.

        Raises:
            OperationError: it is a direct stream, and its host does not answer.
        """
        stream = self._streams.find(number)
        if stream is None:
            return False
        if isinstance(stream, ReportedStream):
            link = self._supervisors[stream.from_host].link
            try:
                if link is not None:
                    await link.kill_direct(stream.remote_number)
            except OperationError as error:
                if error.code != "gone":  # the stream has ended with its link
                    raise
        else:
            stream.kill("killed", "killed by the user")
        return True

    def kill_now(self) -> None:
        """Kill every exec command at once, for a user who does not wait for the orderly stop.

        Agents notice the end of their stdin. What the supervisors make of it is of no interest.
        """
        self._closing = self._was_killed = True
        for supervisor in self._supervisors.values():
            supervisor.kill_now()

    def tap(self, number: int, sink: Sink) -> Tap:
        """Pass the bytes of a stream to `sink` from now on, until the tap is closed.

        A stream may have several taps.

        Raises:
            TapError: there is no such stream, or its bytes do not cross the hub.
        """
        return self._taps.open(number, self._streams.find(number), sink)

    async def ping(self, host: str) -> float:
        """Return the seconds that a request to a host takes.

        For this machine, which has no link, they are those of one iteration of the loop.

        Raises:
            KeyError: there is no host of that name.
            OperationError: it is not up, or does not answer.
        """
        return await self._up(host).ping()

    async def resolve(self, host: str, name: str) -> list[str]:
        """Return the addresses of a name by that host's resolver, in its order of preference.

        Raises:
            KeyError: there is no host of that name.
            OperationError: it is not up, or finds no such name.
        """
        return await self._up(host).resolve(name)

    async def exec(self, host: str, argv: Sequence[str], emit: OutputHandler) -> int:
        """Run a command on a host by its exec command, whether or not its agent is up.

        stdin is empty. `emit` gets `stdout` or `stderr` and the bytes as they arrive, and must not
        block. Cancelling this ends the command, on the host too.

        Returns:
            The exit status, or 128 plus the number of the signal that ended it.

        Raises:
            KeyError: there is no host of that name.
            OSError: the command (on this machine) or the exec command cannot be started.
            ValueError: `argv` is empty, or contains a NUL.
            NoShell: the host is known to have no shell.
            NotAnswered: the exec command has asked a question and got no answer.
        """
        if not argv or any("\0" in word for word in argv):
            raise ValueError("the command is empty or contains a NUL")
        supervisor = self._supervisors[host]
        if supervisor.host.argv is None:
            return await execute(tuple(argv), emit)
        shell = supervisor.shell_argv()
        async with self.questions.of_start(host, shell) as asking:
            status = await execute_behind(
                with_askpass(shell), argv, emit, asking.environment, asking.complete
            )
            asking.check_answered()
            return status

    def _up(self, host: str) -> Link:
        supervisor = self._supervisors[host]
        if supervisor.link is None:
            raise OperationError("gone", f"{host} is {supervisor.state}")
        return supervisor.link

    # -- from the supervisors --------------------------------------------------------------

    def host_changed(self, supervisor: Supervisor) -> None:
        name = supervisor.host.name
        if supervisor.paused and supervisor.state is HostState.STOPPED:
            self._streams.host_stopped(name)
        elif supervisor.state in _ENDED_STATES:
            self._streams.host_lost(name, supervisor.host.is_local)
        if self._was_killed:
            return
        traffic = self._streams.host_traffic(name)
        self._bus.publish(events.HostChanged(host=supervisor.status(traffic)))
        if supervisor.state is HostState.READY or supervisor.state in _ENDED_STATES:
            self._update_neighbours(supervisor)
        self._readiness.note_progress()

    def host_log(self, level: str, host: str, text: str) -> None:
        self._bus.publish(events.Log(level=level, host=host, text=text))

    def on_client(
        self,
        supervisor: Supervisor,
        listener: int,
        peer: Address,
        end: End,
        destination: Address | None = None,
    ) -> None:
        """Connect a client that a host has accepted; this alone decides on access.

        A client may reach what the host should listen for, and nothing else, whatever its agent
        sends.
        """
        wanted = supervisor.listeners.spec_of(listener)
        granted = wanted is not None and wanted.publication.proto == protocol_of(end)
        if wanted is None or not granted or wanted.publication not in self._plan.reachable:
            self._log_throttle.refused(supervisor.host.name, listener, peer)
            end.reset("not-allowed", "nothing is published there")
            return
        publication = wanted.publication
        host = supervisor.host
        if host.checks_users and not self._users.admit(host.name, publication, end, peer):
            return
        if not publication.allows(supervisor.host.name, peer):
            reason = f"{publication.listen_address.text()} is not for clients at {peer[0]}"
            end.reset("not-allowed", reason)
            self._log_throttle.unreached(publication, host.name, peer, f"not-allowed: {reason}")
            return
        if publication.service is not Service.PORT:
            self._serve_client(supervisor.host.name, listener, publication, peer, end, destination)
            return
        target = self._supervisors.get(publication.to_host)
        if target is None or target.link is None:
            reason = f"{publication.to_host} is {target.state if target else 'gone'}"
            end.reset("gone", reason)
            self._log_throttle.unreached(publication, host.name, peer, f"gone: {reason}")
            return
        stream = self._streams.add(supervisor.host.name, peer, publication, end)
        stream.target = target.link.dial(end, *publication.target, stream)

    def _serve_client(
        self,
        host: str,
        listener: int,
        publication: Publication,
        peer: Address,
        end: End,
        destination: Address | None,
    ) -> None:
        """Serve a client on `host` by a proxy or the DNS."""
        stream = self._streams.add(host, peer, publication, end)
        match publication.service:
            case Service.DNS:
                stream.target = serve_dns(self, self._dns, publication, stream)
            case Service.TRANSPARENT:
                stream.target = serve_transparently(
                    self, self._dns, publication, destination, stream
                )
            case _:
                stream.target = serve_proxy(self, publication, listener, end, stream)

    def wrong_login(self, publication: Publication, stream: RelayedStream) -> float:
        """Log a wrong password for a proxy; return the seconds until it may be answered."""
        return self._wrong_logins.add(publication, stream.from_host, stream.peer)

    def publication(self, address: Address, proto: str = TCP) -> Publication | None:
        """Return what the mesh publishes at an address."""
        return self._plan.published.get(ListenAddress(*address, proto))

    @property
    def local_host(self) -> str | None:
        """The name of the first host that is this machine, if one is."""
        return next((host.name for host in self._plan.hosts if host.is_local), None)

    def vip(self, host: str) -> str:
        """Return the VIP of a host."""
        return self._supervisors[host].host.vip

    def link(self, host: str) -> Link | None:
        """Return a host's link, while it is up."""
        supervisor = self._supervisors.get(host)
        return supervisor.link if supervisor is not None else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a look-up, or the session of a client, as a task of the engine.

        What it does counts for the link whose frame is being handled now. It does not run in the
        task group, since anyio's overhead for a task equals that of a proxy's handshake.
        """
        if self.io.cause.source is not None:
            work = Attributed(work, self.io.cause)
        task = asyncio.create_task(work)
        self._services.add(task)
        task.add_done_callback(self._services.discard)

    def on_refused(self, supervisor: Supervisor, reason: str) -> None:
        self._log_throttle.too_many(supervisor.host.name, reason)

    def on_slow_start(self, supervisor: Supervisor, text: str) -> None:
        self._log_throttle.slow_start(supervisor.host.name, text)

    def on_direct_report(self, supervisor: Supervisor, rows: list[Any]) -> Iterator[None]:
        for row in map(check_direct_row, rows):
            wanted = supervisor.listeners.spec_of(row[1])
            publication = (
                wanted.publication
                if wanted and wanted.direct
                else self._streams.direct_publication(supervisor.host.name, row[0])
            )
            if publication is not None:
                self._streams.report(supervisor.host.name, publication, row)
            yield

    # -- to the bus ------------------------------------------------------------------------

    def _listener_changed(self, status: ListenerStatus) -> None:
        self._bus.publish(events.ListenerChanged(listener=status))
        self._readiness.note_progress()

    def _listener_removed(self, host: str, listen: str) -> None:
        self._bus.publish(events.ListenerRemoved(on_host=host, listen=listen))

    def _stream_opened(self, stream: RelayedStream | ReportedStream) -> None:
        if self._bus.wants_streams:
            self._bus.publish(events.StreamOpened(stream=stream.status()))

    def _stream_closed(self, stream: RelayedStream | ReportedStream) -> None:
        self._taps.stream_closed(stream)
        code = stream.reason.partition(":")[0]
        if code in ("refused", "unreachable") and stream.to_host in self._supervisors:
            self._supervisors[stream.to_host].dial_failed()
        if code in NOT_REACHED and not self._closing:
            self._log_throttle.unreached(
                stream.publication,
                stream.from_host,
                stream.peer,
                stream.reason,
                was_open=stream.was_open and code in CUT,
            )
        if self._bus.wants_streams:
            self._bus.publish(events.StreamClosed(stream=stream.status()))
