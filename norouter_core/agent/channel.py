"""A link's descriptors: what differs between pipes, sockets and systems."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from norouter_core.wire.frames import Buffer

    class Channel(Protocol):
        """A non-blocking byte stream each way. `read_fd` and `write_fd` are for the loop."""

        read_fd: int
        write_fd: int

        def read(self, buffer: memoryview) -> int:
            """Read into `buffer` and return the size, 0 at the end.

            Raises:
                BlockingIOError: there is nothing to read yet.
            """
            ...

        def write(self, buffers: list[Buffer]) -> int:
            """Write as much as possible and return the size.

            Raises:
                BlockingIOError: nothing can be written now.
            """
            ...

        def end_writing(self) -> None:
            """Close the sending direction."""
            ...

        def close(self) -> None: ...


_VECTORS = hasattr(os, "readv") and hasattr(os, "writev")
"""False on PyPy and on old systems, which copy once more each way."""


class FdChannel:
    """Any two descriptors of a POSIX system, pipes or sockets."""

    def __init__(self, read_fd: int, write_fd: int, vectors: bool = _VECTORS) -> None:
        self.read_fd = read_fd
        self.write_fd = write_fd
        self._vectors = vectors
        self._ended = False
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    def read(self, buffer: memoryview) -> int:
        if self._vectors:
            return os.readv(self.read_fd, [buffer])
        data = os.read(self.read_fd, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, buffers: list[Buffer]) -> int:
        if self._vectors:
            return os.writev(self.write_fd, buffers)
        return os.write(self.write_fd, b"".join(buffers))

    def end_writing(self) -> None:
        if not self._ended:
            self._ended = True
            os.close(self.write_fd)

    def close(self) -> None:
        self.end_writing()
        os.close(self.read_fd)


class SocketChannel:
    """Two connected sockets, one for each direction, for any system."""

    def __init__(self, reading: socket.socket, writing: socket.socket) -> None:
        self._reading = reading
        self._writing = writing
        reading.setblocking(False)
        writing.setblocking(False)
        self.read_fd = reading.fileno()
        self.write_fd = writing.fileno()

    def read(self, buffer: memoryview) -> int:
        return self._reading.recv_into(buffer)

    def write(self, buffers: list[Buffer]) -> int:
        if hasattr(self._writing, "sendmsg"):
            return self._writing.sendmsg(buffers)
        return self._writing.send(b"".join(buffers))

    def end_writing(self) -> None:
        self._writing.close()

    def close(self) -> None:
        self._writing.close()
        self._reading.close()
