"""Decisions: who dials what for which name, address and port."""

from __future__ import annotations

import pytest

from norouter_core.model import Forward, Host, Route
from norouter_core.routing.table import Decision, LearnedAddresses, RouteKind, RouteTable
from tests.routing.meshes import HOSTS, route


def decide(
    routes: list[Route], target: str, *resolved: str, on: str = "laptop"
) -> tuple[RouteKind, str, str]:
    decision = RouteTable(HOSTS, routes).decide(target, on, resolved)
    return decision.kind, decision.host, decision.target


EVERYTHING = [route("bastion", "* 0.0.0.0/0 ::/0")]


@pytest.mark.parametrize(
    "target",
    [
        "Web",
        "web",
        "WEB.",
        "www.x",
        "www.X.",
        "127.0.42.101",
        "::ffff:127.0.42.101",
        "[::ffff:7f00:2a65]",
        "127.10853",
        "0x7f002a65",
        "2130717285",
    ],
)
def test_the_mesh_wins_over_every_route(target: str) -> None:
    assert decide(EVERYTHING, target) == (RouteKind.MESH, "Web", "127.0.42.101")
    assert decide(EVERYTHING, target, on="Web") == (RouteKind.MESH, "Web", "127.0.42.101")


def test_a_name_that_leads_to_a_vip_is_the_mesh() -> None:
    routes = [route("bastion", "127.0.0.0/8")]
    assert decide(routes, "web.nip.io", "127.0.42.101") == (RouteKind.MESH, "Web", "127.0.42.101")


@pytest.mark.parametrize(
    ("to", "target", "matches"),
    [
        ("*.corp", "a.corp", True),
        ("*.corp", "a.b.CORP.", True),
        ("*.corp", "corp", False),
        ("*.corp", "a.corp.org", False),
        ("*corp", "mycorp", True),
        ("*", "anything.at.all", True),
        ("*", "10.0.0.1", False),
        ("db-?.corp", "db-1.corp", True),
        ("db-?.corp", "db-10.corp", False),
        ("db-[0-9].CORP", "DB-7.corp", True),
        ("db-[!0-9].corp", "db-7.corp", False),
        ("a.*.corp", "a.b.c.corp", True),
        ("db", "db", True),
        ("db.", "db", True),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "0xa.1", True),
        ("::ffff:10.0.0.0/104", "10.1.1.1", True),
        ("0.0.0.0/0", "1.2.3.4", True),
        ("0.0.0.0/0", "fd00::1", False),
        ("::/0", "fd00::1", True),
        ("::/0", "1.2.3.4", False),
        ("fd00::/8", "[fd12::1]", True),
        ("fd00::/8", "fe80::1%eth0", False),
        ("10.0.0.1/32", "10.0.0.1", True),
    ],
)
def test_what_matches(to: str, target: str, matches: bool) -> None:
    way, host, _ = decide([route("bastion", to)], target)
    assert (way, host) == ((RouteKind.VIA, "bastion") if matches else (RouteKind.DIRECT, "laptop"))


def test_names_travel_as_names_and_addresses_in_their_plain_form() -> None:
    assert decide(EVERYTHING, "Db.Corp") == (RouteKind.VIA, "bastion", "Db.Corp")
    assert decide(EVERYTHING, "[FD00::1]") == (RouteKind.VIA, "bastion", "fd00::1")
    assert decide([], "0xa.1") == (RouteKind.DIRECT, "laptop", "10.0.0.1")
    routes = [route("bastion", "10.0.0.0/8")]
    assert decide(routes, "db.corp", "10.0.0.1") == (RouteKind.VIA, "bastion", "db.corp")


def test_the_later_route_wins() -> None:
    routes = [route("bastion", "*.corp 10.0.0.0/8"), route("other", "db.corp 10.1.0.0/16")]
    assert decide(routes, "db.corp")[1] == "other"
    assert decide(routes, "x.corp")[1] == "bastion"
    assert decide(routes, "10.1.2.3")[1] == "other"
    assert decide(routes, "x.corp", "10.1.2.3")[1] == "other"
    assert decide(list(reversed(routes)), "db.corp")[1] == "bastion"


