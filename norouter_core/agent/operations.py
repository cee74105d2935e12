"""What an agent can do: listen, dial, resolve, read, write and splice.

The hub calls these over a link; for the machine that it runs on, it calls them directly.
"""

from __future__ import annotations

import contextlib
import errno

from norouter_core.agent import files
from norouter_core.agent.dial import Dial
from norouter_core.agent.direct import DirectTable
from norouter_core.agent.ends import join
from norouter_core.agent.io import error_text
from norouter_core.agent.listen import Listener
from norouter_core.agent.own_files import OwnFiles
from norouter_core.agent.process_identity import block_owner
from norouter_core.agent.resolve import Resolver
from norouter_core.agent.splice import Splice, socket_of
from norouter_core.agent.tcp import TcpEnd
from norouter_core.agent.transparent import TransparentListener, TransparentUdpListener
from norouter_core.agent.udp import UdpClient, UdpEnd, UdpListener
from norouter_core.wire.codes import TCP, UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from typing import Any, Protocol, Tuple

    from norouter_core.agent.ends import End, Observer
    from norouter_core.agent.io import Io
    from norouter_core.agent.wire_end import WireEnd
    from norouter_core.wire.codes import Address
    from norouter_core.wire.messages import Json

    _Wanted = Tuple[str, int, str, bool]  # the agent runs on Python 3.8
    """Host, port and protocol of a listener, and whether it is transparent."""

    class Callbacks(Protocol):
        """What `Operations` calls."""

        def offer(
            self, listener: int, peer: Address, end: End, destination: Address | None
        ) -> None:
            """Take a client that has connected: join or reset `end`.

            `destination` is the address that it has connected to, if the listener is transparent.
            """
            ...

        def report(self, rows: list[list[Any]]) -> None:
            """Report changed direct streams, as rows of SPEC.md section 3."""
            ...


MAX_READ = 32 * 1024
"""Bytes read of a file: in JSON one byte may take six, and a message has a limit."""


