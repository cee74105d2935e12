"""JSON messages and the JSON objects inside stream frames (SPEC.md section 3)."""

from __future__ import annotations

import json
from functools import lru_cache

from norouter_core.wire.codes import PROTOCOLS, TCP
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import MAX_AGENT_VALUES, MAX_DEPTH, MAX_HOST, MAX_JSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from norouter_core.wire.codes import Address
    from norouter_core.wire.frames import Buffer

    Json = dict[str, Any]


def encode(value: Json) -> bytes:
    """Return a JSON object as compact UTF-8.

    Raises:
        ValueError: it is larger than 1 MiB.
    """
    # ASCII only: a lone surrogate (of an undecodable file name, say) must not become bytes that
    # the peer refuses.
    data = _ENCODE(value).encode("ascii")
    if len(data) > MAX_JSON:
        raise ValueError(f"a message of {len(data)} bytes is over the limit of {MAX_JSON}")
    return data


def decode(payload: Buffer) -> Json:
    """Return the JSON object in a payload.

    Raises:
        RemoteProtocolError: code `json`.
    """
    data = bytes(payload)
    try:
        value = _DECODE(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("json", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RemoteProtocolError("json", f"a {type(value).__name__} instead of an object")
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH:  # fewer cannot be nested deeper
        _check_depth(value)
    return value


def decode_agent(payload: Buffer) -> Json:
    """Return the JSON object in a message of an agent, which has at most `MAX_AGENT_VALUES`.

    Raises:
        RemoteProtocolError: code `json`.
    """
    data = bytes(payload)
    # Their number bounds the time that the hub spends on a message, more than its size does. What
    # a text contains is counted as well, which is cheap, and no text has so many.
    if data.count(b",") + data.count(b"[") + data.count(b"{") > MAX_AGENT_VALUES:
        raise RemoteProtocolError("json", f"more than {MAX_AGENT_VALUES} values")
    return decode(data)


_MAX_REMEMBERED = 256
"""Bytes of a payload that is worth remembering; the caches must stay small whatever comes."""


@lru_cache(maxsize=64)
def _encoded_items(items: tuple[tuple[str, Any], ...]) -> bytes:
    return encode(dict(items))


def encode_repeated(value: Json) -> bytes:
    """Return `encode(value)`, and remember it: the OPEN of a port is the same for all its clients.

    An object that contains lists is not remembered; tuples take their place.
    """
    try:
        return _encoded_items(tuple(value.items()))
    except TypeError:
        return encode(value)


_decoded = lru_cache(maxsize=64)(decode)


def decode_repeated(payload: Buffer) -> Json:
    """Return `decode(payload)`, which is remembered; the caller must not change it.

    Raises:
        RemoteProtocolError: code `json`.
    """
    return _decoded(bytes(payload)) if len(payload) <= _MAX_REMEMBERED else decode(payload)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """Return a number that can be encoded again, unlike what Python makes of `1e999`."""
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


# Made once: with options, `json.dumps` and `json.loads` make a new one for each call.
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
_DECODE = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return
        level = below
    raise RemoteProtocolError("json", f"nested deeper than {MAX_DEPTH} levels")


def request(number: int, op: str, args: Json) -> Json:
    return {"type": "request", "body": {"id": number, "op": op, "args": args}}


def result(number: int, data: Json) -> Json:
    return {"type": "result", "body": {"request_id": number, "data": data}}


def failure(number: int, code: str, reason: str) -> Json:
    error = {"code": code, "reason": reason}
    return {"type": "result", "body": {"request_id": number, "error": error}}


def event(name: str, data: Json) -> Json:
    return {"type": "event", "body": {"type": name, "data": data}}


def field(holder: Json, key: str, kind: type) -> Any:
    """Return `holder[key]`, which must be of type `kind` (a bool is not an int).

    Raises:
        RemoteProtocolError: code `json`, naming the key.
    """
    value = holder.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RemoteProtocolError("json", f"{key!r} is not {_NAMES[kind]}")
    return value


_NAMES = {int: "a whole number", str: "text", dict: "an object", list: "a list"}


def address(value: Any) -> Address:
    """Return `[HOST, PORT]` as a tuple.

    Raises:
        RemoteProtocolError: code `json`.
    """
    if isinstance(value, list) and len(value) == 2:
        host, port = value
        if isinstance(host, str) and len(host) <= MAX_HOST and type(port) is int:
            if 0 <= port <= 65535:
                return host, port
    raise RemoteProtocolError("json", "not an address of the form [HOST, PORT]")


def protocol(detail: Json) -> str:
    """Return `proto`, which is `TCP` if it is left out.

    Raises:
        RemoteProtocolError: code `json`, for any other value.
    """
    proto = detail.get("proto", TCP)
    if proto not in PROTOCOLS:
        raise RemoteProtocolError("json", "'proto' is neither tcp nor udp")
    return str(proto)
