"""The streams that the hub joins: what runs, how much has flowed, how it ended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from norouter_core.agent.ends import End
from norouter_core.engine.publications import Publication, Service
from norouter_core.engine.status import StreamState, StreamStatus
from norouter_core.text import address_text, clean
from norouter_core.wire.errors import Violation
from norouter_core.wire.limits import MAX_STREAMS

_MAX_DIRECT = 2 * MAX_STREAMS
"""Direct streams of one host: those it has, and those whose end it has yet to tell."""


class Stream:
    """One stream between a client on one host and a target on another; observes both ends."""

    __slots__ = (
        "_closed_ends",
        "_earlier",
        "_on_closed",
        "_shown",
        "_towards",
        "client",
        "from_host",
        "number",
        "opened",
        "peer",
        "publication",
        "reason",
        "state",
        "target",
        "target_text",
        "through",
        "to_host",
    )

    direct = False

    def __init__(
        self,
        number: int,
        from_host: str,
        peer: tuple[str, int],
        publication: Publication,
        client: End,
        on_closed: Callable[[Stream], None],
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
        self.reason = ""
        self.opened = time.time()
        self._on_closed = on_closed
        self._shown: StreamStatus | None = None
        self._closed_ends = 0
        self._towards: End | None = None
        self._earlier: dict[str, tuple[int, int]] = {}
        """What has flowed to and from the hosts that dialled for it before, by name."""
        client.observer = self

    def reaches(self, host: str, target: str, through: Publication | None, towards: End) -> None:
        """A proxy's client goes to `target`, which `host` dials; `through` a published port, where
        it is one of the mesh's. `towards` counts what the target is sent."""
        if self._towards is not None:
            # A client that keeps its connection goes on to another target.
            *_, (_, forth, back) = self.shares()
            before = self._earlier.get(self.to_host, (0, 0))
            sent = min(forth, before[0] + self._towards.bytes_in)
            self._earlier[self.to_host] = (sent, back)
        self._towards = towards
        self.state = StreamState.OPEN
        self.to_host, self.target_text, self.through = host, target, through

    def shares(self) -> Iterator[tuple[str, int, int]]:
        """Each host that has dialled for this stream, with its part of the bytes forth and back;
        the one that it reaches now comes last."""
        forth, back = self.bytes_forth, self.bytes_back
        for host, (sent, got) in self._earlier.items():
            if host != self.to_host:
                forth, back = forth - sent, back - got
                yield host, sent, got
        yield self.to_host, forth, back

    @property
    def bytes_forth(self) -> int:
        return self.client.bytes_in

    @property
    def bytes_back(self) -> int:
        return self.target.bytes_in if self.target is not None else 0

    def kill(self, code: str, reason: str) -> None:
        """Resets both ends."""
        for end in (self.client, self.target):
            if end is not None:
                end.reset(code, reason)

    def status(self) -> StreamStatus:
        self._shown = _status_again(self, self._shown)
        return self._shown

    # -- from the ends ---------------------------------------------------------------------

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        if self.state is StreamState.OPENING:
            self.state = StreamState.OPEN
        self.client.accept(peer)

    def end_half_closed(self, end: End) -> None:
        if self.state is not StreamState.CLOSED:
            self.state = StreamState.HALF_CLOSED

    def end_closed(self, end: End, code: str, reason: str) -> None:
        if self.state is StreamState.CLOSED:
            return
        if code == "closed":
            # An orderly end is over when both sides are: one may still be taking its last bytes.
            self._closed_ends += 1
            if self._closed_ends < 2:
                return
        self.state = StreamState.CLOSED
        # The words may be an agent's own.
        self.reason = clean(f"{code}: {reason}" if reason else code)
        self._on_closed(self)


