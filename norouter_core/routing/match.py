"""Indexed matching of names and addresses against globs and networks."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_WILD = re.compile(r"[*?\[]")
_NUMERIC = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)(?:\.(?:[0-9]+|0x[0-9a-f]*)){0,3}")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def normal_name(name: str) -> str:
    """Return a name as it is compared: in lower case, without the final dot."""
    return (name[:-1] if name.endswith(".") and len(name) > 1 else name).lower()


def parse_address(text: str) -> IPAddress | None:
    """Return the address that a socket would connect to for `text`, or None for a name.

    Brackets around IPv6 are removed, and IPv4-mapped IPv6 is IPv4. The short and hexadecimal forms
    of `inet_aton` (`127.1`, `0x7f000001`) count too: resolvers read them as addresses, so they must
    not bypass a network as if they were names.
    """
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        name = normal_name(text)
        if not _NUMERIC.fullmatch(name):
            return None
        try:
            return ipaddress.IPv4Address(socket.inet_aton(name))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_network(text: str) -> IPNetwork:
    """Return the network of a CIDR; one within `::ffff:0:0/96` becomes its IPv4 network.

    Raises:
        ValueError: `text` is not a CIDR.
    """
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((int(mapped or 0), network.prefixlen - 96))
    return network


class Index:
    """Globs and CIDRs, each with a number; finds the numbers that match a name or an address.

    Globs know `*` (any run of characters, dots too), `?` and `[a-z]`, `[!a-z]`. Plain names and
    `*.suffix`, which nearly all globs are, cost one look-up per label of the name, and networks one
    per prefix length in use. Only other globs are tried one by one.
    """

    __slots__ = ("_exact", "_globs", "_networks", "_suffixes")

    def __init__(self, entries: Iterable[tuple[str, int]] = ()) -> None:
        """Index the entries.

        Raises:
            ValueError: An entry with a `/` is not a network.
        """
        self._exact: dict[str, list[int]] = {}
        self._suffixes: dict[str, list[int]] = {}
        self._globs: list[tuple[re.Pattern[str], int]] = []
        self._networks: dict[tuple[int, int], dict[int, list[int]]] = {}
        for entry, number in entries:
            if is_network(entry):
                self._add_network(parse_network(entry), number)
            else:
                self._add_glob(normal_name(entry), number)

    @property
    def has_networks(self) -> bool:
        return bool(self._networks)

    def by_name(self, name: str) -> Iterator[int]:
        """Yield the numbers of the globs that match a `normal_name`; a number may repeat."""
        yield from self._exact.get(name, ())
        if self._suffixes:
            yield from self._suffixes.get("", ())
            dot = name.find(".")
            while dot >= 0:
                yield from self._suffixes.get(name[dot:], ())
                dot = name.find(".", dot + 1)
        for pattern, number in self._globs:
            if pattern.fullmatch(name):
                yield number

    def by_address(self, address: IPAddress) -> Iterator[int]:
        """Yield the numbers of the networks that contain `address`; a number may repeat."""
        bits, value = address.max_prefixlen, int(address)
        for (width, prefix), networks in self._networks.items():
            if width == bits:
                yield from networks.get(value >> (bits - prefix), ())

    def numbers(self, name: str | None, addresses: Iterable[IPAddress]) -> set[int]:
        """Return the numbers that match the name, or any of the addresses."""
        found = set() if name is None else set(self.by_name(name))
        for address in addresses:
            found.update(self.by_address(address))
        return found

    def _add_network(self, network: IPNetwork, number: int) -> None:
        bits, prefix = network.max_prefixlen, network.prefixlen
        networks = self._networks.setdefault((bits, prefix), {})
        key = int(network.network_address) >> (bits - prefix)
        networks.setdefault(key, []).append(number)

    def _add_glob(self, glob: str, number: int) -> None:
        rest = glob[1:]
        if not _WILD.search(glob):
            self._exact.setdefault(glob, []).append(number)
        elif glob[0] == "*" and not _WILD.search(rest) and rest[:1] in ("", "."):
            self._suffixes.setdefault(rest, []).append(number)
        else:
            self._globs.append((re.compile(fnmatch.translate(glob)), number))


def is_network(entry: str) -> bool:
    """Return whether an entry of `to` or `notTo` is a CIDR, not a glob."""
    return "/" in entry
