"""The rules for single values: ports, addresses, names, VIPs, forwards, route targets.

They are pure, and raise `ValidationError` for a text that breaks the rule. The manifest, commands
and forms share them.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import islice

from norouter_core.manifest.problems import ValidationError
from norouter_core.model import VIP_POOL, AgentMode, Forward, ProxySpec, format_address
from norouter_core.sanitize import quote

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# Resolvers read a name whose last label is one of these as an IPv4 address (inet_aton).
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_DIGITS = re.compile(r"[0-9]+")
_GLOB_CLASS = re.compile(r"\[[!^]?[A-Za-z0-9_-]+\]")
_ADDRESS_GLOB = re.compile(r"(?=.*[0-9])[0-9.*?]+")

# RFC 1929 gives each of SOCKS's user and password one byte of length.
_MAX_CREDENTIAL = 255

_FORWARD_FORM = "write LISTEN:HOST:PORT, such as 8080:127.0.0.1:80"
_SHORT_FORWARD = re.compile(r"(?:([0-9]+):)?([0-9]+)")
_HERE = "localhost"
_TARGET_FORM = "write a network such as 10.0.0.0/8, or a name such as *.example.com"

_POOL = ipaddress.IPv4Network(VIP_POOL)
_POOLS = 100
"""How many networks, from the default one on, are looked at for one that is not in use."""
_LOCAL_NUMBER = 100
# The low numbers come last, so that the usual manifest reads as NoRouter's own examples do.
_NUMBERS = (*range(101, 255), *range(1, 101))
_VIP_HINT = f"write one such as {_POOL[101]}, or leave vip out"


def closest(name: str, names: Iterable[str]) -> str:
    """Return the one of `names` that `name` is probably a misspelling of, or an empty string."""
    # Bounded both ways: the comparison takes quadratic time, and a mesh may have many hosts.
    plain = {fold(candidate): candidate for candidate in islice(names, 500)}
    found = difflib.get_close_matches(fold(name[:64]), plain, n=1)
    return plain[found[0]] if found else ""


def fold(name: str) -> str:
    """Return a name without what misspellings often differ in: case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()


# Ports and addresses


def parse_port(text: str, what: str = "port") -> int:
    """Return the port number, 1 to 65535, that ASCII digits spell."""
    if not _DIGITS.fullmatch(text):
        raise ValidationError(f"the {what} {quote(text)} is not a number", "use 1 to 65535")
    short = text.lstrip("0")
    if len(short) > 5 or not 1 <= int(short or "0") <= 65535:
        raise ValidationError(f"the {what} {quote(text)} is out of range", "use 1 to 65535")
    return int(short)


def parse_ip(text: str) -> IPAddress | None:
    """Return the address that an IPv4 or IPv6 literal (without brackets) spells, or None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    scope = getattr(address, "scope_id", None)
    return None if scope is not None and not _SCOPE.fullmatch(scope) else address


def parse_listen(text: str, auth: str | None = None) -> ProxySpec:
    """Return the proxy that listens on `IP:PORT` (IPv6 in brackets)."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValidationError(f"{quote(text)} is not IP:PORT", "for example 127.0.0.1:8080")
    number = parse_port(port)
    bracketed = host.startswith("[") and host.endswith("]")
    address = parse_ip(host[1:-1] if bracketed else host)
    if not host:
        hint = f"127.0.0.1:{number} for this host only, 0.0.0.0:{number} for all interfaces"
        raise ValidationError(f"{quote(text)} has no address", hint)
    if address is None or bracketed != (address.version == 6):
        hint = "use an IP address, not a name, and IPv6 in brackets: 127.0.0.1:8080, [::1]:8080"
        raise ValidationError(f"{quote(text)} is not IP:PORT", hint)
    return ProxySpec(str(address), number, auth)


