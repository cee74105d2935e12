"""The loads themselves, as a client runs them: raw sockets, one clock, plain figures."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from benchmarks.protocol import (
    CHUNK,
    COUNT,
    ECHO,
    PATIENCE,
    SINK,
    SOURCE,
    STALL,
    TOUCH,
    Address,
    LoadError,
    Proxy,
    ask,
    check_answer,
    open_stream,
    pass_proxy,
    receive_exactly,
)

_NOISE = memoryview(os.urandom(CHUNK))
_AT_ONCE = 64
_BUFFER = bytearray(CHUNK)
"""One for all streams: what arrives is counted, not kept."""


def bulk(
    address: Address, direction: str, streams: int, size: int, proxy: Proxy | None = None
) -> dict[str, float]:
    """Move `size` bytes over `streams` connections in equal parts, all at once.

    `direction` is `down` (server to client; timed to the client's EOF) or `up` (timed to the
    server's count of what arrived). All connections stand before the clock starts.

    Returns:
        `bytes` moved, `first` and `last`: seconds until the first and the last stream was done.

    Raises:
        LoadError: a stream ended early or moved the wrong number of bytes.
    """
    mode, mover = (SOURCE, _pull) if direction == "down" else (SINK, _push)
    part = size // streams
    socks = [open_stream(address, mode, proxy) for _ in range(streams)]
    try:
        took = _take_turns({sock: mover(sock, part) for sock in socks})
    finally:
        for sock in socks:
            sock.close()
    return {"bytes": part * streams, "first": min(took), "last": max(took)}


_Steps = Generator[int, None, None]
"""Yields the selector event it waits for; each step is one system call on 256 KiB."""


def _take_turns(movers: dict[socket.socket, _Steps]) -> list[float]:
    """Advance each mover by one step whenever its socket is ready; seconds until each ended.

    One loop, not a thread per stream: the scheduler would favour some streams (first finisher
    at 0.2 of the last), and the fairness of what lies between is to be measured.
    """
    took = []
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for sock, mover in movers.items():
            sock.setblocking(False)
            selector.register(sock, next(mover), mover)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise LoadError(f"no stream moved for {PATIENCE:.0f} s")
            for key, _ in ready:
                event = next(key.data, 0)
                if not event:
                    took.append(time.perf_counter() - start)
                    selector.unregister(key.fileobj)
                elif event != key.events:
                    selector.modify(key.fileobj, event, key.data)
    return took


def _pull(sock: socket.socket, size: int) -> _Steps:
    sock.send(COUNT.pack(size))
    total = 0
    yield selectors.EVENT_READ
    while got := sock.recv_into(_BUFFER):
        total += got
        yield selectors.EVENT_READ
    if total != size:
        raise LoadError(f"received {total} of {size} bytes")


def _push(sock: socket.socket, size: int) -> _Steps:
    left = size
    while left:
        yield selectors.EVENT_WRITE
        left -= sock.send(_NOISE[:left])
    sock.shutdown(socket.SHUT_WR)
    yield selectors.EVENT_READ
    answer = sock.recv(COUNT.size)
    if answer != COUNT.pack(size):
        raise LoadError(f"not all of {size} bytes arrived; the server answered {answer.hex()!r}")


def pingpong(address: Address, count: int, size: int = 64) -> list[float]:
    """Round trips of `size` bytes on one connection, in seconds; the first tenth is not kept."""
    message, answer = os.urandom(size), memoryview(bytearray(size))
    trips = []
    with open_stream(address, ECHO) as sock:
        for _ in range(count + count // 10):
            start = time.perf_counter()
            sock.sendall(message)
            receive_exactly(sock, answer)
            trips.append(time.perf_counter() - start)
    return trips[-count:]


def connections(address: Address, count: int, at_once: int, proxy: Proxy | None = None) -> float:
    """Connect, through `proxy` if there is one, send a byte, receive a byte, and close, `count`
    times; return the seconds for all of them.

    Raises:
        LoadError: nothing moved for `PATIENCE` seconds.
        OSError: a connection was refused or reset.
    """
    start = time.perf_counter()
    if at_once == 1:
        for _ in range(count):
            _touch(address, proxy)
    else:
        _Crowd(address, count, at_once, proxy).run()
    return time.perf_counter() - start


def _touch(address: Address, proxy: Proxy | None) -> None:
    # Five system calls and no more; whoever runs the client limits how long it may take.
    with socket.socket() as sock:
        sock.connect(address if proxy is None else (proxy.host, proxy.port))
        if proxy is not None:
            pass_proxy(sock, proxy, address)
        sock.send(TOUCH)
        check_answer(sock, TOUCH)


class _Crowd:
    """Keeps `at_once` connections going in one selector loop until `count` are done."""

    def __init__(
        self, address: Address, count: int, at_once: int, proxy: Proxy | None = None
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._address = address
        self._proxy = proxy
        self._answers: dict[socket.socket, bytes] = {}
        """What a proxy has answered so far."""
        self._left = count
        self._at_once = at_once

    def run(self) -> None:
        with self._selector:
            try:
                self._keep_going()
            finally:
                for key in list(self._selector.get_map().values()):
                    self._end(key.fileobj)

    def _keep_going(self) -> None:
        for _ in range(min(self._at_once, self._left)):
            self._begin()
        while self._selector.get_map():
            ready = self._selector.select(PATIENCE)
            if not ready:
                raise LoadError(f"no connection moved for {PATIENCE:.0f} s")
            for key, _ in ready:
                key.data(key.fileobj)

    def _begin(self) -> None:
        self._left -= 1
        sock = socket.socket()
        sock.setblocking(False)
        proxy = self._proxy
        sock.connect_ex(self._address if proxy is None else (proxy.host, proxy.port))
        first = self._ask if proxy is None else self._ask_proxy
        self._selector.register(sock, selectors.EVENT_WRITE, first)

    def _ask_proxy(self, sock: socket.socket) -> None:
        assert self._proxy is not None
        sock.send(self._proxy.request(self._address))
        self._answers[sock] = b""
        self._selector.modify(sock, selectors.EVENT_READ, self._hear_proxy)

    def _hear_proxy(self, sock: socket.socket) -> None:
        assert self._proxy is not None
        wanted = self._proxy.answer
        piece = sock.recv(len(wanted) - len(self._answers[sock]))
        answer = self._answers[sock] + piece
        if not piece or not wanted.startswith(answer):
            raise LoadError(f"the proxy answered {answer!r}")
        self._answers[sock] = answer
        if answer == wanted:
            del self._answers[sock]
            self._ask(sock)

    def _ask(self, sock: socket.socket) -> None:
        sock.send(TOUCH)
        self._selector.modify(sock, selectors.EVENT_READ, self._finish)

    def _finish(self, sock: socket.socket) -> None:
        check_answer(sock, TOUCH)
        self._end(sock)
        if self._left:
            self._begin()

    def _end(self, sock: Any) -> None:
        self._selector.unregister(sock)
        sock.close()


def first_touch(address: Address, limit: float) -> float:
    """Try until one byte has gone there and back; when that was, by `time.monotonic`.

    Raises:
        LoadError: not within `limit` seconds.
    """
    return _until_done(lambda: open_stream(address, TOUCH).close(), limit)


def first_connection(address: Address, limit: float) -> float:
    """Return the same for a server of any kind: try until it accepts a connection."""
    return _until_done(lambda: socket.create_connection(address, limit).close(), limit)


def _until_done(attempt: Callable[[], None], limit: float) -> float:
    end = time.monotonic() + limit
    while True:
        try:
            attempt()
            return time.monotonic()
        except (OSError, LoadError) as fault:
            if time.monotonic() > end:
                raise LoadError(f"no way through within {limit:.0f} s: {fault}") from fault
        time.sleep(0.002)


class Held:
    """Streams that stay open until `release`: idle ones, busy ones, and ones whose reader has
    stopped.
    """

    def __init__(self) -> None:
        self._socks: list[socket.socket] = []

    def humming(self, address: Address, streams: int, interval: float) -> None:
        """Streams that each send a little every `interval` seconds, one after the other."""
        self._open(address, SINK, streams)
        threading.Thread(target=_hum, args=(list(self._socks), interval), daemon=True).start()

    def idle(self, address: Address, streams: int) -> None:
        self._open(address, TOUCH, streams)

    def stalled(self, address: Address, direction: str, streams: int) -> None:
        """Offer each stream more than anyone may buffer, to a reader that reads nothing.

        All streams stand first: to open one behind the jam of others is another matter.
        """
        endless = COUNT.pack(1 << 40)
        self._open(address, SOURCE if direction == "down" else STALL, streams)
        for sock in self._socks:
            if direction == "down":
                sock.sendall(endless)
            else:
                threading.Thread(target=_push_blindly, args=(sock,), daemon=True).start()

    def _open(self, address: Address, mode: bytes, streams: int) -> None:
        while len(self._socks) < streams:
            # As many at once as the shortest usual accept queue takes.
            asked = [ask(address, mode) for _ in range(min(_AT_ONCE, streams - len(self._socks)))]
            self._socks += asked
            for sock in asked:
                check_answer(sock, mode)

    def release(self) -> None:
        for sock in self._socks:
            # A close alone would not wake a thread that is blocked in `sendall`.
            with contextlib.suppress(OSError):  # the other side was faster
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._socks.clear()


def _hum(socks: list[socket.socket], interval: float) -> None:
    with contextlib.suppress(OSError):  # ends when `release` shuts the sockets down
        while True:
            for sock in socks:
                sock.send(_NOISE[:1000])
                time.sleep(interval / len(socks))


def _push_blindly(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # ends when `release` shuts the socket down
        while True:
            sock.sendall(_NOISE)
