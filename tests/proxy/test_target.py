"""Hosts and authorities."""

from __future__ import annotations

import pytest

from norouter_core.proxy.target import TargetError, parse_authority, parse_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Web.Example", "web.example"),
        ("web.example.", "web.example."),
        ("my_container-1", "my_container-1"),
        ("3com.example", "3com.example"),
        ("10.0.0.7", "10.0.0.7"),
        ("10.0.0.7.", "10.0.0.7"),
        ("::1", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%25eth0", "fe80::1%eth0"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a..b", ".a", "a b", "a/b", "a\0b", "w\u00e9b", "a%41", "a" * 64,
        ".".join(["a" * 63] * 4) + ".a", "127.1", "1", "0x7f.1", "010.0.0.1", "1.2.3.4.5",
        "256.1.1.1", "web.0x10", ":", "1::2::3", "fe80::1%", "fe80::1%a b", "\u0661.1.1.1",
    ],
)  # fmt: skip
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(TargetError):
        parse_host(text)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("web", 80, ("web", 80)),
        ("web:", 80, ("web", 80)),
        ("web:8080", 80, ("web", 8080)),
        ("web:443", None, ("web", 443)),
        ("[::1]", 80, ("::1", 80)),
        ("[::1]:443", None, ("::1", 443)),
        ("web:00080", 80, ("web", 80)),
    ],
)
def test_authorities(text: str, default: int | None, expected: tuple[str, int]) -> None:
    assert parse_authority(text, default) == expected


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("web", None), ("web:", None), ("[::1]", None), ("web:0", 80), ("web:65536", 80),
        ("web:-1", 80), ("web:+1", 80), ("web: 1", 80), ("web:1_0", 80), ("web:\u0661", 80),
        ("::1", 80), ("[::1", 80), ("[::1]x", 80), ("[web]:80", 80), ("u@web:80", 80), ("", 80),
    ],
)  # fmt: skip
def test_what_is_no_authority(text: str, default: int | None) -> None:
    with pytest.raises(TargetError):
        parse_authority(text, default)