def check_auth(text: str) -> str:
    """Return `text`, which has to be `USER:PASSWORD`. The error never repeats the password."""
    user, colon, password = text.partition(":")
    if not colon or not user or not password:
        hint = 'write both, with a colon between them: "alice:secret"'
        raise ValidationError("not USER:PASSWORD", hint)
    if any(len(part.encode()) > _MAX_CREDENTIAL for part in (user, password)):
        raise ValidationError(f"user or password is longer than {_MAX_CREDENTIAL} bytes")
    if any(ord(ch) < 32 or ord(ch) == 127 for ch in text):
        raise ValidationError("user or password contains a control character")
    return text


# Names


def check_hostname(text: str) -> None:
    """Check that `text` is a hostname.

    A hostname has labels of ASCII letters, digits, `-` and `_`, at most 63 characters each and 253
    in all. The last label is not a number.
    """
    if not text:
        raise ValidationError("the name is empty")
    if not text.isascii():
        message = f"the name {quote(text)} contains characters outside ASCII"
        raise ValidationError(message, "write an international name in its xn-- form")
    if len(text) > 253:
        raise ValidationError(f"the name {quote(text)} is longer than 253 characters")
    labels = text.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            hint = "use letters, digits, - and _, and dots between parts of at most 63 characters"
            raise ValidationError(f"{quote(text)} is not a hostname", hint)
    if _NUMERIC.fullmatch(labels[-1]):
        message = f"{quote(text)} is neither an IP address nor a hostname"
        hint = "a name must not end in a number, which resolvers take for an address"
        raise ValidationError(message, hint)


def strip_dot(name: str) -> str:
    """Return a name without the final dot that marks it as fully qualified."""
    return name[:-1] if name.endswith(".") and len(name) > 1 else name


def parse_agent(text: str) -> AgentMode:
    """Return the agent mode of that name."""
    modes = [mode.value for mode in AgentMode]
    if text not in modes:
        guess = closest(text, modes)
        hint = f"did you mean {guess}?" if guess else f"use one of {', '.join(modes)}"
        raise ValidationError(f"unknown agent mode {quote(text)}", hint)
    return AgentMode(text)


def check_python(text: str) -> str:
    """Return the path or name of a Python."""
    if not re.search(PYTHON_PATTERN, text):
        message = f"{quote(text)} is not the path of a Python"
        raise ValidationError(message, "write a path such as /opt/venv/bin/python3")
    return text


# VIPs