def test_exclusions_pass_on_to_earlier_routes() -> None:
    routes = [
        route("other", "*.corp"),
        route("bastion", "* 10.0.0.0/8", "*.corp 10.9.0.0/16 web-?.y"),
    ]
    assert decide(routes, "a.corp")[1] == "other"
    assert decide(routes, "a.org")[1] == "bastion"
    assert decide(routes, "web-1.y")[:2] == (RouteKind.DIRECT, "laptop")
    assert decide(routes, "10.8.0.1")[1] == "bastion"
    assert decide(routes, "10.9.0.1")[:2] == (RouteKind.DIRECT, "laptop")
    # A name is excluded by where it leads, too: any of its addresses will do.
    assert decide(routes, "nas.home", "10.9.0.1")[:2] == (RouteKind.DIRECT, "laptop")
    assert decide(routes, "nas.home", "10.8.0.1", "10.9.0.1")[:2] == (RouteKind.DIRECT, "laptop")


def test_via_may_be_an_alias_or_a_vip_and_oneself_is_direct() -> None:
    for via in ("WEB", "www.x", "127.0.42.101"):
        assert decide([route(via, "*")], "a")[:2] == (RouteKind.VIA, "Web")
    assert decide([route("www.x", "*")], "a", on="Web") == (RouteKind.DIRECT, "Web", "a")
    # Oneself still ends the search: an earlier route does not get it.
    routes = [route("bastion", "*"), route("laptop", "a")]
    assert decide(routes, "a") == (RouteKind.DIRECT, "laptop", "a")


@pytest.mark.parametrize(
    ("routes", "name", "needed"),
    [
        ([], "a", False),
        ([route("bastion", "*.corp")], "a", False),
        ([route("bastion", "10.0.0.0/8")], "a", True),
        ([route("bastion", "10.0.0.0/8")], "web", False),
        ([route("bastion", "10.0.0.0/8")], "10.0.0.1", False),
        ([route("bastion", "10.0.0.0/8")], "127.1", False),
        # The globs have the last word already.
        ([route("bastion", "*.corp 10.0.0.0/8")], "a.corp", False),
        ([route("bastion", "10.0.0.0/8"), route("other", "*.corp")], "a.corp", False),
        # A network that comes later, or that excludes, may change it.
        ([route("bastion", "*.corp"), route("other", "10.0.0.0/8")], "a.corp", True),
        ([route("bastion", "*.corp", "10.0.0.0/8")], "a.corp", True),
        ([route("bastion", "*.corp", "10.0.0.0/8")], "a.org", False),
        ([route("bastion", "*.corp"), route("other", "10.0.0.0/8", "*.corp")], "a.corp", False),
    ],
)
def test_nothing_is_looked_up_in_vain(routes: list[Route], name: str, needed: bool) -> None:
    assert RouteTable(HOSTS, routes).needs_addresses(name, "laptop") is needed


def test_a_published_port_is_reached_by_its_publication() -> None:
    table = RouteTable(HOSTS, EVERYTHING)
    reached = table.decide_port("WWW.X.", 80, "laptop")
    assert reached.decision == Decision(RouteKind.MESH, "Web", "127.0.42.101")
    assert reached.published == ("127.0.42.101", 80)
    assert reached.dial == ("10.9.9.9", 8080)
    assert reached.code == ""


@pytest.mark.parametrize(
    ("target", "port", "reason"),
    [
        ("web", 81, "Web does not publish port 81; it publishes 80"),
        ("127.0.42.103", 80, "other does not publish port 80; it publishes none"),
        ("bastion", 53, "bastion does not publish port 53; it publishes 22"),
    ],
)
def test_other_ports_of_a_vip_are_refused(target: str, port: int, reason: str) -> None:
    refused = RouteTable(HOSTS, EVERYTHING).decide_port(target, port, "laptop")
    assert (refused.dial, refused.published) == (None, None)
    assert (refused.code, refused.reason) == ("not-allowed", reason)


def test_ports_of_tcp_and_udp_are_different_ports() -> None:
    host = Host("db", "127.0.42.9", None, ports=(Forward(53, "::1", 5353, "udp"),))
    table = RouteTable([host], [])
    assert table.decide_port("db", 53, "db", proto="udp").dial == ("::1", 5353)
    assert table.decide_port("db", 53, "db").code == "not-allowed"
    refused = table.decide_port("127.0.42.9", 54, "db", proto="udp")
    assert refused.reason == "db does not publish port 54/udp; it publishes 53"


def test_ports_elsewhere_are_dialled_as_asked() -> None:
    table = RouteTable(HOSTS, [route("bastion", "*.corp")])
    assert table.decide_port("db.corp", 5432, "laptop").dial == ("db.corp", 5432)
    assert table.decide_port("example.org", 443, "laptop").dial == ("example.org", 443)
    assert table.decide_port("example.org", 443, "laptop").published is None


