"""Typed filters over streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.commands.filters import ALL, FIELDS, parse
from norouter_core.commands.tokenizer import TokenError
from norouter_core.engine.status import StreamState
from tests.commands.streams import STREAM, stream

NOW = 1030.0


def matches(text: str, **said: object) -> bool:
    return parse(text).matches(stream(**said), 1024.0, NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("", "host:db", "host:web", "host:D*", "from:web", "to:db", "from=web", "!to:web"),
        *("target:5432", "target:127.0.0.1:5432", "target:127.0.0", "client:40000"),
        *("listener:127.0.42.2", "listener:127.0.42.?:*", "state:open", "STATE:Open"),
        *("by:loopback", "id:7", "id=7", "bytes>1M", "bytes>=3M", "bytes:>1M", "sent:3M"),
        *("received<1k", "received=512"),
        *("rate>1000", "rate>0.9k/s", "rate<=1k", "age:30", "age>29s", "age<1m", "age>=0.5min"),
        *("5432", "db", "DB", "!nothing", "127.0.0.1:5432", "5432 host:db !state:closed"),
        *("'target:127.0.0.1:5432'", "state:o*"),
    ],
)
def test_what_lets_a_stream_through(text: str) -> None:
    assert matches(text)
    if text and " " not in text:
        turned = text[1:] if text.startswith("!") else f"!{text}"
        assert not matches(turned)


@pytest.mark.parametrize(
    "text",
    ["host:d", "host:dbx", "target:543", "client:4000", "state:opening", "bytes>4M", "age>30s"],
)
def test_what_holds_a_stream_back(text: str) -> None:
    assert not matches(text)


def test_streams_by_proxies_and_states() -> None:
    assert matches("by:http", service="http")
    assert not matches("by:loopback", service="socks")
    assert matches("state:half-closed", state=StreamState.HALF_CLOSED)


def test_who_asks_for_rates_is_known() -> None:
    assert parse("host:db !RATE>1k").needs_rates
    assert not parse("host:db rates").needs_rates


def test_a_stream_without_a_rate_flows_at_none() -> None:
    assert not parse("rate>0").matches(STREAM)
    assert ALL.matches(STREAM)


@pytest.mark.parametrize(
    ("text", "index", "message", "hint"),
    [
        ("host:db byte>1", 8, 'no field "byte"', "did you mean bytes?"),
        ("host:db colour:red", 8, 'no field "colour"', "fields: host, "),
        ("bytes>x", 6, "not a number of bytes", "1.5M"),
        ("!bytes>x", 7, "not a number of bytes", "1.5M"),
        ("age<10q", 4, "not a length of time", "10s"),
        ("id:x", 3, "not a number", ""),
        ("host>db", 4, "host is not a number", "write host:db"),
        ("state:opn", 6, '"opn" is not a possible state', "did you mean open?"),
        ("by:ftp", 3, '"ftp" is not a possible by', "loopback"),
        ("host:", 5, "needs a value", "either end"),
        ("a !", 2, "must follow", "!state:open"),
        ("a 'b", 2, "not closed", ""),
        ("a; b", 3, "second command", ""),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, index: int, message: str, hint: str) -> None:
    with pytest.raises(TokenError) as caught:
        parse(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.index == index


_TERMS = st.tuples(
    st.sampled_from(["", "!"]),
    st.sampled_from([*FIELDS, "x", ""]),
    st.sampled_from([":", ">", "<", ">=", "=", ""]),
    st.text(max_size=6),
).map("".join)


@given(st.one_of(st.text(), st.lists(_TERMS).map(" ".join)))
def test_no_text_breaks_a_filter(text: str) -> None:
    try:
        parse(text).matches(STREAM, 0.0, NOW)
    except TokenError as bad:
        assert 0 <= bad.index <= len(text)
