"""Hosts and the template: every key, its default, its errors and their places."""

from __future__ import annotations

import re

import pytest

from norouter_core.manifest import VipChoice, load_text
from norouter_core.model import AgentMode, DnsSpec, Forward, HostOptions, ProxySpec, StateDir
from tests.manifest.manifests import load, load_error, places

FULL = """\
hostTemplate:
  ports: ["9090:127.0.0.1:9090", "8080:127.0.0.1:1"]
  writeEtcHosts: true
  agent: python
hosts:
  local:
    vip: 127.0.42.100
  web:
    vip: "127.0.42.101"
    cmd: "docker exec -i 'my web' norouter"
    aliases: [www, web.example.com]
    ports:
      - 8080:127.0.0.1:80
      - "53:dns.internal:53/tcp"
      - "6379:[fd00::17]:6379"
    http: {listen: "127.0.0.1:18080", auth: "alice:se:cret"}
    socks: {listen: "[::1]:18081"}
    dns: {port: 5353, disable: false}
    loopback: {disable: yes}
    stateDir: {pathOnAgent: "~/x ${HOME}", disable: false}
    writeEtcHosts: off
    agent: norouter
    python: /opt/venv/bin/python3
  db:
    vip: 127.0.42.102
    cmd: [ssh, -T, "a b", db]
routes:
  - via: WEB
    to: ["*.cloud.example.com", 10.0.0.0/8]
    notTo: ["10.1.0.0/16"]
"""


def test_every_key_is_read() -> None:
    loaded = load(FULL)
    assert loaded.warnings == ()
    web = loaded.spec.hosts[1]
    assert web.cmd == "docker exec -i 'my web' norouter"
    assert web.aliases == ("www", "web.example.com")
    assert web.options == HostOptions(
        ports=(
            Forward(8080, "127.0.0.1", 80),
            Forward(53, "dns.internal", 53),
            Forward(6379, "fd00::17", 6379),
        ),
        http=ProxySpec("127.0.0.1", 18080, "alice:se:cret"),
        socks=ProxySpec("::1", 18081),
        dns=DnsSpec(5353, False),
        loopback=False,
        state_dir=StateDir("~/x ${HOME}", False),
        write_etc_hosts=False,
        agent=AgentMode.NOROUTER,
        python="/opt/venv/bin/python3",
    )
    assert loaded.spec.hosts[2].cmd == ("ssh", "-T", "a b", "db")
    assert loaded.spec.routes[0].via == "WEB"
    assert loaded.spec.routes[0].to == ("*.cloud.example.com", "10.0.0.0/8")
    assert loaded.spec.routes[0].not_to == ("10.1.0.0/16",)


def test_template_is_merged_into_hosts() -> None:
    local, web, db = load(FULL).spec.effective()
    assert [forward.listen for forward in local.ports] == [9090, 8080]
    assert [forward.listen for forward in web.ports] == [8080, 53, 6379, 9090]
    assert (web.write_etc_hosts, db.write_etc_hosts) == (False, True)
    assert (web.agent, db.agent) == (AgentMode.NOROUTER, AgentMode.PYTHON)
    assert web.argv == ("docker", "exec", "-i", "my web", "norouter")


def test_null_means_not_said() -> None:
    text = """\
        hostTemplate:
        routes:
        hosts:
          bare:
          web: {vip: , cmd: , ports: , aliases: ~, http: , socks: {listen: }, loopback: {disable: },
                dns: {port: , disable: }, stateDir: , writeEtcHosts: null, agent: }
    """
    loaded = load(text)
    assert [host.vip for host in loaded.spec.hosts] == ["127.0.42.100", "127.0.42.101"]
    assert all(host.options == HostOptions() for host in loaded.spec.hosts)
    assert loaded.spec.template is None and loaded.spec.routes == ()


def test_vips_are_allocated_around_set_ones() -> None:
    text = """\
        hosts:
          a: {cmd: x}
          b: {cmd: x, vip: 127.0.42.102}
          c:
          d: {cmd: x}
          e:
          f: {cmd: x, vip: 127.0.42.104}
          g: {cmd: x}
    """
    last = [host.vip.rpartition(".")[2] for host in load(text).spec.hosts]
    assert last == ["101", "102", "100", "103", "105", "104", "106"]


def test_this_machine_takes_another_vip_when_100_is_stated() -> None:
    spec = load("hosts: {local: , web: {cmd: x, vip: 127.0.42.100}}").spec
    assert [host.vip for host in spec.hosts] == ["127.0.42.101", "127.0.42.100"]