class OperationError(Exception):
    """An operation failed; `code` is a stable word, `reason` is for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Operations:
    """One host's side of a mesh."""

    def __init__(self, io: Io, callbacks: Callbacks) -> None:
        self._io = io
        self._callbacks = callbacks
        self._resolver = Resolver(io)
        self._listeners: dict[int, tuple[Listener | UdpListener, _Wanted]] = {}
        self._direct_targets: dict[int, Address | None] = {}
        self._table = DirectTable(io, callbacks.report)
        self._blocks: set[tuple[str, str]] = set()
        """Path and host name of each block written."""
        self._own_files = OwnFiles()

    def listen(
        self,
        number: int,
        host: str,
        port: int,
        direct: Address | None,
        proto: str = TCP,
        transparent: bool = False,
    ) -> Json:
        """Bind an address as listener `number`; return the bound address as in SPEC.md.

        A `transparent` one takes clients of any address (SPEC.md section 14).

        Raises:
            OperationError: `in-use`, `no-address`, `not-allowed` or `bind`.
        """
        wanted = (host, port, proto, transparent)
        known = self._listeners.get(number)
        if known is not None and known[1] != wanted:
            self.unlisten(number)
            known = None
        if known is None:
            try:
                listener = self._bind(number, *wanted)
            except OSError as error:
                codes = {
                    errno.EADDRINUSE: "in-use",
                    errno.EADDRNOTAVAIL: "no-address",
                    errno.EACCES: "not-allowed",
                    errno.EPERM: "not-allowed",
                }
                code = codes.get(error.errno or 0, "bind")
                suffix = "" if proto == TCP else f"/{proto}"
                raise OperationError(code, f"{host}:{port}{suffix}: {error_text(error)}") from None
            known = self._listeners[number] = (listener, wanted)
        elif self._direct_targets.get(number) != direct:
            self._table.kill_listener(number, "unpublished", "the port was changed")
        self._direct_targets[number] = direct
        host, port = known[0].address
        return {"host": host, "port": port}

    def _bind(
        self, number: int, host: str, port: int, proto: str, transparent: bool
    ) -> Listener | UdpListener:
        def connected(sock: socket, peer: Address, destination: Address | None = None) -> None:
            self._on_client(number, TcpEnd(self._io, sock), peer, destination)

        def arrived(client: UdpClient, peer: Address, destination: Address | None = None) -> None:
            self._on_client(number, client, peer, destination)

        if proto == UDP:
            datagrams = TransparentUdpListener if transparent else UdpListener
            return datagrams(self._io, host, port, arrived)
        return (TransparentListener if transparent else Listener)(self._io, host, port, connected)

    def unlisten(self, number: int) -> None:
        """Close a listener and reset its direct streams."""
        known = self._listeners.pop(number, None)
        if known is not None:
            known[0].close()
            self._table.kill_listener(number, "unpublished", "the port is no longer published")

    def dial(self, other: End, host: str, port: int, observer: Observer) -> TcpEnd | UdpEnd:
        """Join `other` to a new end that connects to a target, and return that."""
        if other.datagrams:
            return self._dial_udp(other, host, port, observer)
        end = TcpEnd(self._io)
        end.observer = observer
        join(other, end)
        # Joined first: the dial may fail at once, and its reset must reach `other`.
        Dial(self._io, self._resolver, end, host, port)
        return end

    def _dial_udp(self, other: End, host: str, port: int, observer: Observer) -> UdpEnd:
        end = UdpEnd(self._io)
        end.observer = observer
        join(other, end)
        end.dial(self._resolver, host, port)
        return end

    def splice(
        self, listener: int, client: WireEnd, target: WireEnd, accepted: Callable[[int], None]
    ) -> None:
        """Join the sockets of two streams, which the hub has joined, to each other.

        From then on they are a direct stream. `accepted` gets its number before that.

        Raises:
            OperationError: `gone`, `unpublished` or `too-many`; nothing has changed.
        """
        one, other = socket_of(client), socket_of(target)
        if one is None or other is None or one is other or one.socket is None:
            raise OperationError("gone", "the stream has ended")
        if listener not in self._listeners:
            raise OperationError("unpublished", "the port is no longer published")
        try:
            name = one.socket.getpeername()
        except OSError as error:
            raise OperationError("gone", error_text(error)) from None
        stream = self._table.add(listener, (name[0], name[1]))
        if stream is None:
            raise OperationError("too-many", "too many streams are open here")
        stream.take_over(one, other)
        accepted(stream.number)
        stream.splice = Splice(client, target)

    def resolve(self, name: str, done: Callable[[list[str], str], None]) -> None:
        """Look up a name and call `done(addresses, error)`."""
        self._resolver.resolve(name, done)

    def read(self, path: str, limit: int) -> Json:
        """Return the beginning of a file (`files.read`); `limit` is 1 to 32 KiB.

        Raises:
            OperationError: `no-file`, or `read`.
        """
        try:
            expanded, text, more = files.read(path, max(1, min(limit, MAX_READ)))
        except FileNotFoundError as error:
            raise OperationError("no-file", f"{path}: {error_text(error)}") from None
        except OSError as error:
            raise OperationError("read", f"{path}: {error.strerror or error}") from None
        return {"path": expanded, "text": text, "more": more}

    def write(self, path: str, text: str, mode: str, name: str = "") -> Json:
        """Write a file (`files.write`).

        A block belongs to this process and to the host `name`, and is removed with them; a file
        that was replaced is removed with this process (`OwnFiles`). A file that norouter did not
        write is not replaced, so that nothing is lost in a directory that was named by mistake,
        such as `/etc`.

        Raises:
            OperationError: `write`.
        """
        try:
            if mode == "replace" and files.is_foreign(path):
                raise OperationError(
                    "write", f"{path}: the file exists and was not written by norouter"
                )
            if mode == "replace":
                expanded, changed = self._own_files.write(path, text)
            else:
                expanded, changed = files.write(path, text, mode, block_owner(name))
        except OSError as error:
            raise OperationError(
                "write", f"{error.filename or path}: {error_text(error)}"
            ) from None
        except ValueError as error:
            raise OperationError("write", str(error)) from None
        if mode == "block":
            self._blocks.add((expanded, name))
        else:
            self._blocks.discard((expanded, name))
        return {"path": expanded, "changed": changed}

    def kill(self, number: int) -> None:
        """Reset a direct stream."""
        self._table.kill(number, "killed", "killed")

    def close(self) -> None:
        """Close listeners, reset direct streams, remove blocks and own files; report no more."""
        for path, name in self._blocks:
            with contextlib.suppress(OSError, ValueError):
                files.write(path, "", "remove-block", block_owner(name))
        self._blocks.clear()
        self._own_files.remove()
        for number in list(self._listeners):
            self.unlisten(number)
        self._table.close()

    def _on_client(
        self, number: int, client: TcpEnd | UdpClient, peer: Address, destination: Address | None
    ) -> None:
        target = self._direct_targets.get(number)
        if target is None:
            self._callbacks.offer(number, peer, client, destination)
            return
        stream = self._table.add(number, peer)
        if stream is None:
            client.reset("too-many", "too many streams are open here")
            return
        stream.client, client.observer = client, stream
        stream.target = self.dial(client, *target, stream)