def test_dns_is_told_of_what_globs_claim() -> None:
    routes = [route("bastion", "*.corp 10.0.0.0/8", "www.corp"), route("other", "db.corp")]
    table = RouteTable(HOSTS, routes)
    assert table.claims("a.Corp.", "laptop") == "bastion"
    assert table.claims("db.corp", "laptop") == "other"
    for unclaimed in ("www.corp", "example.org", "Web", "10.0.0.1"):
        assert table.claims(unclaimed, "laptop") is None
    assert table.claims("a.corp", "bastion") is None


@pytest.mark.parametrize(
    ("bad", "why"),
    [(route("nobody", "*"), "nobody"), (route("bastion", "10.0.0.0/33"), "10.0.0.0/33")],
)
def test_bad_routes(bad: Route, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RouteTable(HOSTS, [bad])


def test_a_route_is_for_the_hosts_that_it_allows() -> None:
    routes = [
        Route("bastion", ("*.corp", "10.0.0.0/8")),
        Route("other", ("db.corp", "10.1.0.0/16"), allow_from=("laptop",)),
    ]
    table = RouteTable(HOSTS, routes)
    for target in ("db.corp", "10.1.0.1"):
        assert table.decide(target, "laptop").host == "other"
        assert table.decide(target, "other").host == "bastion"
    assert table.claims("db.corp", "laptop") == "other"
    assert table.claims("db.corp", "laptop", client="bastion") is None
    assert not table.needs_addresses("db.corp", "laptop")
    assert not table.needs_addresses("db.corp", "other")
    assert table.needs_addresses("www.example.com", "other")


# -- learned ----------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_learned_addresses_hold_for_the_host_that_asked_and_expire() -> None:
    clock = Clock()
    learned = LearnedAddresses(clock)
    table = RouteTable(HOSTS, [route("bastion", "*.corp")], learned)
    assert learned.learn("10.0.0.5", "bastion", "laptop", 60)
    assert learned.learn("::ffff:10.0.0.6", "bastion", "laptop", 60)
    assert table.decide("10.0.0.5", "laptop") == Decision(RouteKind.VIA, "bastion", "10.0.0.5")
    assert table.decide("10.0.0.6", "laptop").host == "bastion"
    assert table.decide("10.0.0.5", "other") == Decision(RouteKind.DIRECT, "other", "10.0.0.5")
    assert table.decide("10.0.0.5", "bastion").kind is RouteKind.DIRECT
    clock.now = 60.0
    assert table.decide("10.0.0.5", "laptop").kind is RouteKind.DIRECT


def test_a_network_of_a_route_wins_over_what_was_learned() -> None:
    """Else a route's host could claim any address, by the answers of its name server."""
    learned = LearnedAddresses(Clock())
    table = RouteTable(HOSTS, [route("bastion", "*.corp"), route("other", "10.0.0.0/8")], learned)
    assert learned.learn("10.0.0.5", "bastion", "laptop", 60)
    assert table.decide("10.0.0.5", "laptop").host == "other"


def test_some_addresses_are_never_learned() -> None:
    learned = LearnedAddresses(Clock())
    for address in ("127.0.0.1", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1"):
        assert not learned.learn(address, "bastion", "laptop", 60)
    for address in ("224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:127.0.0.1", "x", ""):
        assert not learned.learn(address, "bastion", "laptop", 60)
    assert len(learned) == 0


def test_learned_is_bounded_and_forgets_hosts_that_left() -> None:
    learned = LearnedAddresses(Clock(), limit=3)
    for last in range(1, 5):
        learned.learn(f"10.0.0.{last}", "gone" if last == 4 else "bastion", "laptop", 60)
    learned.learn("10.0.0.1", "bastion", "other", 60)
    assert len(learned) == 4
    table = RouteTable(HOSTS, [], learned)
    assert table.decide("10.0.0.1", "laptop").kind is RouteKind.DIRECT
    assert table.decide("10.0.0.2", "laptop").host == "bastion"
    assert table.decide("10.0.0.4", "laptop").kind is RouteKind.DIRECT
    assert table.decide("10.0.0.1", "other").host == "bastion"
    learned.keep({"bastion"})
    assert len(learned) == 3


def test_a_mesh_without_hosts() -> None:
    hosts: tuple[Host, ...] = ()
    assert RouteTable(hosts, []).decide("", "x") == Decision(RouteKind.DIRECT, "x", "")