def test_a_mesh_without_vips_takes_a_network_that_is_not_in_use() -> None:
    choice = VipChoice({"web": "127.0.50.7", "db": "127.0.50.8"}, {"127.0.42.101"})
    text = "hosts: {local: , web: {cmd: x}, db: {cmd: x, vip: 127.0.50.9}, new: {cmd: x}}"
    vips = [host.vip for host in load_text(text, "m", choice).spec.hosts]
    assert vips == ["127.0.50.100", "127.0.50.7", "127.0.50.9", "127.0.50.101"]
    vips = [h.vip for h in load_text(text, "m", VipChoice(in_use=choice.in_use)).spec.hosts]
    assert vips == ["127.0.50.100", "127.0.50.101", "127.0.50.9", "127.0.50.102"]
    text = "hosts: {local: , web: {cmd: x}}"
    vips = [h.vip for h in load_text(text, "m", VipChoice(in_use=choice.in_use)).spec.hosts]
    assert vips == ["127.0.43.100", "127.0.43.101"]


def test_a_used_up_pool_names_the_hosts_left_over() -> None:
    text = "hosts:\n" + "".join(f"  h{n}x: {{cmd: x}}\n" for n in range(256))
    error = load_error(text)
    assert places(error) == [(256, 3)]
    assert str(error).endswith('2 hosts from "h254x" on have no vip: no free VIP in 127.0.42.0/24')


@pytest.mark.parametrize(
    ("host", "column", "message", "hint"),
    [
        ("{vip: 127.0.42}", 15, "not an IPv4 address", "127.0.42.101"),
        ("{vip: 127.0.42.256}", 15, "not an IPv4 address", ""),
        ("{vip: 127.0.042.1}", 15, "not an IPv4 address", ""),
        ("{vip: '::1'}", 15, "not an IPv4 address", ""),
        ("{vip: web.example}", 15, "not an IPv4 address", ""),
        ("{vip: 0.0.0.0}", 15, "not a unicast address", ""),
        ("{vip: 224.0.0.1}", 15, "not a unicast address", ""),
        ("{vip: 127.1}", 15, 'must be text, not a number: "127.1"', 'quote it: "127.1"'),
        ("{cmd: ''}", 15, "cmd of host .* is empty", "leave cmd out"),
        ("{cmd: '  '}", 15, "is empty", ""),
        ("{cmd: []}", 15, "is empty", ""),
        ("{cmd: ['', x]}", 15, "is empty", ""),
        ("{cmd: {docker: exec}}", 15, "must be text, not a mapping", ""),
        ('{cmd: "docker \'x"}', 15, "cannot be split into words: no closing quotation", "list"),
        ("{cmd: 'x \\'}", 15, "no escaped character", ""),
        ("{cmd: [ssh, -p, 22]}", 25, 'a word of cmd .* a whole number: "22"', 'quote it: "22"'),
        ("{cmd: true}", 15, 'a boolean: "true"', 'quote it: "true"'),
        ('{cmd: "a\\0b"}', 15, "NUL", "remove"),
        ('{cmd: "a\\ud800b"}', 15, "surrogate", "remove"),
        ("{aliases: www}", 19, "must be a list", r'\["www"\]'),
        ("{aliases: [a b]}", 20, '"a b" is not a hostname', "letters"),
        ("{aliases: [no]}", 20, "a boolean", 'quote it: "no"'),
        ("{aliases: [~]}", 20, "not null", "remove it"),
        ("{aliases: [web]}", 20, 'duplicate name "web", first at line 2, column 4', "unique"),
        ("{ports: 80}", 17, "must be a list, not a whole number", "- "),
        ("{http: {listen: 8080}}", 25, "must be text", 'quote it: "8080"'),
        ("{http: {listen: ':8080'}}", 25, "has no address", "0.0.0.0:8080"),
        ("{http: {listen: 'localhost:8080'}}", 25, "not IP:PORT", "127.0.0.1:8080"),
        ("{http: {listen: '::1:8080'}}", 25, "not IP:PORT", r"\[::1\]"),
        ("{http: {listen: '127.0.0.1'}}", 25, "not IP:PORT", ""),
        ("{http: {listen: '127.0.0.1:0'}}", 25, "out of range", "65535"),
        ("{http: {listen: ''}}", 25, "not IP:PORT", ""),
        ("{http: {auth: 'a:b'}}", 17, "auth but no listen", "listen: 127.0.0.1:8080"),
        ("{http: {listen: '127.0.0.1:1', auth: 12:34}}", 46, "base 60", 'quote it: "12:34"'),
        ("{http: {listen: '127.0.0.1:1', auth: sesame}}", 46, "not USER:PASSWORD", "alice"),
        ("{http: {listen: '127.0.0.1:1', auth: 'a:'}}", 46, "not USER:PASSWORD", "alice"),
        ("{socks: {listen: '127.0.0.1:1', auth: ':b'}}", 47, "not USER:PASSWORD", "alice"),
        ("{http: 8080}", 16, "must be a mapping", ""),
        ("{dns: 53}", 15, "must be a mapping", ""),
        ("{dns: {port: 0}}", 22, "out of range", "65535"),
        ("{dns: {port: 65536}}", 22, "out of range", "65535"),
        ("{dns: {port: x}}", 22, "not a number", "65535"),
        ("{dns: {port: 0x35}}", 22, "not a number", "65535"),
        ("{dns: {port: [53]}}", 22, "must be a whole number, not a list", ""),
        ("{dns: {port: 5.3}}", 22, "must be a whole number", ""),
        ("{dns: {disable: 1}}", 25, "true or false", ""),
        ("{loopback: true}", 20, "must be a mapping", ""),
        ("{loopback: {disable: 'yes'}}", 30, 'true or false, not text: "yes"', "quotes"),
        ("{loopback: {disable: 1}}", 30, "true or false", ""),
        ("{loopback: {disable: !!bool maybe}}", 30, "true or false", ""),
        ("{writeEtcHosts: 2001-01-01}", 25, "a date", ""),
        ("{stateDir: {pathOnAgent: ''}}", 34, "is empty", ""),
        ("{stateDir: {pathOnAgent: !!binary aGk=}}", 34, "binary data", ""),
        ("{agent: pyhton}", 17, "unknown agent mode", "did you mean python"),
        ("{agent: go-version}", 17, "unknown agent mode", "auto, python, native, norouter"),
        ("[a]", 9, "must be a mapping, not a list", ""),
        ("docker exec -i web", 9, "must be a mapping, not text", ""),
    ],
)
def test_errors_on_a_host(host: str, column: int, message: str, hint: str) -> None:
    error = load_error(f"hosts:\n  {{web: {host}}}\n")
    assert places(error) == [(2, column)], [str(problem) for problem in error.problems]
    assert str(error).startswith(f"mesh.yaml:2:{column}: ")
    assert re.search(message, error.problems[0].message)
    assert re.search(hint, error.problems[0].hint)
    assert error.problems[0].excerpt == f"  {{web: {host}}}"


