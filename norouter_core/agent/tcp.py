"""A TCP socket as one end of a stream."""

from __future__ import annotations

import os
import socket
import struct

from norouter_core.agent.ends import End
from norouter_core.agent.io import error_text, reset_code
from norouter_core.wire.backlog import Backlog
from norouter_core.wire.limits import MAX_DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.agent.io import Io
    from norouter_core.wire.codes import Address

# SO_LINGER with a time of 0: the close of a socket sends a RST, the one by the death of the process
# included. So a reset stays a reset, and nobody takes a truncated stream for a whole one.
_LINGER_RESET = struct.pack("ii", 1, 0)
_LINGER_OFF = struct.pack("ii", 0, 0)


class TcpEnd(End):
    """A connected socket, or one that is still being connected (`socket` None).

    The socket does not block, and has the options of `set_options`.

    It reads only as much as the other end has room for, and so holds no input. It holds the output
    that the socket did not take, which the other end's window bounds.
    """

    __slots__ = (
        "_bytes_at_check",
        "_eof_requested",
        "_io",
        "_out",
        "_reading",
        "_received_eof",
        "_send_error",
        "_sent_eof",
        "_started",
        "_writing",
        "closed",
        "dialling",
        "socket",
    )

    def __init__(self, io: Io, sock: socket.socket | None = None) -> None:
        super().__init__()
        self._io = io
        self._out = Backlog()
        self._started = False
        self._reading = False
        self._writing = False
        self._received_eof = False
        self._eof_requested = False
        self._sent_eof = False
        self.closed = False
        self._send_error: OSError | None = None
        self._bytes_at_check = -1
        self.dialling: Cancellable | None = None
        """What to cancel if the end is reset before it has a socket."""
        self.socket = sock

    @property
    def local_address(self) -> Address:
        """The address that the client of a listener has connected to."""
        assert self.socket is not None
        name = self.socket.getsockname()
        return name[0], name[1]

    @property
    def received_eof(self) -> bool:
        """Whether the socket's peer has ended its direction."""
        return self._received_eof

    # -- before and at the connection ------------------------------------------------------

    def connected(self, sock: socket.socket, peer: Address) -> None:
        """Take over the socket of a dial that has succeeded."""
        self.dialling = None
        self.socket = sock
        if self.observer:
            self.observer.end_opened(self, peer)
        if self.closed:
            return
        self._flush()
        if self._started and not self.closed:
            self._read()

    def failed(self, code: str, reason: str) -> None:
        """Note that the dial or the socket has failed, and reset the other end."""
        if self.closed:
            return
        self._close(code, reason)
        if self.peer:
            self.peer.reset(code, reason)

    # -- called by the other end -----------------------------------------------------------

    def start(self) -> None:
        self._started = True
        if self.socket is not None:
            self._read()

    def send(self, data: memoryview) -> None:
        if self.closed:
            return
        if self._send_error is not None:
            self._other().consumed(len(data))
            return
        sent = 0
        if not self._out.size and self.socket is not None:
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                self._send_failed(error, len(data))
                return
            if sent:
                self._other().consumed(sent)
        if sent < len(data):
            self._out.push(data[sent:])
            self._watch_writing()

    def end(self) -> None:
        if not self._eof_requested:
            self._eof_requested = True
            self._send_eof_if_due()

    def reset(self, code: str, reason: str) -> None:
        self._close(code, reason)

    def room(self) -> int:
        if self.closed or self._out.size or self.socket is None:
            return 0
        return len(self._io.buffer)

    def wake(self) -> None:
        if not self._reading and self._started and self.socket is not None:
            self._read()

    def consumed(self, size: int) -> None:
        """Do nothing: a socket needs no credit."""

    # -- reading ---------------------------------------------------------------------------

    def _read(self) -> None:
        if self.closed or self._received_eof:
            return
        assert self.socket is not None
        other = self._other()
        room = other.room()
        if room > 0:
            try:
                size = self.socket.recv_into(self._io.buffer[:room])
            except (BlockingIOError, InterruptedError):
                self._watch_reading(True)
                return
            except OSError as error:
                self._receive_failed(error)
                return
            if size == 0:
                self._on_eof()
                return
            self.bytes_in += size
            other.send(self._io.buffer[:size])
            if self.closed:
                return
            room = other.room()
        if room <= 0:
            # Until the other end calls `wake`, the kernel holds the input.
            self._watch_reading(False)
            self._io.watch_for_reset(self)
        elif self._send_error is not None:
            self._read_soon()
        elif not self._reading:
            self._watch_reading(True)
        elif status := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            # A reset followed these bytes, and there may be more of them. uvloop has stopped
            # watching then: see `_read_soon`.
            self._send_failed(OSError(status, os.strerror(status)), self._out.size)

    def _read_soon(self) -> None:
        """Read a socket that has failed to its end, without waiting until it is readable.

        uvloop stops watching a descriptor at its first error, after one last call.
        """
        self._watch_reading(False)
        self._io.loop.call_soon(self._read)

    def _on_eof(self) -> None:
        self._watch_reading(False)
        if self._send_error is not None:
            # The failed write got the reset; a read sees only the end.
            self._receive_failed(self._send_error)
            return
        self._received_eof = True
        self._io.watch_for_reset(self)
        if self.observer:
            self.observer.end_half_closed(self)
        self._other().end()
        self._close_if_done()

    def check_for_reset(self) -> bool:
        """Check for a reset while nothing is read, when the loop does not watch the socket.

        Return False once that is over.
        """
        if self.closed or self.socket is None or (self._reading and not self._received_eof):
            return False
        if self._send_error is None:
            status = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status == 0:
                return True
            error = OSError(status, os.strerror(status))
            if self._received_eof or not self._has_unread_bytes():
                self._receive_failed(error)
                return False
            self._send_failed(error, self._out.size)
        elif self.bytes_in == self._bytes_at_check:
            self._receive_failed(self._send_error)
            return False
        # Bytes that came before the reset go on as the other end has room; a stalled one never has.
        self._bytes_at_check = self.bytes_in
        return True

    def _has_unread_bytes(self) -> bool:
        assert self.socket is not None
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _receive_failed(self, error: OSError) -> None:
        self.failed(reset_code(error), error_text(error))

    # -- writing ---------------------------------------------------------------------------

    def _flush(self) -> None:
        assert self.socket is not None
        while self._out.size:
            head = self._out.pop(MAX_DATA)
            try:
                sent = self.socket.send(head)
            except (BlockingIOError, InterruptedError):
                self._out.push_front(head)
                self._watch_writing()
                return
            except OSError as error:
                self._send_failed(error, len(head) + self._out.size)
                return
            self._out.push_front(head[sent:])
            self._other().consumed(sent)
            if self.closed:
                return
        if self._writing:
            self._writing = False
            self._io.loop.remove_writer(self.socket.fileno())
        self._send_eof_if_due()
        if not self.closed:
            self._other().wake()

    def _send_failed(self, error: OSError, unsent: int) -> None:
        self._out.clear()
        if self._writing and self.socket is not None:
            self._writing = False
            self._io.loop.remove_writer(self.socket.fileno())
        if self._received_eof:
            self._receive_failed(error)
            return
        # What the peer sent before its reset may still be in the receive buffer (a server's answer
        # to an upload that it cut short, say). The reading side passes that on, then the reset.
        self._send_error = error
        self._other().consumed(unsent)
        if not self.closed:
            self._read_soon()

    def _send_eof_if_due(self) -> None:
        if (
            self._eof_requested
            and not self._out.size
            and not self._sent_eof
            and self.socket is not None
        ):
            self._sent_eof = True
            if self._received_eof:
                self._close_if_done()  # which sends the FIN
                return
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # reset by its peer, which the reading side reports
            self._close_if_done()

    # -- the end ---------------------------------------------------------------------------

    def _close_if_done(self) -> None:
        if self._received_eof and self._sent_eof:
            self._close("closed", "")

    def _close(self, code: str, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        self._out.clear()
        if self.dialling is not None:
            self.dialling.cancel()
            self.dialling = None
        if self.socket is not None:
            self._watch_reading(False)
            if self._writing:
                self._writing = False
                self._io.loop.remove_writer(self.socket.fileno())
            if code == "closed":
                _close_with_fin(self.socket)
            else:
                self.socket.close()
        if self.observer:
            self.observer.end_closed(self, code, reason)

    def _watch_reading(self, on: bool) -> None:
        if on == self._reading or self.socket is None:
            return
        self._reading = on
        if on:
            self._io.loop.add_reader(self.socket.fileno(), self._read)
        else:
            self._io.loop.remove_reader(self.socket.fileno())

    def _watch_writing(self) -> None:
        if not self._writing and self.socket is not None:
            self._writing = True
            self._io.loop.add_writer(self.socket.fileno(), self._flush)

    def _other(self) -> End:
        assert self.peer is not None
        return self.peer


if TYPE_CHECKING:
    from typing import Protocol

    class Cancellable(Protocol):
        def cancel(self) -> None: ...


def set_options(sock: socket.socket) -> None:
    """Set the options of a stream's socket; accepted ones inherit them from a listening one.

    Every close of the socket resets the connection, and so does the death of this process.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)


def _close_with_fin(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
    except OSError:
        pass  # it has been reset already
    sock.close()
