"""The streams of the mesh: their state, their traffic and their end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from norouter_core.agent.ends import End
from norouter_core.engine.publications import Publication, Service
from norouter_core.engine.status import StreamState, StreamStatus
from norouter_core.engine.traffic import Traffic
from norouter_core.model import format_address
from norouter_core.sanitize import strip_line
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import MAX_STREAMS

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_MAX_DIRECT = 2 * MAX_STREAMS
"""Direct streams of one host, including those whose end it has not reported yet."""

_OPEN = (StreamState.OPEN, StreamState.HALF_CLOSED)


class RelayedStream:
    """One stream between a client on one host and a target on another; observes both ends."""

    __slots__ = (
        "_before",
        "_closed_ends",
        "_on_closed",
        "_on_spliced",
        "_traffic",
        "_upstream",
        "client",
        "counted_received",
        "counted_sent",
        "from_host",
        "last_status",
        "number",
        "opened",
        "own_bytes",
        "peer",
        "publication",
        "reason",
        "spliced_as",
        "state",
        "target",
        "target_text",
        "through",
        "to_host",
        "was_open",
    )

    direct = False

    def __init__(
        self,
        number: int,
        from_host: str,
        peer: Address,
        publication: Publication,
        client: End,
        traffic: Traffic[RelayedStream | ReportedStream],
        on_closed: Callable[[RelayedStream], None],
        on_handed_over: Callable[[RelayedStream], bool],
    ) -> None:
        self.number = number
        self.from_host = from_host
        self.peer = peer
        self.publication = publication
        self.to_host = publication.to_host
        self.target_text = publication.target_text
        self.through: Publication | None = None
        self.client = client
        self.target: End | None = None
        self.state = StreamState.OPENING
        self.was_open = False
        """Whether the target had been reached before the stream was closed."""
        self.reason = ""
        self.opened = time.time()
        self._on_closed = on_closed
        self._on_spliced = on_handed_over
        self.last_status: StreamStatus | None = None
        self._closed_ends = 0
        self._traffic = traffic
        self._upstream: End | None = None
        self._before = 0
        """The bytes that were sent to earlier targets."""
        self.counted_sent = self.counted_received = 0
        self.own_bytes = 0
        """Bytes that a proxy's session itself sent to the client, set when it steps out."""
        self.spliced_as: int | None = None
        """Its number as a direct stream of its host; EOF in both directions is not its end then."""
        client.observer = self

    def set_target(self, host: str, target: str, through: Publication | None, towards: End) -> None:
        """Note that a proxy's client reaches `target`, which `host` dials.

        `through` is the published port, if the target is one. `towards` counts what is sent to the
        target.
        """
        if self.state is StreamState.CLOSED:
            return
        # A client with a persistent connection goes on to another target, and may have sent a
        # request for it already. What comes before the first target is for that one.
        reached = self._upstream.bytes_in if self._upstream is not None else 0
        self._before = min(self.bytes_sent, self._before + reached)
        self._traffic.moved(self, host, self._before)
        self.last_status = None
        self._upstream = towards
        if self.publication.service is not Service.TRANSPARENT:
            self.state = StreamState.OPEN  # the proxy has answered its client already
        self.target_text, self.through = target, through

    @property
    def bytes_sent(self) -> int:
        return self.client.bytes_in

    @property
    def bytes_received(self) -> int:
        return self.target.bytes_in if self.target is not None else 0

    def mark_spliced(self, number: int) -> None:
        """Note that the host of both ends joins them itself (SPEC.md section 11)."""
        self.spliced_as = number

    def kill(self, code: str, reason: str) -> None:
        """Reset both ends."""
        for end in (self.client, self.target):
            if end is not None:
                end.reset(code, reason)

    def status(self) -> StreamStatus:
        self.last_status = reuse_status(self, self.last_status)
        return self.last_status

    # -- from the ends ---------------------------------------------------------------------

    def end_opened(self, end: End, peer: Address) -> None:
        if self.state is StreamState.OPENING:
            self.state = StreamState.OPEN
        self.client.accept(peer)

    def end_half_closed(self, end: End) -> None:
        if self.state is not StreamState.CLOSED and self.spliced_as is None:
            self.state = StreamState.HALF_CLOSED

    def end_closed(self, end: End, code: str, reason: str) -> None:
        if self.state is StreamState.CLOSED:
            return
        if code == "closed":
            # An orderly end takes both sides: one may still be writing its last bytes.
            self._closed_ends += 1
            if self._closed_ends < 2:
                return
            if self.spliced_as is not None and self._on_spliced(self):
                return
        self.was_open = self.state is not StreamState.OPENING
        self.state = StreamState.CLOSED
        # The text may come from an agent.
        self.reason = strip_line(f"{code}: {reason}" if reason else code)
        self._on_closed(self)