def test_a_refused_password_is_not_repeated() -> None:
    error = load_error("hosts: {web: {http: {listen: '127.0.0.1:1', auth: 'sesame'}}}")
    assert "sesame" not in str(error) + error.problems[0].hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a b", "is not a hostname"),
        ("-a", "is not a hostname"),
        ("a..b", "is not a hostname"),
        ("'web.'", "is not a hostname"),
        ("'127.0.42.101'", "neither an IP address nor a hostname"),
        ("'1'", "neither an IP address nor a hostname"),
        ("a.0x7f", "neither an IP address nor a hostname"),
        ("bücher", "characters outside ASCII"),
        ("''", "is empty"),
        ("a" * 64, "is not a hostname"),
        (".".join(["a" * 60] * 5), "longer than 253"),
        ("1", 'must be text, not a whole number: "1"'),
        ("no", 'must be text, not a boolean: "no"'),
        ("~", "must be text, not null"),
        ("? [a]", "must be text, not a list"),
        ("1:20", "a number in base 60"),
    ],
)
def test_names_must_be_hostnames(name: str, message: str) -> None:
    error = load_error(
        f"hosts:\n  {name}\n  : {{}}\n" if name[0] == "?" else f"hosts:\n  {name}: {{}}\n"
    )
    assert [problem.line for problem in error.problems] == [2]
    assert message in error.problems[0].message
    assert error.problems[0].hint or "empty" in message or "longer" in message


@pytest.mark.parametrize(
    "name", ["web", "Web-1x", "my_db", "a.b.c", "0x7f.a", "1a", "xn--bcher-kva"]
)
def test_good_names(name: str) -> None:
    assert load(f"hosts: {{{name}: }}").spec.hosts[0].name == name


def test_names_and_vips_are_unique_across_hosts() -> None:
    text = """\
        hosts:
          web: {vip: 127.0.0.7, aliases: [www, www]}
          WEB: {vip: 127.0.0.8}
          db: {vip: 127.0.0.7, aliases: [Www]}
    """
    error = load_error(text)
    assert places(error) == [(2, 40), (3, 3), (4, 13), (4, 34)]
    assert "duplicate VIP 127.0.0.7, first at line 2, column 14" in error.problems[2].message


def test_a_host_written_twice_by_an_alias_is_shown_at_its_key() -> None:
    error = load_error("hosts:\n  a: &a {vip: 127.0.0.7, aliases: [x]}\n  b: *a\n")
    assert places(error) == [(3, 3), (3, 3)]


