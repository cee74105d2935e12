"""Port forwards, and the VIPs that are allocated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.manifest import allocate_vip, parse_forward
from norouter_core.model import Forward
from tests.manifest.manifests import forwards, load, load_error, no_deadline, places


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("8080:127.0.0.1:80", Forward(8080, "127.0.0.1", 80)),
        ("8080:127.0.0.1:80/tcp", Forward(8080, "127.0.0.1", 80)),
        ("8080:127.0.0.1:80/TCP", Forward(8080, "127.0.0.1", 80)),
        ("1:[::1]:65535", Forward(1, "::1", 65535)),
        ("1:[fe80::1%eth0]:2", Forward(1, "fe80::1%eth0", 2)),
        ("0443:db:0443", Forward(443, "db", 443)),
        ("5432:my_db.internal.:5432", Forward(5432, "my_db.internal.", 5432)),
        ("22:localhost:22", Forward(22, "localhost", 22)),
    ],
)
def test_good_forwards(text: str, forward: Forward) -> None:
    assert parse_forward(text) == forward


@no_deadline
@given(forwards)
def test_a_forward_reads_back_from_its_text(forward: Forward) -> None:
    assert parse_forward(str(forward)) == forward


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a port forward"),
        ("0", "out of range"),
        ("8080:", "write LISTEN:HOST:PORT"),
        ("2376:/var/run/docker.sock", "a Unix socket cannot be a target"),
        ("2376:unix:/var/run/docker.sock", "a Unix socket cannot be a target"),
        ("8080:web", "write LISTEN:HOST:PORT"),
        ("8080::80", "has no target host"),
        (":web:80", 'listen port "" is not a number'),
        ("8080:web:", 'target port "" is not a number'),
        ("http:web:80", 'listen port "http" is not a number'),
        ("8080:web:http", 'target port "http" is not a number'),
        ("0:web:80", 'listen port "0" is out of range'),
        ("65536:web:80", "out of range"),
        ("80:web:" + "9" * 5000, "out of range"),
        ("-1:web:80", "is not a number"),
        ("+1:web:80", "is not a number"),
        ("\u0661:web:80", "is not a number"),
        ("80: 127.0.0.1:80", 'contains a space (write "80:127.0.0.1:80")'),
        ("80:web:80 ", "contains a space"),
        ("80:web:80\n", "contains a space"),
        (" ", "is not a port forward"),
        ("80:web:80/sctp", 'unknown protocol "sctp"'),
        ("80:web:80/", 'unknown protocol ""'),
        ("80:::1:80", r"write [::1]"),
        ("80:[::1]", "write 8080:[::1]:80"),
        ("80:[::1:80", "write 8080:[::1]:80"),
        ("80:[127.0.0.1]:80", "not an IPv6 address in brackets"),
        ("80:[web]:80", "not an IPv6 address in brackets"),
        ("80:[fe80::1%a/b]:80", "unknown protocol"),
        ("80:127.0.0.1:80:90", "is not a port forward"),
        ("80:127.0.0.256:80", "neither an IP address nor a hostname"),
        ("22:22:22", "neither an IP address nor a hostname"),
        ("80:http://web:80", "protocol"),
        ("80:bücher:80", "xn--"),
    ],
)
def test_bad_forwards(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_forward(text)
    assert message in str(caught.value)


@no_deadline
@given(st.text())
def test_any_other_text_is_a_value_error_in_one_printable_line(text: str) -> None:
    try:
        forward = parse_forward(text)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert parse_forward(str(forward)) == forward


def test_ports_may_stand_unquoted() -> None:
    text = """\
        hosts:
          web:
            ports:
              - 8080:127.0.0.1:80
              - 53:[::1]:53
          db: {ports: [5432:localhost:5432]}
    """
    web, db = load(text).spec.hosts
    assert web.options.ports == (Forward(8080, "127.0.0.1", 80), Forward(53, "::1", 53))
    assert db.options.ports == (Forward(5432, "localhost", 5432),)


def test_one_port_may_be_published_for_tcp_and_for_udp() -> None:
    (web,) = load("""\
        hosts:
          web: {ports: ["53:127.0.0.1:53", "53:127.0.0.1:53/UDP", "54:[::1]:53/udp"]}
    """).spec.hosts
    assert web.options.ports == (
        Forward(53, "127.0.0.1", 53),
        Forward(53, "127.0.0.1", 53, "udp"),
        Forward(54, "::1", 53, "udp"),
    )
    assert list(map(str, web.options.ports)) == [
        "53:127.0.0.1:53",
        "53:127.0.0.1:53/udp",
        "54:[::1]:53/udp",
    ]
    error = load_error("hosts: {web: {ports: ['53:a:53/udp', '53:b:53/udp']}}")
    assert (
        "53:a:53/udp at line 1, column 23 already listens on port 53" in error.problems[0].message
    )


def test_short_forms_lead_to_localhost() -> None:
    ports = (
        load("""\
        hosts:
          web: {cmd: x, ports: [7100, "7101", 8080:80, "53/udp", "54:5353/UDP"]}
    """)
        .spec.hosts[0]
        .options.ports
    )
    assert [str(port) for port in ports] == [
        *("7100:localhost:7100", "7101:localhost:7101", "8080:localhost:80"),
        *("53:localhost:53/udp", "54:localhost:5353/udp"),
    ]


def test_a_proxy_may_stand_beside_a_udp_port() -> None:
    load("""\
        hosts:
          web: {vip: 127.0.42.9, ports: ["80:a:80/udp"], http: {listen: "127.0.42.9:80"}}
    """)


def test_errors_on_ports() -> None:
    text = """\
        hosts:
          web:
            ports:
              - 22:22:22
              - 8080: 127.0.0.1:80
              - 022
              - "80:a:80"
              - "81:a:80/dccp"
              - "80:b:80/tcp"
              - [80]
              -
    """
    error = load_error(text)
    assert places(error) == [(line, 9) for line in (4, 5, 6, 8, 9, 10)] + [(11, 8)]
    by_line = {problem.line: problem for problem in error.problems}
    assert "base 60" in by_line[4].message and by_line[4].hint == 'quote it: "22:22:22"'
    assert by_line[5].hint == 'leave no space after its colon: "8080:127.0.0.1:80"'
    assert "80:a:80 at line 7, column 9" in by_line[9].message


def test_allocated_vips_go_up_from_101_then_fill_the_low_numbers() -> None:
    assert allocate_vip(()) == "127.0.42.101"
    assert allocate_vip(["127.0.42.101", "127.0.42.103"]) == "127.0.42.102"
    high = {f"127.0.42.{n}" for n in range(101, 255)}
    assert allocate_vip(high) == "127.0.42.1"
    every = high | {f"127.0.42.{n}" for n in range(1, 101)}
    assert allocate_vip(every - {"127.0.42.100"}) == "127.0.42.100"
    with pytest.raises(ValueError, match=r"no free VIP in 127\.0\.42\.0/24"):
        allocate_vip(every)


def test_vips_come_from_the_network_of_the_mesh_and_avoid_addresses_in_use() -> None:
    vips = ["10.0.0.1", "127.0.54.101", "127.0.54.7", "127.0.60.1"]
    assert allocate_vip(vips) == "127.0.54.102"
    assert allocate_vip(vips, is_local=True) == "127.0.54.100"
    assert allocate_vip(vips, {"127.0.54.100", "127.0.54.102"}, is_local=True) == "127.0.54.103"
    assert allocate_vip(["10.0.0.1"]) == "127.0.42.101"
    in_use = {"127.0.42.9", "127.0.43.254", "127.0.1.1"}
    assert allocate_vip((), in_use) == "127.0.44.101"
    assert allocate_vip((), in_use, is_local=True) == "127.0.44.100"
