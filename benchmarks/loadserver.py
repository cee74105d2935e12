"""The target of every load: `python -m benchmarks.loadserver` prints its port and serves.

It ends when its standard input does, so that it cannot outlive the benchmark. One selector loop
moves one chunk per ready connection and round: threads would be as fast, but the scheduler then
favours some of 64 streams (first finisher at 0.2 of the last), and fairness is to be measured.
Only the echo has a thread and a blocking socket, for the sake of its latency.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable

from benchmarks.protocol import (
    CHUNK,
    COUNT,
    ECHO,
    SINK,
    SOURCE,
    STALL,
    TOUCH,
    be_patient,
    no_delay,
)

_NOISE = memoryview(os.urandom(CHUNK))
"""What sources send: random, so that no transport gains by compressing it."""


class LoadServer:
    """Listens on 127.0.0.1, see `address`; `run` serves until descriptor `stdin` ends."""

    def __init__(self, stdin: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self._stalled: list[socket.socket] = []
        self._running = True
        self._stdin = stdin
        self._buffer = bytearray(CHUNK)
        self.address: tuple[str, int] = self._listener.getsockname()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(stdin, selectors.EVENT_READ, self._told)

    def run(self) -> None:
        while self._running:
            for key, _ in self._selector.select():
                self._serve(key)
        for sock in [key.fileobj for key in self._selector.get_map().values()]:
            if isinstance(sock, socket.socket):
                sock.close()
        self._selector.close()

    def _serve(self, key: selectors.SelectorKey) -> None:
        try:
            key.data(key.fileobj)
        except BlockingIOError:
            return
        except OSError:
            # The client is gone; a client that stalls its reader goes that way.
            assert isinstance(key.fileobj, socket.socket)
            self._end(key.fileobj)

    def _told(self, _: object) -> None:
        self._running = bool(os.read(self._stdin, 100))
        self._drop_stalled()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            sock, _peer = listener.accept()
            sock.setblocking(False)
            self._expect(sock, selectors.EVENT_READ, self._first_byte, new=True)

    def _expect(
        self, sock: socket.socket, event: int, then: Callable[..., None], new: bool = False
    ) -> None:
        (self._selector.register if new else self._selector.modify)(sock, event, then)

    def _first_byte(self, sock: socket.socket) -> None:
        mode = sock.recv(1)
        sock.send(mode)
        if mode == TOUCH:
            self._expect(sock, selectors.EVENT_READ, self._end)
        elif mode == SOURCE:
            self._expect(sock, selectors.EVENT_READ, self._start_source)
        elif mode == SINK:
            self._expect(sock, selectors.EVENT_READ, self._sink())
        else:
            self._selector.unregister(sock)
            self._leave_loop(mode, sock)

    def _leave_loop(self, mode: bytes, sock: socket.socket) -> None:
        if mode == STALL:
            self._stalled.append(sock)
        elif mode == ECHO:
            threading.Thread(target=_echo, args=(sock,), daemon=True).start()
        else:
            sock.close()

    def _start_source(self, sock: socket.socket) -> None:
        header = sock.recv(COUNT.size)
        if len(header) == COUNT.size:  # in one segment: nobody splits eight bytes
            self._expect(sock, selectors.EVENT_WRITE, self._source(*COUNT.unpack(header)))
        else:
            self._end(sock)

    def _source(self, left: int) -> Callable[[socket.socket], None]:
        def send(sock: socket.socket) -> None:
            nonlocal left
            left -= sock.send(_NOISE[:left])
            if not left:
                sock.shutdown(socket.SHUT_WR)
                self._expect(sock, selectors.EVENT_READ, self._end)

        return send

    def _sink(self) -> Callable[[socket.socket], None]:
        total = 0

        def receive(sock: socket.socket) -> None:
            nonlocal total
            got = sock.recv_into(self._buffer)
            total += got
            if not got:
                sock.send(COUNT.pack(total))
                self._end(sock)

        return receive

    def _end(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()

    def _drop_stalled(self) -> None:
        for sock in self._stalled:
            sock.close()
        self._stalled.clear()


def _echo(sock: socket.socket) -> None:
    buffer = memoryview(bytearray(CHUNK))
    with sock, contextlib.suppress(OSError):
        be_patient(sock)
        no_delay(sock)
        while got := sock.recv_into(buffer):
            sock.sendall(buffer[:got])


def main() -> None:
    server = LoadServer(sys.stdin.fileno())
    print(server.address[1], flush=True)
    server.run()


if __name__ == "__main__":
    main()
