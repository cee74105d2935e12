"""The indexed table against a naive one, and its cost."""

from __future__ import annotations

import fnmatch
import ipaddress
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from norouter_core.model import Route
from norouter_core.routing.table import RouteKind, RouteTable
from tests.routing.meshes import HOSTS, route

# Few letters and few networks, so that routes do meet names.
LABELS = st.sampled_from(["a", "b", "ab", "corp", "x-1"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
GLOBS = st.one_of(
    NAMES,
    NAMES.map("*.{}".format),
    NAMES.map("*{}".format),
    st.sampled_from(["*", "?", "a.*.corp", "[ab].corp", "[!a]*", "*.*", "x-?", "??.*", "*.?"]),
)
V4 = st.sampled_from(["10.0.0.1", "10.1.2.3", "192.168.7.1", "1.2.3.4"])
V6 = st.sampled_from(["fd00::1", "fd12:3456::1", "2001:db8::5", "::1"])
ADDRESSES = st.one_of(V4, V6)
NETWORKS = st.one_of(
    st.tuples(V4, st.integers(0, 32)),
    st.tuples(V6, st.integers(0, 128)),
).map(lambda pair: str(ipaddress.ip_network(f"{pair[0]}/{pair[1]}", strict=False)))
ENTRIES = st.lists(st.one_of(GLOBS, NETWORKS), max_size=4).map(tuple)
ROUTES = st.lists(
    st.builds(Route, st.sampled_from(["bastion", "other", "Web", "laptop"]), ENTRIES, ENTRIES),
    max_size=8,
)


def hits(entries: tuple[str, ...], name: str | None, addresses: list[str]) -> bool:
    for entry in entries:
        if "/" in entry:
            network = ipaddress.ip_network(entry)
            if any(ipaddress.ip_address(address) in network for address in addresses):
                return True
        elif name is not None and fnmatch.fnmatchcase(name, entry):
            return True
    return False


def naive(routes: list[Route], name: str | None, addresses: list[str]) -> str:
    for candidate in reversed(routes):
        if hits(candidate.to, name, addresses) and not hits(candidate.not_to, name, addresses):
            return candidate.via
    return "laptop"


@given(ROUTES, NAMES, st.lists(ADDRESSES, max_size=3))
@example([route("bastion", "a"), route("other", "10.0.0.0/8", "a")], "a", ["10.0.0.1"])
@example([route("bastion", "a", "10.0.0.0/8")], "a", ["10.0.0.1"])
def test_names_go_where_the_naive_model_sends_them(
    routes: list[Route], name: str, addresses: list[str]
) -> None:
    table = RouteTable(HOSTS, routes)
    decision = table.decide(name, "laptop", addresses)
    # The model always looks at the addresses, so it shows that the skipped ones do not matter.
    assert decision.host == naive(routes, name, addresses)
    assert (decision.kind is RouteKind.DIRECT) is (decision.host == "laptop")
    assert decision.target == name


@given(ROUTES, ADDRESSES)
def test_addresses_go_where_the_naive_model_sends_them(routes: list[Route], address: str) -> None:
    assert RouteTable(HOSTS, routes).decide(address, "laptop").host == naive(
        routes, None, [address]
    )


@given(ROUTES, NAMES)
def test_addresses_are_asked_for_only_where_a_network_could_matter(
    routes: list[Route], name: str
) -> None:
    if RouteTable(HOSTS, routes).needs_addresses(name, "laptop"):
        assert any("/" in entry for r in routes for entry in (*r.to, *r.not_to))


@given(ROUTES, NAMES, st.lists(ADDRESSES, max_size=2))
def test_a_last_route_for_everything_wins(
    routes: list[Route], name: str, addresses: list[str]
) -> None:
    table = RouteTable(HOSTS, [*routes, route("bastion", "*")])
    assert table.decide(name, "laptop", addresses).host == "bastion"
    assert not table.needs_addresses(name, "laptop")


@given(ROUTES, NAMES, st.lists(ADDRESSES, max_size=2))
def test_a_last_route_that_excludes_changes_nothing(
    routes: list[Route], name: str, addresses: list[str]
) -> None:
    longer = RouteTable(HOSTS, [*routes, route("bastion", "* 0.0.0.0/0 ::/0", "*")])
    table = RouteTable(HOSTS, routes)
    assert longer.decide(name, "laptop", addresses) == table.decide(name, "laptop", addresses)


@given(st.text(max_size=30), ROUTES)
def test_any_text_gets_a_decision(text: str, routes: list[Route]) -> None:
    table = RouteTable(HOSTS, routes)
    decision = table.decide(text, "laptop", [text])
    assert decision.host in {host.name for host in HOSTS}
    assert table.decide_port(text, 1, "laptop").code in ("", "not-allowed")


def _cost(count: int) -> float:
    """Seconds for 200 decisions and a table, with `count` routes."""
    routes = [
        route("bastion", f"*.n{n}.corp h{n}.org 10.{n >> 8 & 255}.{n & 255}.0/24", f"no.n{n}.corp")
        for n in range(count)
    ]
    best = 1e9
    for _ in range(3):
        began = time.process_time()
        table = RouteTable(HOSTS, routes)
        for n in range(200):
            assert table.decide(f"a.n{n % count}.corp", "laptop").host == "bastion"
            assert table.decide(f"10.0.{n % 200}.1", "laptop").host == "bastion"
            assert table.decide("www.example.org", "laptop", ["1.2.3.4"]).host == "laptop"
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.slow
def test_ten_thousand_routes_cost_no_more_than_their_number() -> None:
    # Ten times the routes may cost some ten times as much, not a hundred times.
    assert _cost(10_000) < 30 * _cost(1_000)
