"""Port forwards: `LISTEN:HOST:PORT[/tcp|/udp]`."""

from __future__ import annotations

from yaml.nodes import Node

from norouter_core.manifest.nodes import read_items, read_text
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.report import Report
from norouter_core.manifest.values import check_hostname, parse_ip, parse_port, strip_dot
from norouter_core.model import Forward
from norouter_core.sanitize import quote

_FORM = "write LISTEN:HOST:PORT, such as 8080:127.0.0.1:80"


def parse_forward(text: str) -> Forward:
    """A port forward out of `LISTEN:HOST:PORT[/tcp|/udp]`; HOST is an IPv4 literal, an IPv6 literal
    in brackets, or a name.

    Raises:
        ValueError: anything else; its text says what is wrong and what to write.
    """
    words = text.split()
    if words and "".join(words) != text:
        raise ValidationError(f"{quote(text)} holds a space", f"write {quote(''.join(words))}")
    body, slash, proto = text.partition("/")
    if slash and proto.lower() not in ("tcp", "udp"):
        message = f"{quote(text)} asks for the protocol {quote(proto)}"
        raise ValidationError(message, "write /udp, /tcp or nothing")
    listen, _, target = body.partition(":")
    host, colon, port = target.rpartition(":")
    if not colon:
        raise ValidationError(f"{quote(text)} is not a port forward", _short_hint(listen, target))
    if host.startswith("[") and not host.endswith("]"):
        raise ValidationError(
            f"{quote(text)} is not a port forward", "write 8080:[::1]:80 for IPv6"
        )
    return Forward(
        parse_port(listen, "listen port"),
        _parse_host(host, text),
        parse_port(port, "target port"),
        proto.lower() or "tcp",
    )


def read_ports(node: Node, report: Report, where: str) -> tuple[Forward, ...]:
    """The port forwards of a list; those with errors are reported and left out."""
    found: dict[tuple[int, str], tuple[Forward, Node]] = {}
    what = f"a port forward of {where}"
    for item in read_items(node, report, f"ports of {where}"):
        text = read_text(item, report, what)
        if text is None:
            continue
        try:
            forward = parse_forward(text)
        except ValidationError as refused:
            report.refuse(item, refused, what)
            continue
        key = forward.listen, forward.proto
        if key in found:
            first = found[key]
            message = taken_message(where, first[0])
            hint = "publish it at another listen port, or remove one"
            report.error(item, f"{message} at {report.place(first[1])}", hint)
        else:
            found[key] = forward, item
    return tuple(forward for forward, _ in found.values())


def taken_message(owner: str, first: Forward) -> str:
    """That a listen port is taken, by `first`; `owner` is whose ports they are."""
    return f"{owner} already listens on port {first.listen}: {first}"


def _short_hint(listen: str, target: str) -> str:
    if listen.isdecimal() and (target.isdecimal() or not target):
        return f"name what to dial: {listen[:5]}:127.0.0.1:{(target or listen)[:5]}"
    return _FORM


def _parse_host(host: str, text: str) -> str:
    if not host:
        raise ValidationError(f"{quote(text)} names no host to dial", _FORM)
    bracketed = host.startswith("[")
    bare = host[1:-1] if bracketed else host
    address = parse_ip(bare)
    is_v6 = address is not None and address.version == 6
    if is_v6 and not bracketed:
        raise ValidationError(f"IPv6 without brackets: {quote(host)}", f"write [{host}]")
    if bracketed and not is_v6:
        raise ValidationError(f"no IPv6 address in the brackets: {quote(host)}", _FORM)
    if address is None:
        if ":" in host:
            raise ValidationError(f"{quote(text)} is not a port forward", _FORM)
        check_hostname(strip_dot(host))
    return bare
