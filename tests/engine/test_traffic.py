"""The sums of each host's traffic, kept as streams come, go on to other hosts and end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from norouter_core.agent.ends import NullEnd
from norouter_core.engine.publications import Publication
from norouter_core.engine.streams import RelayedStream, Streams

HOSTS = ("hub", "web", "db")


class Mirror:
    """Streams with random traffic, and what their hosts should have of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.streams = Streams(lambda stream: None, lambda stream: None)
        self.bytes: Counter[tuple[str, str]] = Counter()
        self.open: list[RelayedStream] = []

    def opens(self) -> None:
        publication = Publication(("127.0.0.2", 80), self._host(), ("127.0.0.1", 80))
        client = NullEnd()
        stream = self.streams.add(self._host(), ("127.0.0.1", 5), publication, client)
        self._reaches(stream, stream.to_host)
        stream.target = NullEnd()
        self.open.append(stream)

    def carries(self) -> None:
        for stream in self._some():
            up, down = self.random.randrange(1000), self.random.randrange(1000)
            assert stream.target is not None and stream._upstream is not None
            stream.client.bytes_in += up
            stream._upstream.bytes_in += up
            stream.target.bytes_in += down
            for host, came, went in ((stream.from_host, up, down), (stream.to_host, down, up)):
                self.bytes[host, "in"] += came
                self.bytes[host, "out"] += went

    def goes_on(self) -> None:
        for stream in self._some():
            self._reaches(stream, self._host())

    def ends(self) -> None:
        for stream in self._some():
            self.open.remove(stream)
            stream.end_closed(stream.client, "reset", "")

    def check(self) -> None:
        for host in HOSTS:
            ends = [s for s in self.open if host in (s.from_host, s.to_host)]
            expected = (self.bytes[host, "in"], self.bytes[host, "out"], len(ends))
            assert self.streams.host_traffic(host) == expected

    def _reaches(self, stream: RelayedStream, host: str) -> None:
        stream.set_target(host, "", None, NullEnd())

    def _some(self) -> Iterator[RelayedStream]:
        yield from self.random.sample(self.open, min(3, len(self.open)))

    def _host(self) -> str:
        return self.random.choice(HOSTS)


def test_they_are_those_of_all_streams() -> None:
    for seed in range(20):
        mirror = Mirror(seed)
        for _ in range(100):
            mirror.random.choice((mirror.opens, mirror.carries, mirror.goes_on, mirror.ends))()
            if mirror.random.random() < 0.3:
                mirror.streams.statuses()
            mirror.check()
        for stream in list(mirror.open):
            mirror.open.remove(stream)
            stream.end_closed(stream.client, "reset", "")
        mirror.check()
        sent, received = mirror.streams.traffic
        assert 2 * (sent + received) == mirror.bytes.total()


def test_what_has_ended_is_moved_no_more() -> None:
    mirror = Mirror(1)
    mirror.opens()
    (stream,) = mirror.open
    mirror.ends()
    stream.set_target("web", "", None, NullEnd())
    mirror.check()
    assert list(mirror.streams) == []