class ReportedStream:
    """A direct stream, as its agent reports it (SPEC.md section 3)."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "counted_received",
        "counted_sent",
        "from_host",
        "last_status",
        "number",
        "opened",
        "own_bytes",
        "peer",
        "publication",
        "reason",
        "remote_number",
        "spliced",
        "state",
        "target_text",
        "to_host",
        "was_open",
    )

    direct = True

    def __init__(
        self, number: int, from_host: str, remote_number: int, publication: Publication
    ) -> None:
        self.number = number
        self.from_host = from_host
        self.remote_number = remote_number
        self.publication = publication
        self.peer = ("", 0)
        self.state = StreamState.OPENING
        self.was_open = False
        """Whether the target had been reached before the stream was closed."""
        self.reason = ""
        self.opened = time.time()
        self.bytes_sent = 0
        self.bytes_received = 0
        self.counted_sent = self.counted_received = 0
        self.own_bytes = 0
        """Bytes that the hub itself sent to the client before the stream was spliced."""
        self.to_host = publication.to_host
        self.target_text = publication.target_text
        self.spliced = False
        self.last_status: StreamStatus | None = None

    @classmethod
    def from_relayed(cls, stream: RelayedStream, remote_number: int) -> ReportedStream:
        """Return what a relayed stream becomes when its host has joined the two ends."""
        direct = cls(stream.number, stream.from_host, remote_number, stream.publication)
        direct.peer, direct.opened = stream.peer, stream.opened
        direct.to_host, direct.target_text = stream.to_host, stream.target_text
        direct.bytes_sent, direct.bytes_received = stream.bytes_sent, stream.bytes_received
        direct.counted_sent = stream.counted_sent
        direct.counted_received = stream.counted_received
        direct.own_bytes = stream.own_bytes
        direct.state, direct.was_open = stream.state, True
        direct.spliced = True
        return direct

    def status(self) -> StreamStatus:
        self.last_status = reuse_status(self, self.last_status)
        return self.last_status


class Streams:
    """All open streams, and the totals of all others."""

    def __init__(
        self,
        on_opened: Callable[[RelayedStream | ReportedStream], None],
        on_closed: Callable[[RelayedStream | ReportedStream], None],
    ) -> None:
        self._on_opened = on_opened
        self._on_closed = on_closed
        self._numbers = itertools.count(1)
        self._relayed: dict[int, RelayedStream] = {}
        self._direct: dict[str, dict[int, ReportedStream]] = {}
        self._traffic: Traffic[RelayedStream | ReportedStream] = Traffic()
        self.opened_total = 0

    def add(
        self, from_host: str, peer: Address, publication: Publication, client: End
    ) -> RelayedStream:
        """Add and return a relayed stream; the caller dials, and sets its target."""
        number = next(self._numbers)
        stream = RelayedStream(
            number,
            from_host,
            peer,
            publication,
            client,
            self._traffic,
            self._on_ended,
            self._convert_spliced,
        )
        self._relayed[stream.number] = stream
        self._traffic.opened(stream)
        self.opened_total += 1
        self._on_opened(stream)
        return stream

    def report(self, host: str, publication: Publication, row: list[Any]) -> None:
        """Apply one row of a host's `direct` report, which `check_direct_row` has checked.

        Raises:
            RemoteProtocolError: code `json`: there are too many streams.
        """
        remote, _, peer_host, peer_port, sent, received, state, reason = row
        known = self._direct.setdefault(host, {})
        stream = known.get(remote)
        new = stream is None
        if stream is None:
            if len(known) >= _MAX_DIRECT:
                raise RemoteProtocolError(
                    "json", f"more than {_MAX_DIRECT} direct streams reported"
                )
            stream = ReportedStream(next(self._numbers), host, remote, publication)
            stream.peer = (peer_host, peer_port)
            known[remote] = stream
            self._traffic.opened(stream)
            self.opened_total += 1
        stream.bytes_sent, stream.bytes_received = sent, received + stream.own_bytes
        stream.was_open = stream.was_open or StreamState(state) in _OPEN
        stream.state, stream.reason = StreamState(state), reason
        if new:
            self._on_opened(stream)
        if stream.state is StreamState.CLOSED:
            del known[remote]
            self._add_to_totals(stream)

    def direct_publication(self, host: str, remote: int) -> Publication | None:
        """Return the publication of a known direct stream."""
        stream = self._direct.get(host, {}).get(remote)
        return stream.publication if stream is not None else None

    def host_lost(self, host: str, local: bool) -> None:
        """End every stream with an end on a lost host, and its direct streams.

        A proxy's client that has reached the host is left to its session, which the end of the link
        has reset and which answers the client. A `local` host has no link that could do so.
        """
        for stream in self._relayed_of(host):
            proxied = stream.publication.service is not Service.PORT
            if stream.from_host == host or (stream.to_host == host and (local or not proxied)):
                stream.kill("gone", f"{host} was lost or stopped")
        self._forget_direct(host, "gone: the link to the host was lost")

    def cut_host(self, host: str) -> None:
        """Reset every relayed stream with an end on a host that the user stops.

        Its agent resets the direct ones; `host_stopped` notes their end.
        """
        for stream in self._relayed_of(host):
            stream.kill("killed", f"{host} was stopped")

    def _relayed_of(self, host: str) -> list[RelayedStream]:
        return [x for x in self._traffic.streams(host) if isinstance(x, RelayedStream)]

    def host_stopped(self, host: str) -> None:
        """End all remaining streams with an end on a host that the user stopped."""
        self.cut_host(host)
        self._forget_direct(host, f"killed: {host} was stopped")

    def _forget_direct(self, host: str, reason: str) -> None:
        for direct in self._direct.pop(host, {}).values():
            direct.state, direct.reason = StreamState.CLOSED, reason
            self._add_to_totals(direct)

    def cut_unpublished(self, published: Callable[[Publication], bool]) -> None:
        """Reset every relayed stream that is no longer published; agents reset direct ones."""
        for stream in list(self._relayed.values()):
            through = stream.through or stream.publication
            if not (published(stream.publication) and published(through)):
                stream.kill("unpublished", "the port was removed or changed")

    def unpublished_spliced(self, published: Callable[[Publication], bool]) -> list[ReportedStream]:
        """Return the spliced streams that are no longer published."""
        return [x for x in self._all_direct() if x.spliced and not published(x.publication)]

    def find(self, number: int) -> RelayedStream | ReportedStream | None:
        return self._relayed.get(number) or next(
            (stream for stream in self._all_direct() if stream.number == number), None
        )

    def __iter__(self) -> Iterator[RelayedStream | ReportedStream]:
        every: list[RelayedStream | ReportedStream] = [*self._relayed.values(), *self._all_direct()]
        return iter(sorted(every, key=lambda stream: stream.number))

    def _all_direct(self) -> Iterator[ReportedStream]:
        return chain.from_iterable(map(dict.values, self._direct.values()))

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes sent by all clients, and received by them, as of the last `statuses`."""
        return self._traffic.sent, self._traffic.received

    def host_traffic(self, host: str) -> tuple[int, int, int]:
        """Return for a host: bytes in from its ends, bytes out to them, open streams."""
        for stream in self._traffic.streams(host):
            self._traffic.count(stream)
        return self._traffic.of(host)

    def statuses(self) -> tuple[StreamStatus, ...]:
        """Return the status of each stream, and count what they have carried."""
        found = []
        for stream in self:
            before, now = stream.last_status, stream.status()
            if now is not before:
                self._traffic.count(stream)
            found.append(now)
        return tuple(found)

    def counted_traffic(self, host: str) -> tuple[int, int, int]:
        """Return `host_traffic` as of `statuses`."""
        return self._traffic.of(host)

    def _convert_spliced(self, stream: RelayedStream) -> bool:
        """Turn a stream that has been spliced into a direct one; return False if that fails."""
        known = self._direct.setdefault(stream.from_host, {})
        assert stream.spliced_as is not None
        if stream.spliced_as in known or len(known) >= _MAX_DIRECT:
            return False
        known[stream.spliced_as] = direct = ReportedStream.from_relayed(stream, stream.spliced_as)
        del self._relayed[stream.number]
        self._traffic.opened(direct)
        return True

    def _on_ended(self, stream: RelayedStream) -> None:
        del self._relayed[stream.number]
        self._add_to_totals(stream)

    def _add_to_totals(self, stream: RelayedStream | ReportedStream) -> None:
        self._traffic.closed(stream)
        self._on_closed(stream)


