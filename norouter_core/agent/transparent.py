"""Transparent listeners: they take clients of any address, as a TPROXY rule of the kernel passes
them on, and learn which address each client has connected to (SPEC.md section 14).

Linux only. The process needs CAP_NET_ADMIN in the user namespace of its network namespace.
"""

from __future__ import annotations

import errno
import socket
from collections import OrderedDict

from norouter_core.agent.listen import Listener, bind
from norouter_core.agent.udp import MAX_READS, UdpClient, UdpListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from norouter_core.agent.io import Io
    from norouter_core.wire.codes import Address

    Accepted = Callable[[socket.socket, Address, Address], None]
    Arrived = Callable[[UdpClient, Address, Address], None]

# From <linux/in.h> and <linux/in6.h>: the socket module lacks them.
_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75
_IP_RECVORIGDSTADDR, _IPV6_RECVORIGDSTADDR = 20, 74

_MAX_SENDERS = 256
"""Sockets kept for replies, each bound to one destination of clients."""
_ANCILLARY_SIZE = 256
_MAPPED = "::ffff:"


class TransparentListener(Listener):
    """A TCP listener; each connection is passed to `accepted(socket, peer, destination)`.

    Raises:
        OSError: the address cannot be bound, or the process lacks the capability.
    """

    def __init__(self, io: Io, host: str, port: int, accepted: Accepted) -> None:
        def pass_on(sock: socket.socket, peer: Address) -> None:
            name = sock.getsockname()
            destination = (_plain(name[0]), name[1])
            if destination[1] == self.address[1]:
                # A client of the listener itself: what it wants is unknown.
                sock.close()
            else:
                accepted(sock, (_plain(peer[0]), peer[1]), destination)

        super().__init__(io, host, port, pass_on)

    def _bind(self, host: str, port: int) -> socket.socket:
        return _bind_any(self._io, host, port, socket.SOCK_STREAM)


class TransparentUdpListener(UdpListener):
    """A UDP listener: a stream for each client and destination."""

    def __init__(self, io: Io, host: str, port: int, arrived: Arrived) -> None:
        self._senders: OrderedDict[Address, socket.socket] = OrderedDict()

        def pass_on(client: UdpClient, key: Address) -> None:
            name, destination = client.name
            arrived(client, (_plain(name[0]), name[1]), destination)

        super().__init__(io, host, port, pass_on)

    def close(self) -> None:
        super().close()
        while self._senders:
            self._senders.popitem()[1].close()

    def reply(self, client: UdpClient, name: tuple[Any, ...], data: memoryview) -> None:
        self._mark_used(client, name)
        client_name, destination = name
        try:
            self._sender(destination).sendto(data, client_name)
        except OSError:
            pass  # the datagram is lost, as any may be

    def _bind(self, host: str, port: int) -> socket.socket:
        sock = _bind_any(self._io, host, port, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVORIGDSTADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVORIGDSTADDR, 1)
        return sock

    def _read(self) -> None:
        buffer = self._io.buffer
        for _ in range(MAX_READS):
            if self._closed:
                return
            try:
                size, ancillary, _, name = self._socket.recvmsg_into([buffer], _ANCILLARY_SIZE)
            except OSError:
                return
            destination = _destination(ancillary)
            if destination is not None and destination[1] != self.address[1]:
                self._receive((name, destination), buffer[:size])

    def _sender(self, destination: Address) -> socket.socket:
        """Return a socket whose datagrams come from `destination`.

        It is not connected: the kernel would pass the client's next datagrams to it.
        """
        sender = self._senders.get(destination)
        if sender is None:
            if len(self._senders) >= _MAX_SENDERS:
                self._senders.popitem(last=False)[1].close()
            host, port = destination
            if self._socket.family == socket.AF_INET6 and ":" not in host:
                host = _MAPPED + host
            sender = bind(self._io, host, port, socket.SOCK_DGRAM, _share_transparently)
            self._senders[destination] = sender
        self._senders.move_to_end(destination)
        return sender


def _bind_any(io: Io, host: str, port: int, kind: int) -> socket.socket:
    """Bind an address; a kernel without IPv6 gets the IPv4 one in place of `::`."""
    try:
        return bind(io, host, port, kind, _make_transparent)
    except OSError as error:
        if host != "::" or error.errno != errno.EAFNOSUPPORT:
            raise
        return bind(io, "0.0.0.0", port, kind, _make_transparent)


def _make_transparent(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
    sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)


def _share_transparently(sock: socket.socket) -> None:
    _make_transparent(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _destination(ancillary: list[tuple[int, int, bytes]]) -> Address | None:
    """Return the address that a datagram was sent to: a `sockaddr_in` or `sockaddr_in6`."""
    for level, kind, data in ancillary:
        port = int.from_bytes(data[2:4], "big")
        if (level, kind) == (socket.IPPROTO_IP, _IP_RECVORIGDSTADDR):
            return socket.inet_ntop(socket.AF_INET, data[4:8]), port
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_RECVORIGDSTADDR):
            return _plain(socket.inet_ntop(socket.AF_INET6, data[8:24])), port
    return None


def _plain(host: str) -> str:
    """Return an IPv4 address without the prefix that an IPv6 socket gives it."""
    return host[len(_MAPPED) :] if host.startswith(_MAPPED) else host
