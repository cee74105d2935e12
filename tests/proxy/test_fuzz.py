"""Whatever comes, in whatever order: a refusal or a close within a bound, and nothing kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from norouter_core.byte_stream import MAX_BUFFERED
from tests.proxy.memory_ends import Bench

HTTP = [
    b"GET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
    b"GET http://web/ws HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: ws\r\n\r\n",
    b"HEAD http://[::1]:8080/ HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
    b"POST http://web/ HTTP/1.1\r\nHost: w\r\nContent-Length: 5\r\n\r\nhello",
    b"POST http://other/ HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"CONNECT web:443 HTTP/1.1\r\nHost: w\r\n\r\n\x16\x03\x01",
    b"OPTIONS http://web HTTP/1.0\r\nMax-Forwards: 1\r\nProxy-Authorization: Basic YTpi\r\n\r\n",
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\r\n\r\nno",
    b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: ws\r\n\r\n\x81\x00",
    b"HTTP/1.1 204 None\r\nConnection: close\r\n\r\n",
]
SOCKS = [
    b"\x05\x01\x00\x05\x01\x00\x03\x03web\x00\x50hello",
    b"\x05\x02\x00\x02\x01\x01a\x01b\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50",
    b"\x05\x01\x00\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50",
    b"\x04\x01\x00\x50\x0a\x00\x00\x07me\x00hello",
    b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00web\x00hello",
]
BITS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\r\n\r\n", b"0", b"chunked", b"\xff", b"4, 4"]
FIELDS = [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n", b" x\r\n"]


@st.composite
def mangled(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A valid message with a few mistakes, or plain noise."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 3))
        data = data[:at] + draw(st.sampled_from([b"", *BITS, *FIELDS])) + data[at + cut :]
    return data


def check_refused_in_time(bench: Bench) -> None:
    """However it went: the session comes to its end, and has lost nothing of what it owes."""
    bench.check_sound()
    for end in (bench.client, *bench.dialer.ends):
        end.blocked = False
        if end.peer is not None and not end.was_reset:
            end.unblock()
    for _ in range(4):
        # TCP's keepalive notices a server that is gone; the proxy sets no limit to its silence.
        for end in bench.dialer.ends:
            if end.peer is not None and not end.was_reset:
                end.bring_reset()
        bench.clock.advance(2000)
        bench.clock.run()
    bench.check_sound()
    tunnel = bench.client.peer is not bench.session
    ended = bench.client.ended or bench.client.was_reset
    assert tunnel or ended
    assert bench.clock.set_timers == 0
    if not tunnel:
        assert bench.client.was_reset or bench.client.unconsumed == 0
        assert len(bench.closed.codes) == 1 or not bench.client.was_reset
        for upstream in bench.dialer.ends:
            assert upstream.was_reset or upstream.ended


@given(st.lists(mangled(HTTP), min_size=1, max_size=3), st.integers(1, 300), st.booleans())
def test_mangled_requests(requests: list[bytes], piece: int, auth: bool) -> None:
    bench = Bench(auth="a:b" if auth else None)
    for request in requests:
        if bench.client.was_reset:
            break
        bench.client.bring(request, piece)
        got = bench.client.take()
        assert got == b"" or got.startswith(b"HTTP/1.1 ")
    check_refused_in_time(bench)


@given(st.sampled_from(HTTP), mangled(ANSWERS), st.integers(1, 300), st.booleans())
def test_mangled_answers(request: bytes, answer: bytes, piece: int, ends: bool) -> None:
    bench = Bench()
    bench.client.bring(request)
    if bench.dialer.ends:
        bench.upstream.bring(answer, piece)
        if ends and not bench.upstream.was_reset:
            bench.upstream.bring_end()
    check_refused_in_time(bench)


@given(mangled(SOCKS), st.integers(1, 300), st.booleans())
def test_mangled_handshakes(data: bytes, piece: int, auth: bool) -> None:
    bench = Bench("socks", auth="a:b" if auth else None)
    bench.client.bring(data, piece)
    # 255 bytes for each field, and not one more, are ever waited for.
    bench.client.bring(b"\x01" * 1000)
    assert bench.dialer.ends or bench.client.ended
    check_refused_in_time(bench)


@given(mangled(SOCKS), st.integers(1, 300), st.booleans())
def test_handshakes_that_stop_in_the_middle(data: bytes, piece: int, auth: bool) -> None:
    bench = Bench("socks", auth="a:b" if auth else None)
    bench.client.bring(data, piece)
    said = bench.client.take()
    if not bench.dialer.ends and bench.client.ended:
        last = said.removeprefix(b"\x05\x00").removeprefix(b"\x05\x02").removeprefix(b"\x01\x00")
        assert len(last) in (0, 2, 8, 10) or b"HTTP/1.0 400" in said
    check_refused_in_time(bench)


MOVES = st.one_of(
    st.tuples(st.just("client"), mangled(HTTP)),
    st.tuples(st.just("upstream"), mangled(ANSWERS)),
    st.tuples(st.just("bulk"), st.sampled_from([b"client", b"upstream"])),
    st.tuples(
        st.sampled_from(
            ["settle", "refuse", "end client", "end upstream", "reset upstream", "tick",
             "block client", "block upstream", "unblock"]
        ),
        st.just(b""),
    ),
)  # fmt: skip


class Play:
    """Moves in any order, held to what real ends would do."""

    def __init__(self, kind: str) -> None:
        self.bench = Bench(kind)
        self.bench.dialer.at_once = False
        self.settled = 0
        self.ended: set[int] = set()

    def move(self, name: str, data: bytes) -> None:
        bench = self.bench
        client, ends = bench.client, bench.dialer.ends
        last = ends[-1] if ends else None
        if name == "client" and id(client) not in self.ended:
            client.bring(data)
        elif name == "tick":
            bench.clock.advance(20)
        elif name == "block client":
            client.blocked = True
        elif name == "end client" and id(client) not in self.ended:
            self.ended.add(id(client))
            client.bring_end()
        elif name == "bulk" and data == b"client" and id(client) not in self.ended:
            self._bulk(client)
        elif name == "unblock":
            for end in (client, *ends):
                if end.blocked and not end.was_reset:
                    end.unblock()
        elif last is not None:
            self._upstream(name, data)
        bench.clock.run()

    def _upstream(self, name: str, data: bytes) -> None:
        bench = self.bench
        last = bench.upstream
        open_now = self.settled == len(bench.dialer.ends)
        if name in ("settle", "refuse") and not open_now and not last.was_reset:
            self.settled = len(bench.dialer.ends)
            bench.dialer.outcome = ("refused", "no") if name == "refuse" else None
            bench.dialer.settle()
        elif not open_now:
            return
        elif name == "block upstream":
            last.blocked = True
        elif name == "reset upstream":
            last.bring_reset()
        elif id(last) in self.ended:
            return
        elif name == "upstream":
            last.bring(data)
        elif name == "end upstream":
            self.ended.add(id(last))
            last.bring_end()
        elif name == "bulk" and data == b"upstream":
            self._bulk(last)

    def _bulk(self, end: object) -> None:
        """As much as there is room for, as a socket would."""
        bench = self.bench
        for _ in range(20):
            peer = bench.client.peer if end is bench.client else bench.upstream.peer
            assert peer is not None
            room = peer.room()
            if room <= 0 or bench.client.was_reset:
                return
            (bench.client if end is bench.client else bench.upstream).bring(b"a" * min(room, 65536))


@given(st.lists(MOVES, max_size=25), st.sampled_from(["http", "http", "socks"]))
def test_any_order_of_events(moves: list[tuple[str, bytes]], kind: str) -> None:
    play = Play(kind)
    for name, data in moves:
        play.move(name, data)
        tunnel = play.bench.client.peer is not play.bench.session
        if not tunnel:
            for end in (play.bench.client, *play.bench.dialer.ends):
                assert end.was_reset or end.unconsumed <= MAX_BUFFERED + 1000
    check_refused_in_time(play.bench)
