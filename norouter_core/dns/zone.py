"""The records of the mesh itself: names to VIPs, and VIPs to names."""

from __future__ import annotations

from collections.abc import Iterable

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
from dns.rdatatype import RdataType

from norouter_core.model import Host


class Zone:
    """The names, aliases and VIPs of a mesh; case does not matter. Names that DNS cannot hold are
    left out.
    """

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._vips: dict[dns.name.Name, str] = {}
        self._pointers: dict[dns.name.Name, dns.name.Name] = {}
        for host in hosts:
            for text in (host.name, *host.aliases):
                name = _name(text)
                if name is not None:
                    self._vips.setdefault(name, host.vip)
            canonical = _name(host.name)
            if canonical is not None:
                self._pointers.setdefault(dns.reversename.from_address(host.vip), canonical)

    def lookup(self, name: dns.name.Name, rdtype: RdataType) -> dns.rdata.Rdata | None:
        """Return the one record of `name` of that type; None if there is none.

        A question for `ANY` gets whichever exists: one record set is a complete answer (RFC 8482).
        """
        vip = self._vips.get(name)
        if vip is not None and rdtype in (RdataType.A, RdataType.ANY):
            return record(RdataType.A, vip)
        pointer = self._pointers.get(name)
        if pointer is not None and rdtype in (RdataType.PTR, RdataType.ANY):
            return record(RdataType.PTR, pointer.to_text())
        return None

    def __contains__(self, name: dns.name.Name) -> bool:
        return name in self._vips or name in self._pointers


def record(rdtype: RdataType, text: str) -> dns.rdata.Rdata:
    """Return a record of class IN from its text.

    Raises:
        dns.exception.DNSException: `text` is not a record of that type.
    """
    return dns.rdata.from_text(dns.rdataclass.IN, rdtype, text)


def _name(text: str) -> dns.name.Name | None:
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        return None