def reuse_status(
    stream: RelayedStream | ReportedStream, shown: StreamStatus | None
) -> StreamStatus:
    """Return the status of a stream, the same object while it does not change.

    Most of thousands of streams are idle.
    """
    if (
        shown is not None
        and shown.bytes_sent == stream.bytes_sent
        and shown.bytes_received == stream.bytes_received
        and shown.state is stream.state
        and shown.target is stream.target_text
        and shown.to_host is stream.to_host
        and shown.reason == stream.reason
    ):
        return shown
    return stream_status(stream)


def stream_status(stream: RelayedStream | ReportedStream) -> StreamStatus:
    publication = stream.publication
    return StreamStatus(
        id=stream.number,
        from_host=stream.from_host,
        peer=format_address(stream.peer),
        to_host=stream.to_host,
        target=stream.target_text,
        listener=publication.listen_address.text(),
        state=stream.state,
        opened=stream.opened,
        bytes_sent=stream.bytes_sent,
        bytes_received=stream.bytes_received,
        direct=stream.direct,
        reason=stream.reason,
        service=publication.service.value,
    )


_TYPES = [int, int, str, int, int, int, str, str]
_MAX_NUMBER = 2**63 - 1
"""Of ids and counters: they must stay small enough to add up and to convert to float."""
_STATES = frozenset({"opening", "open", "half-closed", "closed"})


def check_direct_row(row: Any) -> list[Any]:
    """Return a row of a `direct` event (SPEC.md section 3), sanitized.

    Raises:
        RemoteProtocolError: code `json`: it is malformed.
    """
    if not isinstance(row, list) or [type(item) for item in row] != _TYPES:
        raise RemoteProtocolError("json", "a malformed report of a direct stream")
    counted = all(0 <= number <= _MAX_NUMBER for number in (row[0], row[4], row[5]))
    if row[6] not in _STATES or not counted or not 0 <= row[3] <= 65535:
        raise RemoteProtocolError(
            "json", f"an impossible direct stream, in state {strip_line(row[6])!r}"
        )
    return [*row[:2], strip_line(row[2]), *row[3:7], strip_line(row[7])]