class DirectStream:
    """A stream that a host serves to itself, as its agent reports it (SPEC.md section 3)."""

    __slots__ = (
        "_shown",
        "bytes_back",
        "bytes_forth",
        "from_host",
        "number",
        "opened",
        "peer",
        "publication",
        "reason",
        "remote_number",
        "state",
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
        self.reason = ""
        self.opened = time.time()
        self.bytes_forth = 0
        self.bytes_back = 0
        self._shown: StreamStatus | None = None

    @property
    def to_host(self) -> str:
        return self.publication.to_host

    @property
    def target_text(self) -> str:
        return self.publication.target_text

    def shares(self) -> Iterator[tuple[str, int, int]]:
        yield self.to_host, self.bytes_forth, self.bytes_back

    def status(self) -> StreamStatus:
        self._shown = _status_again(self, self._shown)
        return self._shown


class Streams:
    """Every stream that is open, and the totals of those that were."""

    def __init__(
        self,
        opened: Callable[[Stream | DirectStream], None],
        closed: Callable[[Stream | DirectStream], None],
    ) -> None:
        self._opened = opened
        self._closed = closed
        self._numbers = itertools.count(1)
        self._relayed: dict[int, Stream] = {}
        self._direct: dict[str, dict[int, DirectStream]] = {}
        self.opened_total = 0
        self._ended_forth = 0
        self._ended_back = 0
        self._host_bytes: dict[str, list[int]] = {}

    def add(
        self, from_host: str, peer: tuple[str, int], publication: Publication, client: End
    ) -> Stream:
        """A new relayed stream; its target is set by the caller, who dials."""
        stream = Stream(next(self._numbers), from_host, peer, publication, client, self._ended)
        self._relayed[stream.number] = stream
        self.opened_total += 1
        self._opened(stream)
        return stream

    def report(self, host: str, publication: Publication, row: list[Any]) -> None:
        """Takes over one row of a host's `direct` report, whose types have been checked.

        Raises:
            Violation: code `json`: more streams than there can be.
        """
        remote, _, peer_host, peer_port, forth, back, state, reason = row
        known = self._direct.setdefault(host, {})
        stream = known.get(remote)
        new = stream is None
        if stream is None:
            if len(known) >= _MAX_DIRECT:
                raise Violation("json", f"more than {_MAX_DIRECT} direct streams reported")
            stream = DirectStream(next(self._numbers), host, remote, publication)
            stream.peer = (peer_host, peer_port)
            known[remote] = stream
            self.opened_total += 1
        stream.bytes_forth, stream.bytes_back = forth, back
        stream.state, stream.reason = StreamState(state), reason
        if new:
            self._opened(stream)
        if stream.state is StreamState.CLOSED:
            del known[remote]
            self._account(stream)

    def direct_publication(self, host: str, remote: int) -> Publication | None:
        """What a direct stream that is known already reaches."""
        stream = self._direct.get(host, {}).get(remote)
        return stream.publication if stream is not None else None

    def host_lost(self, host: str, local: bool) -> None:
        """Ends every stream with an end on a host; its direct ones can no longer be told of.

        A proxy's client that has reached the host is left to its session, which has been told by
        the link's end and has an answer for the client; a `local` host has no link to tell it.
        """
        for stream in list(self._relayed.values()):
            proxied = stream.publication.service is not Service.PORT
            if stream.from_host == host or (stream.to_host == host and (local or not proxied)):
                stream.kill("gone", f"{host} was lost or stopped")
        self._forget_direct(host, "gone: the link to the host was lost")

    def host_stops(self, host: str) -> None:
        """Cuts every relayed stream with an end on a host that the user stops; the direct ones
        are its agent's to cut, and are told of by `host_stopped`."""
        for stream in list(self._relayed.values()):
            if host in (stream.from_host, stream.to_host):
                stream.kill("killed", f"{host} was stopped")

    def host_stopped(self, host: str) -> None:
        """Ends what is left with an end on a host that the user stopped."""
        self.host_stops(host)
        self._forget_direct(host, f"killed: {host} was stopped")

    def _forget_direct(self, host: str, reason: str) -> None:
        for direct in self._direct.pop(host, {}).values():
            direct.state, direct.reason = StreamState.CLOSED, reason
            self._account(direct)

    def unpublish(self, published: Callable[[Publication], bool]) -> None:
        """Cuts every relayed stream whose publication is no more; agents cut direct ones."""
        for stream in list(self._relayed.values()):
            through = stream.through or stream.publication
            if not (published(stream.publication) and published(through)):
                stream.kill("unpublished", "the port was taken away or changed")

    def find(self, number: int) -> Stream | DirectStream | None:
        return self._relayed.get(number) or next(
            (stream for stream in self._every_direct() if stream.number == number), None
        )

    def __iter__(self) -> Iterator[Stream | DirectStream]:
        every: list[Stream | DirectStream] = [*self._relayed.values(), *self._every_direct()]
        return iter(sorted(every, key=lambda stream: stream.number))

    def _every_direct(self) -> Iterator[DirectStream]:
        return chain.from_iterable(map(dict.values, self._direct.values()))

    @property
    def bytes_total(self) -> int:
        return sum(self.traffic)

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes from clients to targets, and back."""
        forth, back = self._ended_forth, self._ended_back
        for stream in self:
            forth += stream.bytes_forth
            back += stream.bytes_back
        return forth, back

    def host_bytes(self) -> dict[str, tuple[int, int, int]]:
        """For each host: bytes in from its ends, bytes out to them, streams open now."""
        sums = {name: list(counts) for name, counts in self._host_bytes.items()}
        for stream in self:
            _add(sums, stream, 1)
        return {name: (counts[0], counts[1], counts[2]) for name, counts in sums.items()}

    def _ended(self, stream: Stream) -> None:
        del self._relayed[stream.number]
        self._account(stream)

    def _account(self, stream: Stream | DirectStream) -> None:
        self._ended_forth += stream.bytes_forth
        self._ended_back += stream.bytes_back
        _add(self._host_bytes, stream, 0)
        self._closed(stream)


def _add(sums: dict[str, list[int]], stream: Stream | DirectStream, open_now: int) -> None:
    """From a host's view: its client sends `forth` to us; its target sends `back` to us."""
    client = sums.setdefault(stream.from_host, [0, 0, 0])
    client[0] += stream.bytes_forth
    client[1] += stream.bytes_back
    for host, forth, back in stream.shares():
        target = sums.setdefault(host, [0, 0, 0])
        target[0] += back
        target[1] += forth
    client[2] += open_now
    if stream.to_host != stream.from_host:
        sums[stream.to_host][2] += open_now


def _status_again(stream: Stream | DirectStream, shown: StreamStatus | None) -> StreamStatus:
    """The status of a stream: the same object while nothing has changed, since most of thousands
    of streams are idle."""
    if (
        shown is not None
        and shown.bytes_forth == stream.bytes_forth
        and shown.bytes_back == stream.bytes_back
        and shown.state is stream.state
        and shown.target is stream.target_text
        and shown.to_host is stream.to_host
        and shown.reason == stream.reason
    ):
        return shown
    return _status(stream)


def _status(stream: Stream | DirectStream) -> StreamStatus:
    publication = stream.publication
    return StreamStatus(
        id=stream.number,
        from_host=stream.from_host,
        peer=address_text(stream.peer),
        to_host=stream.to_host,
        target=stream.target_text,
        listener=publication.place.text(),
        state=stream.state,
        opened=stream.opened,
        bytes_forth=stream.bytes_forth,
        bytes_back=stream.bytes_back,
        direct=stream.direct,
        reason=stream.reason,
        service=publication.service.value,
    )