def parse_vip(text: str) -> ipaddress.IPv4Address:
    """Return the VIP that an IPv4 literal spells."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        message = f"the VIP {quote(text)} is not an IPv4 address"
        raise ValidationError(message, _VIP_HINT) from None
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        raise ValidationError(f"the VIP {address} is not a unicast address", _VIP_HINT)
    return address


def mesh_network(vips: Iterable[str], in_use: Iterable[str] = ()) -> ipaddress.IPv4Network:
    """Return the /24 from which a mesh takes its VIPs.

    That is the loopback network of most of its VIPs; for a mesh without any, the first of
    127.0.42.0/24, 127.0.43.0/24 ... of which no address is in use.

    Args:
        vips: of the mesh.
        in_use: addresses of this machine that others use.
    """
    networks = Counter(_prefix(vip) for vip in vips if vip.startswith("127."))
    if networks:
        return ipaddress.IPv4Network(f"{networks.most_common(1)[0][0]}.0/24")
    used = {_prefix(address) for address in in_use}
    first, size = int(_POOL.network_address), _POOL.num_addresses
    pools = (ipaddress.IPv4Network((first + size * n, 24)) for n in range(_POOLS))
    return next((pool for pool in pools if _prefix(str(pool[0])) not in used), _POOL)


def _prefix(address: str) -> str:
    return address.rpartition(".")[0]


def allocate_vip(
    taken: Collection[str], in_use: Collection[str] = (), *, is_local: bool = False
) -> str:
    """Return a free VIP of the mesh's network: the first of .101 to .254 and .1 to .100.

    Args:
        taken: the VIPs of the mesh.
        in_use: addresses of this machine that others use.
        is_local: whether it is for this machine, which gets .100 if that is free.
    """
    network = mesh_network(taken, in_use)
    numbers = (_LOCAL_NUMBER, *_NUMBERS) if is_local else _NUMBERS
    for number in numbers:
        vip = str(network[number])
        if vip not in taken and vip not in in_use:
            return vip
    other = ipaddress.IPv4Address(int(network.network_address) + network.num_addresses + 1)
    raise ValidationError(f"no free VIP in {network}", f"set vip yourself, such as {other}")


# Port forwards


def parse_forward(text: str) -> Forward:
    """Return the port forward that `LISTEN:HOST:PORT[/tcp|/udp]` spells.

    HOST is an IPv4 literal, an IPv6 literal in brackets, or a name. `LISTEN:PORT` and `PORT` mean
    localhost, of either address family.
    """
    words = text.split()
    if words and "".join(words) != text:
        raise ValidationError(f"{quote(text)} contains a space", f"write {quote(''.join(words))}")
    body, slash, proto = text.partition("/")
    if slash and proto.lower() not in ("tcp", "udp"):
        if body.endswith(":") and proto and not proto.startswith("/"):
            message = f"{quote(text)} leads to a file, but a target is HOST:PORT"
            hint = "a Unix socket cannot be a target; serve it at a port, as by socat"
            raise ValidationError(message, hint)
        message = f"{quote(text)}: unknown protocol {quote(proto)}"
        raise ValidationError(message, "write /udp, /tcp or nothing")
    short = _SHORT_FORWARD.fullmatch(body)
    if short:
        body = f"{short[1] or short[2]}:{_HERE}:{short[2]}"
    listen, _, target = body.partition(":")
    host, colon, port = target.rpartition(":")
    if not colon:
        raise ValidationError(f"{quote(text)} is not a port forward", _FORWARD_FORM)
    if host.startswith("[") and not host.endswith("]"):
        hint = "write 8080:[::1]:80 for IPv6"
        raise ValidationError(f"{quote(text)} is not a port forward", hint)
    return Forward(
        parse_port(listen, "listen port"),
        _parse_host(host, text),
        parse_port(port, "target port"),
        proto.lower() or "tcp",
    )


def short_forward(forward: Forward) -> str:
    """Return the shortest text that `parse_forward` reads as `forward`."""
    if forward.host != _HERE:
        return str(forward)
    same = forward.listen == forward.port
    ports = str(forward.port) if same else f"{forward.listen}:{forward.port}"
    return ports if forward.proto == "tcp" else f"{ports}/{forward.proto}"


def _parse_host(host: str, text: str) -> str:
    if not host:
        raise ValidationError(f"{quote(text)} has no target host", _FORWARD_FORM)
    bracketed = host.startswith("[")
    bare = host[1:-1] if bracketed else host
    address = parse_ip(bare)
    is_v6 = address is not None and address.version == 6
    if is_v6 and not bracketed:
        raise ValidationError(f"IPv6 without brackets: {quote(host)}", f"write [{host}]")
    if bracketed and not is_v6:
        raise ValidationError(f"not an IPv6 address in brackets: {quote(host)}", _FORWARD_FORM)
    if address is None:
        if ":" in host:
            raise ValidationError(f"{quote(text)} is not a port forward", _FORWARD_FORM)
        check_hostname(strip_dot(host))
    return bare


def parse_peer(text: str) -> str:
    """Return an entry of `allowFrom`: a network in its canonical form, or a host's name."""
    if "/" in text:
        return _parse_network(text)
    _refuse_address(text)
    check_hostname(strip_dot(text))
    return strip_dot(text)


def parse_peer_host(text: str) -> str:
    """Return an entry of the `allowFrom` of a route, which is a host's name."""
    if "/" in text or parse_ip(text) is not None:
        what = "a network" if "/" in text else "an address"
        raise ValidationError(f"{quote(text)} is {what}", "a route is for hosts: name them")
    return parse_peer(text)


