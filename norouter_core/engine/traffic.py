"""What is told of a stream, and what each host had of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from norouter_core.engine.status import StreamStatus
from norouter_core.model import format_address

if TYPE_CHECKING:
    from norouter_core.engine.relay import LocalStream, RelayedStream


def shares(stream: RelayedStream | LocalStream) -> Iterator[tuple[str, int, int]]:
    """Each host that has dialled for a stream, with its part of the bytes up and down; the one
    that it reaches now comes last."""
    up, down = stream.bytes_sent, stream.bytes_received
    for host, (sent, got) in stream.earlier.items():
        if host != stream.to_host:
            up, down = up - sent, down - got
            yield host, sent, got
    yield stream.to_host, up, down


def add(sums: dict[str, list[int]], stream: RelayedStream | LocalStream, open_now: int) -> None:
    """From a host's view: its client sends `up` to us; its target sends `down` to us."""
    client = sums.setdefault(stream.from_host, [0, 0, 0])
    client[0] += stream.bytes_sent
    client[1] += stream.bytes_received
    for host, up, down in shares(stream):
        target = sums.setdefault(host, [0, 0, 0])
        target[0] += down
        target[1] += up
    client[2] += open_now
    if stream.to_host != stream.from_host:
        sums[stream.to_host][2] += open_now


def status_again(stream: RelayedStream | LocalStream, shown: StreamStatus | None) -> StreamStatus:
    """The status of a stream: the same object while nothing has changed, since most of thousands
    of streams are idle."""
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
    return _status(stream)


def _status(stream: RelayedStream | LocalStream) -> StreamStatus:
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