def test_unknown_keys_are_warned_about_and_ignored() -> None:
    text = """\
        hots: {}
        hostTemplate: {vip: 127.0.0.9, cmd: x, aliases: 3, prots: []}
        hosts:
          web: {VIP: 1, write_etc_hosts: true, zzz: {deep: [1]}, http.listen: x,
                loopback: {disabled: true}}
        routes: [{via: web, to: [a], not_to: [b]}]
    """
    loaded = load(text)
    shown = [(w.line, w.column, w.hint) for w in loaded.warnings]
    assert shown == [
        (1, 1, "did you mean hosts?"),
        (2, 16, "set it on each host"),
        (2, 32, "set it on each host"),
        (2, 40, "set it on each host"),
        (2, 52, "did you mean ports?"),
        (4, 9, "did you mean vip?"),
        (4, 17, "did you mean writeEtcHosts?"),
        (4, 40, shown[7][2]),
        (4, 58, "write `http:` and, indented below it, `listen:`"),
        (5, 20, "did you mean disable?"),
        (6, 30, "did you mean notTo?"),
    ]
    assert shown[7][2].startswith("known keys: vip, cmd, aliases, ports")
    assert loaded.spec.hosts[0].options == HostOptions()


def test_listening_beyond_loopback_is_warned_about() -> None:
    text = """\
        hosts:
          web:
            vip: 10.0.0.7
            http: {listen: "0.0.0.0:8080", open: true}
            socks: {listen: "[::]:1080", auth: "a:b"}
          localhost:
    """
    warnings = load(text).warnings
    assert [(w.line, w.column) for w in warnings] == [(3, 10), (4, 20), (5, 21), (6, 3)]
    assert "not a loopback address" in warnings[0].message
    assert all("open to other machines" in w.message for w in warnings[1:3])


def test_a_proxy_beyond_loopback_says_who_may_use_it() -> None:
    error = load_error("""\
        hosts:
          web: {http: {listen: "0.0.0.0:8080"}, socks: {listen: "10.0.0.7:1080", open: false}}
          db: {http: {listen: "0.0.0.0:8080", allowFrom: [web, 10.0.0.0/8]}}
    """)
    assert [(p.line, p.column) for p in error.problems] == [(2, 24), (2, 57)]
    assert all("open: true" in p.hint for p in error.problems)


def test_proxies_that_collide() -> None:
    text = """\
        hostTemplate: {socks: {listen: "127.0.0.1:1080"}}
        hosts:
          a: {vip: 127.0.42.101, http: {listen: "127.0.0.1:1080"}}
          b: {vip: 127.0.42.102, ports: ["80:x:80"], http: {listen: "127.0.42.102:80"}}
          c: {vip: 127.0.42.103, loopback: {disable: true}, http: {listen: "127.0.42.102:80"}}
    """
    error = load_error(text)
    assert places(error) == [(1, 23), (4, 52)]
    assert 'a port of host "b" already listens' in error.problems[1].message


def test_a_port_takes_the_place_of_the_dns_and_says_so() -> None:
    text = """\
        hostTemplate: {ports: ["10053:x:1"]}
        hosts:
          a: {vip: 127.0.42.101, ports: ["10053:x:53"]}
          b: {vip: 127.0.42.102, dns: {disable: true}}
          c: {vip: 127.0.42.103, dns: {port: "53"}}
    """
    (warning,) = load(text).warnings
    assert (warning.line, warning.column) == (3, 33)
    assert 'port 10053 of host "a" replaces its DNS' in warning.message
    assert "dns: {port: 10054}" in warning.hint


def test_dns_that_collides() -> None:
    text = """\
        hostTemplate: {dns: {port: 53}}
        hosts:
          a: {vip: 127.0.42.101, ports: ["53:x:53"]}
          b: {vip: 127.0.42.102, ports: ["54:x:53"], dns: {port: 54}}
          c: {vip: 127.0.42.103, socks: {listen: "127.0.42.102:54"}}
          d: {vip: 127.0.42.104, socks: {listen: "127.0.42.103:53"}}
    """
    error = load_error(text)
    assert places(error) == [(1, 21), (4, 51), (5, 33), (6, 33)]
    assert 'the DNS of host "b" is on port 54' in error.problems[1].message
    assert 'the DNS of host "c" already listens' in error.problems[3].message


def test_many_errors_come_at_once_and_in_order() -> None:
    text = """\
        hosts:
          web: {vip: x, cmd: '', ports: [0, "2:x:99999"]}
          web: {}
          db: {cmd: ok, portz: []}
        routes:
          - {via: nobody, to: [1.2.3.4]}
    """
    error = load_error(text)
    assert places(error) == [(2, 14), (2, 22), (2, 34), (2, 37), (3, 3), (6, 11), (6, 24)]
    assert [(w.line, w.column) for w in error.warnings] == [(4, 17)]
    assert str(error).splitlines() == [str(problem) for problem in error.problems]


def test_problems_are_bounded() -> None:
    error = load_error("hosts:\n" + "".join(f"  a{n}: 1\n" for n in range(1000)))
    assert len(error.problems) == 101
    assert "901 more errors" in error.problems[-1].message