def check_proxy(proxy: ProxySpec) -> ProxySpec:
    """Return `proxy`, which has to say who may use it if other machines can connect."""
    if proxy.is_loopback or proxy.auth or proxy.allow_from or proxy.open:
        return proxy
    address = format_address((proxy.listen_host, proxy.listen_port))
    hint = "use 127.0.0.1, or set auth: USER:PASSWORD, allowFrom: [...] or open: true"
    raise ValidationError(f"{address} is open to other machines", hint)


# Targets of routes


def parse_target(text: str) -> str:
    """Return a network (`10.0.0.0/8`) in its canonical form, or a glob without its final dot.

    A glob knows `*` (any run of characters, dots too), `?` and `[a-z]`, `[!a-z]`.
    """
    if "/" in text:
        return _parse_network(text)
    _refuse_address(text)
    return _parse_glob(text)


def _refuse_address(text: str) -> None:
    """Raise a `ValidationError` for an address where a network is needed."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = parse_ip(bare)
    if address is not None:
        hint = f"write {bare}/{address.max_prefixlen} for this one address"
        raise ValidationError(f"{quote(text)} is an address, not a network", hint)


def _parse_network(text: str) -> str:
    address, _, prefix = text.partition("/")
    if "://" in text:
        raise ValidationError(f"{quote(text)} is a URL", "write its hostname only")
    if not prefix.isdecimal() or not prefix.isascii() or "%" in address:
        raise ValidationError(f"{quote(text)} is not a network", _TARGET_FORM)
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValidationError(f"{quote(text)} is not a network", _TARGET_FORM) from None


def _parse_glob(text: str) -> str:
    glob = strip_dot(text)
    if _ADDRESS_GLOB.fullmatch(glob):
        message = f"{quote(text)} looks like addresses, but a glob matches only names"
        hint = "write a range of addresses as a network, such as 10.0.0.0/16"
        raise ValidationError(message, hint)
    # A wildcard stands for characters of a name, so the rest must make a hostname.
    sample = re.sub(r"[*?]", "x", _GLOB_CLASS.sub("x", glob))
    try:
        check_hostname(sample)
    except ValidationError as error:
        message = f"{quote(text)} is neither a network nor a hostname glob"
        hint = error.hint if sample == glob else _TARGET_FORM
        raise ValidationError(message, hint) from None
    return glob.replace("[^", "[!")


# The same rules as patterns, as far as a regular expression goes, for the JSON Schema

_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV6 = r"\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]{1,15})?\]"
_NUMBER = r"([0-9]+|0[xX][0-9A-Fa-f]*)"
_NAME = rf"{_LABEL.pattern}(\.{_LABEL.pattern})*"
_PORT = r"0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_TARGET_HOST = rf"({_IPV4}|{_IPV6}|(?!([^.:]*\.)*{_NUMBER}\.?:){_NAME}\.?)"

PORT_PATTERN = f"^{_PORT}$"
VIP_PATTERN = f"^{_IPV4}$"
NAME_PATTERN = rf"^(?!([^.:]*\.)*{_NUMBER}\.?$){_NAME}$"
LISTEN_PATTERN = f"^({_IPV4}|{_IPV6}):{_PORT}$"
AUTH_PATTERN = r"^[^:\u0000-\u001f\u007f]+:[^\u0000-\u001f\u007f]+$"
FORWARD_PATTERN = f"^{_PORT}(:({_TARGET_HOST}:)?{_PORT})?(/([Tt][Cc]|[Uu][Dd])[Pp])?$"
PYTHON_PATTERN = r"^(?!-)[^\u0000-\u001f\u007f]+$"
TARGET_PATTERN = r"^(?!(?=.*[0-9])[0-9.*?]+$)(?!.*://)\S+$"
