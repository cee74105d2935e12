"""Routes: valid and invalid `via`, `to` and `notTo`."""

from __future__ import annotations

import pytest

from tests.manifest.manifests import load, load_error, places

HOSTS = "hosts: {Web: {vip: 127.0.42.107, aliases: [www.x]}, db: {cmd: x}}\n"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("1.2.3.4/32", "1.2.3.4/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("FD00::/8", "fd00::/8"),
        ("'::1/128'", "::1/128"),
        ("'*'", "*"),
        ("'*.example.com'", "*.example.com"),
        ("'Web-?.example.com.'", "Web-?.example.com"),
        ("'[a-z]*.x'", "[a-z]*.x"),
        ("'n[^0-9].x'", "n[!0-9].x"),
        ("db", "db"),
        ("_srv.x", "_srv.x"),
    ],
)
def test_targets(written: str, meant: str) -> None:
    loaded = load(HOSTS + f"routes:\n  - via: db\n    to: [{written}]\n    notTo: [{written}]\n")
    assert loaded.warnings == ()
    assert loaded.spec.routes[0].to == loaded.spec.routes[0].not_to == (meant,)


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("10.0.0.1", '"10.0.0.1" is an address, not a network', "write 10.0.0.1/32"),
        ("'::1'", "is an address, not a network", "write ::1/128"),
        ("'[::1]'", "is an address, not a network", "write ::1/128"),
        ("10.0.0.0/33", "is not a network", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "is not a network", "10.0.0.0/8"),
        ("10.0.0.0/-1", "is not a network", "10.0.0.0/8"),
        ("10.0.0/24", "is not a network", "10.0.0.0/8"),
        ("10.0.0.0/" + "9" * 5000, "is not a network", "10.0.0.0/8"),
        ("fe80::%eth0/64", "is not a network", "10.0.0.0/8"),
        ("web/24", "is not a network", "10.0.0.0/8"),
        ("http://web", "is a URL", "hostname only"),
        ("10.0.*", "looks like addresses", "10.0.0.0/16"),
        ("10.0.0.999", "looks like addresses", "10.0.0.0/16"),
        ("web:80", "neither a network nor a hostname glob", "letters"),
        ("'{a,b}.x'", "neither a network nor a hostname glob", "letters"),
        ("'[a.x'", "neither a network nor a hostname glob", "letters"),
        ("''", "neither a network nor a hostname glob", ""),
        ("1.5", "must be text", "quote it"),
        ("[x]", "must be text", "without brackets"),
    ],
)
def test_bad_targets(written: str, message: str, hint: str) -> None:
    error = load_error(HOSTS + f"routes:\n  - via: db\n    to: [x, {written}]\n")
    assert places(error) == [(4, 13)]
    assert message in error.problems[0].message
    assert hint in error.problems[0].hint


def test_host_bits_are_cleared_with_a_warning() -> None:
    loaded = load(HOSTS + "routes: [{via: db, to: [10.1.2.3/8, 10.0.0.0/08, '::ff/120']}]")
    assert loaded.spec.routes[0].to == ("10.0.0.0/8", "10.0.0.0/8", "::/120")
    assert [(w.column, w.hint) for w in loaded.warnings] == [
        (25, "write 10.0.0.0/8"),
        (50, "write ::/120"),
    ]


@pytest.mark.parametrize("via", ["Web", "WEB", "web.", "www.X", "127.0.42.107", "127.0.42.101"])
def test_via_names_a_host_an_alias_or_a_vip(via: str) -> None:
    routes = load(HOSTS + f"routes: [{{via: {via}, to: [x]}}]").spec.routes
    assert routes[0].via == via.rstrip(".")


@pytest.mark.parametrize(
    ("route", "column", "message", "hint"),
    [
        ("{via: weeb, to: [x]}", 16, 'via "weeb" is not a host', "did you mean web?"),
        ("{via: 127.0.0.1, to: [x]}", 16, "is not a host, alias or VIP", ""),
        ("{via: '', to: [x]}", 16, "is not a host, alias or VIP", "use a host"),
        ("{via: 5, to: [x]}", 16, "must be text", "quote it"),
        ("{to: [x]}", 10, "no `via`", "add `via`"),
        ("{via: db}", 10, "no `to`", "10.0.0.0/8"),
        ("{via: db, to: }", 10, "no `to`", ""),
        ("{via: db, to: []}", 10, "no `to`", ""),
        ("{via: db, to: 10.0.0.0/8}", 24, "must be a list", '["10.0.0.0/8"]'),
        ("{via: db, to: [x], notTo: x}", 36, "must be a list", '["x"]'),
        ("db", 10, "a route must be a mapping", ""),
    ],
)
def test_bad_routes(route: str, column: int, message: str, hint: str) -> None:
    error = load_error(HOSTS + f"routes: [{route}]")
    assert places(error) == [(2, column)]
    assert message in error.problems[0].message
    assert hint in error.problems[0].hint


def test_routes_must_be_a_list() -> None:
    assert places(load_error(HOSTS + "routes: {via: db, to: [x]}")) == [(2, 9)]


def test_via_of_a_host_with_errors_is_not_told_twice() -> None:
    error = load_error("hosts: {web: {vip: x}}\nroutes: [{via: web, to: [x]}]")
    assert places(error) == [(1, 20)]


def test_a_hint_is_safe_to_print() -> None:
    error = load_error('hosts: {"web\\u202e": }\nroutes: [{via: web, to: [x]}]')
    assert [problem.hint for problem in error.problems][1] == r"did you mean web\u202e?"
