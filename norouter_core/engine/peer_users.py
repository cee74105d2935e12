"""The users behind connections to this machine's own addresses, by sock_diag(7) of Linux.

One request looks up one socket in the kernel's own table (5 us, with 20,000 sockets too), while a
read of `/proc/net/tcp` takes tens of milliseconds.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

from norouter_core.agent.io import error_text
from norouter_core.agent.tcp import TcpEnd
from norouter_core.agent.udp import UdpClient
from norouter_core.wire.codes import UDP

if TYPE_CHECKING:
    from norouter_core.agent.ends import End
    from norouter_core.engine.log_throttle import LogThrottle
    from norouter_core.engine.publications import Publication
    from norouter_core.wire.codes import Address

_SOCK_DIAG = 4
_BY_FAMILY = 20
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_ADDRESSES = struct.Struct("!HH16s16s")
_ANY = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
"""The interface and the cookie of any socket."""
_REPLY = struct.Struct("=4xHH32x12x12xII")
"""Of `inet_diag_msg`: the ports (in network order), the user and the inode."""
_MAX_REPLY = 4096


class UserCheck:
    """Admits clients of this process's user to the listeners of this machine."""

    def __init__(self, throttle: LogThrottle) -> None:
        self._users = PeerUsers()
        self._throttle = throttle

    def close(self) -> None:
        self._users.close()

    def admit(self, host: str, publication: Publication, end: End, peer: Address) -> bool:
        """Return whether a client of a listener may be served; else reset it."""
        assert isinstance(end, TcpEnd | UdpClient)
        try:
            if self._users.is_own(publication.proto, end.local_address, peer):
                return True
            reason = "it is not of the user that runs norouter"
        except OSError as error:
            reason = f"this system does not tell whose it is ({error_text(error)})"
        end.reset("not-allowed", reason)
        self._throttle.other_user(host, publication.listen_address, peer, reason)
        return False


class PeerUsers:
    """Looks up users; belongs to one thread."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._sequence = 0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def is_own(self, proto: str, local: Address, peer: Address) -> bool:
        """Return whether `peer`, connected to our `local`, is a socket of this process's user.

        Root is no exception, as on the control socket: it can become this user. A socket that its
        program has closed belongs to nobody: its user would be given as 0.

        Raises:
            OSError: the system does not tell.
        """
        found = self._look_up(proto, local, peer)
        return found is not None and found == os.geteuid()

    def _look_up(self, proto: str, local: Address, peer: Address) -> int | None:
        """Return the user of the socket bound to `peer` and connected to `local`, if any."""
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        ends = (peer, local)
        number = socket.IPPROTO_TCP
        if proto == UDP:
            # The kernel looks for the socket that a datagram from the first to the second reaches.
            ends, number = (local, peer), socket.IPPROTO_UDP
        hosts = [socket.inet_pton(family, host.partition("%")[0]) for host, _ in ends]
        request = _REQUEST.pack(family, number, 0, 0xFFFFFFFF)
        request += _ADDRESSES.pack(ends[0][1], ends[1][1], *hosts) + _ANY
        reply = self._ask(request)
        if reply is None:
            return None
        source, target, user, inode = _REPLY.unpack_from(reply)
        # Without a connection, the look-up falls back to a socket that listens at that port.
        is_connected = proto == UDP or socket.ntohs(target) == local[1]
        is_it = socket.ntohs(source) == peer[1] and is_connected and inode != 0
        return user if is_it else None

    def _ask(self, request: bytes) -> memoryview | None:
        """Return what the kernel answers, which it does at once; None if there is no socket."""
        if self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_NETLINK, kind, _SOCK_DIAG)
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        size = _HEADER.size + len(request)
        self._socket.send(_HEADER.pack(size, _BY_FAMILY, 1, self._sequence, 0) + request)
        while True:
            reply = memoryview(self._socket.recv(_MAX_REPLY))
            _, kind, _, sequence, _ = _HEADER.unpack_from(reply)
            if sequence == self._sequence:
                break
        if kind == _BY_FAMILY:
            return reply[_HEADER.size :]
        (error,) = struct.unpack_from("=i", reply, _HEADER.size)
        if -error in (errno.ENOENT, errno.ESTALE):
            return None
        raise OSError(-error, os.strerror(-error))
