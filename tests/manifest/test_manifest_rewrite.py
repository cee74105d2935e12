"""A manifest's text edited in place: it holds the wanted spec, and nothing else changes."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Callable
from dataclasses import replace

import pytest

from norouter_core.manifest import load_text
from norouter_core.manifest.editing import EditConflict
from norouter_core.manifest.write import rewrite, rewrite_in_place
from norouter_core.model import (
    Forward,
    HostOptions,
    HostSpec,
    MeshSpec,
    ProxySpec,
    Route,
    StateDir,
)

TEXT = """\
# My mesh, kept since 2021.

hostTemplate:
  stateDir: {disable: true}     # no names files

x-shared: &ports                # unknown to the program, known to us
  ports:
    - '9100:127.0.0.1:9100'     # node exporter

hosts:
  # This machine.
  local:
    http: {listen: "127.0.0.1:18080"}   # for curl

  # The web servers,
  # both of them.
  web:
    cmd:   docker exec -i web    # three spaces
    vip: "127.0.42.10"
    ports: ["8080:127.0.0.1:80", '8443:localhost:443/tcp']
    # not yet: aliases: [www]

  "web2":
    <<: *ports
    cmd: [docker, exec, -i, web2]
    vip: 127.0.42.11

  db:
    cmd: ssh db
    vip: 127.0.42.12
    ports:
    # the database
    - 5432:127.0.0.1:5432        # psql

    - "22:127.0.0.1:22"
    writeEtcHosts: yes

# Names beyond.
routes:
- via: web
  to: ["*.internal", 10.0.0.0/8]

# the end
"""
SPEC = load_text(TEXT, "mesh").spec


def host(name: str) -> HostSpec:
    found = SPEC.host(name)
    assert found is not None
    return found


def with_options(name: str, **values: object) -> MeshSpec:
    changed = host(name)
    return SPEC.with_host(replace(changed, options=replace(changed.options, **values)))  # type: ignore[arg-type]  # The fields differ in type.


def without_port(name: str, listen: int) -> MeshSpec:
    ports = host(name).options.ports
    return with_options(name, ports=tuple(port for port in ports if port.listen != listen))


def renamed(old: str, new: str) -> MeshSpec:
    hosts = (replace(each, name=new) if each.name == old else each for each in SPEC.hosts)
    routes = (replace(each, via=new) if each.via == old else each for each in SPEC.routes)
    return replace(SPEC, hosts=tuple(hosts), routes=tuple(routes))


def changes(spec: MeshSpec, text: str = TEXT) -> list[str]:
    """Return the lines that a rewrite removes (`-`) and adds (`+`), in order."""
    new = rewrite_in_place(text, spec)
    assert load_text(new, "mesh").spec == spec
    assert rewrite_in_place(new, spec) == new
    return [line for line in difflib.ndiff(text.splitlines(), new.splitlines()) if line[0] in "+-"]


NEW = HostSpec("new", "127.0.42.20", "ssh new", (), HostOptions(ports=(Forward(1, "::1", 2),)))
CASES: dict[str, tuple[MeshSpec, list[str]]] = {
    "nothing": (SPEC, []),
    "a new host": (
        SPEC.with_host(NEW),
        [
            *("+   new:", '+     vip: "127.0.42.20"', '+     cmd: "ssh new"'),
            *("+     ports:", '+       - "1:[::1]:2"'),
        ],
    ),
    "a new host in front": (
        replace(SPEC, hosts=(replace(NEW, options=HostOptions()), *SPEC.hosts)),
        ["+   new:", '+     vip: "127.0.42.20"', '+     cmd: "ssh new"'],
    ),
    "a host less": (
        replace(SPEC.without_hosts("web"), routes=(Route("web2", SPEC.routes[0].to),)),
        [
            *("-   # The web servers,", "-   # both of them.", "-   web:"),
            *("-     cmd:   docker exec -i web    # three spaces", '-     vip: "127.0.42.10"'),
            "-     ports: [\"8080:127.0.0.1:80\", '8443:localhost:443/tcp']",
            *("-     # not yet: aliases: [www]", "- "),
            *("- - via: web", "+ - via: web2"),
        ],
    ),
    "the last host": (
        SPEC.without_hosts("db"),
        [
            *("-   db:", "-     cmd: ssh db", "-     vip: 127.0.42.12", "-     ports:"),
            *("-     # the database", "-     - 5432:127.0.0.1:5432        # psql", "- "),
            *('-     - "22:127.0.0.1:22"', "-     writeEtcHosts: yes", "- "),
        ],
    ),
    "a renamed host": (
        renamed("web", "www"),
        ["-   web:", "+   www:", "- - via: web", "+ - via: www"],
    ),
    "a renamed host in quotes": (renamed("web2", "no"), ['-   "web2":', '+   "no":']),
    "another command": (
        SPEC.with_host(replace(host("web"), cmd="podman exec -i web")),
        [
            "-     cmd:   docker exec -i web    # three spaces",
            "+     cmd:   podman exec -i web    # three spaces",
        ],
    ),
    "a command of words": (
        SPEC.with_host(replace(host("web2"), cmd=("docker", "exec", "-i", "a b"))),
        [
            "-     cmd: [docker, exec, -i, web2]",
            "+     cmd: [docker, exec, -i, a b]",
        ],
    ),
    "words instead of a command": (
        SPEC.with_host(replace(host("db"), cmd=("ssh", "db"))),
        ["-     cmd: ssh db", '+     cmd: ["ssh", "db"]'],
    ),
    "a vip that was allocated": (
        SPEC.with_host(replace(host("local"), vip="127.0.42.99")),
        ['+     vip: "127.0.42.99"'],
    ),
    "a port more in brackets": (
        with_options("web", ports=(*host("web").options.ports, Forward(1, "a", 2))),
        [
            "-     ports: [\"8080:127.0.0.1:80\", '8443:localhost:443/tcp']",
            '+     ports: ["8080:127.0.0.1:80", \'8443:localhost:443/tcp\', "1:a:2"]',
        ],
    ),
    "a port less in brackets": (
        without_port("web", 8080),
        [
            "-     ports: [\"8080:127.0.0.1:80\", '8443:localhost:443/tcp']",
            "+     ports: ['8443:localhost:443/tcp']",
        ],
    ),
    "a port retargeted in quotes": (
        with_options("web", ports=(host("web").options.ports[0], Forward(8443, "::1", 443))),
        [
            "-     ports: [\"8080:127.0.0.1:80\", '8443:localhost:443/tcp']",
            "+     ports: [\"8080:127.0.0.1:80\", '8443:[::1]:443']",
        ],
    ),
    "a port more below a comment": (
        with_options("db", ports=(*host("db").options.ports, Forward(1, "a", 2))),
        ['+     - "1:a:2"'],
    ),
    "a port more in the middle": (
        with_options(
            "db",
            ports=(host("db").options.ports[0], Forward(1, "a", 2), host("db").options.ports[1]),
        ),
        ['+     - "1:a:2"'],
    ),
    "a port less with its comment": (
        without_port("db", 5432),
        ["-     # the database", "-     - 5432:127.0.0.1:5432        # psql"],
    ),
    "a port retargeted with its comment": (
        with_options("db", ports=(Forward(5432, "db", 5433), host("db").options.ports[1])),
        [
            "-     - 5432:127.0.0.1:5432        # psql",
            "+     - 5432:db:5433        # psql",
        ],
    ),
    "no port any more": (
        with_options("db", ports=()),
        [
            *("-     ports:", "-     # the database"),
            *("-     - 5432:127.0.0.1:5432        # psql", "- ", '-     - "22:127.0.0.1:22"'),
        ],
    ),
    "a proxy in braces": (
        with_options("local", http=ProxySpec("127.0.0.1", 18080, "a:b")),
        [
            '-     http: {listen: "127.0.0.1:18080"}   # for curl',
            '+     http: {listen: "127.0.0.1:18080", auth: "a:b"}   # for curl',
        ],
    ),
    "a proxy less": (
        with_options("local", http=None),
        ['-     http: {listen: "127.0.0.1:18080"}   # for curl'],
    ),
    "a flag": (
        with_options("db", write_etc_hosts=False),
        ["-     writeEtcHosts: yes", "+     writeEtcHosts: false"],
    ),
    "a route more": (
        replace(SPEC, routes=(*SPEC.routes, Route("db", ("*.db",), ("x.db",)))),
        ["+ - via: db", '+   to: ["*.db"]', '+   notTo: ["x.db"]'],
    ),
    "a route changed": (
        replace(SPEC, routes=(Route("db", (*SPEC.routes[0].to, "*.db")),)),
        [
            *("- - via: web", "+ - via: db", '-   to: ["*.internal", 10.0.0.0/8]'),
            '+   to: ["*.internal", 10.0.0.0/8, "*.db"]',
        ],
    ),
    "no route any more": (
        replace(SPEC, routes=()),
        [
            *("- # Names beyond.", "- routes:", "- - via: web"),
            *('-   to: ["*.internal", 10.0.0.0/8]', "- "),
        ],
    ),
    "the template": (
        replace(SPEC, template=HostOptions(state_dir=StateDir("/run/n", True))),
        [
            "-   stateDir: {disable: true}     # no names files",
            '+   stateDir: {pathOnAgent: "/run/n", disable: true}     # no names files',
        ],
    ),
    "what a merge brought": (
        with_options("web2", ports=(Forward(1, "a", 2),)),
        ["+     ports:", '+       - "1:a:2"'],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_only_what_differs_changes(name: str) -> None:
    spec, expected = CASES[name]
    found = [line.rstrip() for line in changes(spec)]
    assert [line for line in found if line not in ("+", "-")] == [
        line for line in expected if line.strip() != "-"
    ]
    assert found.count("-") - found.count("+") == sum(line.strip() == "-" for line in expected)


def test_hosts_are_moved_with_their_comments() -> None:
    spec = replace(SPEC, hosts=SPEC.hosts[::-1])
    new = rewrite_in_place(TEXT, spec)
    assert load_text(new, "mesh").spec == spec
    assert sorted(new.splitlines()) == sorted(TEXT.splitlines())
    assert "  # both of them.\n  web:\n" in new


def test_crlf_stays() -> None:
    text = TEXT.replace("\n", "\r\n")
    for spec, _ in CASES.values():
        new = rewrite_in_place(text, spec)
        assert load_text(new, "mesh").spec == spec
        assert new.count("\n") == new.count("\r\n") == len(new.splitlines())


def test_no_newline_at_the_end() -> None:
    text = TEXT.rstrip()[: -len("\n\n# the end")]
    assert text.endswith("10.0.0.0/8]")
    for spec, _ in CASES.values():
        assert load_text(rewrite_in_place(text, spec), "mesh").spec == spec


def saying(text: str, spec: MeshSpec) -> str:
    new = rewrite_in_place(textwrap.dedent(text), spec)
    assert load_text(new, "mesh").spec == spec
    return new


def test_a_host_that_says_nothing_yet() -> None:
    local = HostSpec("local", "127.0.42.100", options=NEW.options)
    text = "hosts:\n    local:   # this machine\n"
    assert saying(text, MeshSpec((local,))) == (
        'hosts:\n    local:   # this machine\n        vip: "127.0.42.100"\n'
        '        ports:\n            - "1:[::1]:2"\n'
    )
    assert saying("hosts: {local: }\n", MeshSpec((local,))) == (
        'hosts: {local: {vip: "127.0.42.100", ports: ["1:[::1]:2"]} }\n'
    )
    assert saying("hosts: {local}\n", MeshSpec((local,))).startswith("hosts: {local: {vip:")


@pytest.mark.parametrize(
    "text", ["", "# only words\n", "# only words", "{}", "hosts:\n", "hosts: {}  # none\n", "---\n"]
)
def test_an_empty_manifest_is_filled(text: str) -> None:
    new = saying(text, SPEC)
    assert all(word in new for word in text.split() if word not in ("{}", "---"))
    back = saying(new, MeshSpec())
    assert "web" not in back


ANCHORS = """\
hosts:
  a: &base
    cmd: &cmd ssh a    # set once
    vip: 127.0.42.1
    ports: &ports ["80:127.0.0.1:80", &p "81:127.0.0.1:81"]
    writeEtcHosts: true
  b:
    <<: *base
    vip: 127.0.42.2
  c: {cmd: *cmd, vip: 127.0.42.3, ports: [*p]}
  d:
    cmd: ssh d
    vip: 127.0.42.4
    ports: *ports
"""


ANCHORED = load_text(ANCHORS, "mesh").spec


def anchored(change: Callable[[HostSpec], HostSpec | None]) -> MeshSpec:
    changed = map(change, ANCHORED.hosts)
    return MeshSpec(tuple(each for each in changed if each is not None))


def test_what_is_said_once_is_changed_once_where_all_change() -> None:
    spec = anchored(lambda h: replace(h, cmd="ssh x") if h.name in "abc" else h)
    lines = changes(spec, ANCHORS)
    assert lines == [
        "-     cmd: &cmd ssh a    # set once",
        "+     cmd: &cmd ssh x    # set once",
    ]


def test_what_is_said_once_is_said_twice_where_one_changes() -> None:
    spec = anchored(lambda h: replace(h, cmd="ssh x") if h.name == "a" else h)
    new = rewrite_in_place(ANCHORS, spec)
    assert load_text(new, "mesh").spec == spec
    assert "cmd: &cmd ssh x    # set once" in new and '  c: {cmd: "ssh a", vip' in new
    spec = anchored(lambda h: replace(h, cmd="ssh x") if h.name == "b" else h)
    assert changes(spec, ANCHORS) == ['+     cmd: "ssh x"']
    spec = anchored(lambda h: replace(h, cmd="ssh x") if h.name == "c" else h)
    assert len(changes(spec, ANCHORS)) == 2


def test_an_anchor_that_goes_leaves_its_content_to_those_who_use_it() -> None:
    new = rewrite_in_place(ANCHORS, anchored(lambda h: None if h.name == "a" else h))
    assert load_text(new, "mesh").spec == anchored(lambda h: None if h.name == "a" else h)
    assert "<<: &base {cmd: " in new


def test_a_host_that_moves_above_its_anchor_says_all_itself() -> None:
    spec = MeshSpec(ANCHORED.hosts[::-1])
    new = rewrite(ANCHORS, spec)
    assert load_text(new, "mesh").spec == spec
    assert "cmd: &cmd ssh a    # set once" in new and "*" not in new


def test_what_a_merge_brought_can_be_unsaid() -> None:
    def unsay(h: HostSpec) -> HostSpec:
        return replace(h, options=HostOptions()) if h.name == "b" else h

    new = rewrite_in_place(ANCHORS, anchored(unsay))
    assert load_text(new, "mesh").spec == anchored(unsay)
    assert "<<" not in new and "a: &base" in new


def test_odd_yaml_is_written_anew_below_its_first_comments() -> None:
    text = "# mine\n\n? hosts\n:\n  ? a\n  : {vip: 127.0.42.1}\n# more\n"
    spec = MeshSpec((HostSpec("b", "127.0.42.7"),))
    with pytest.raises(EditConflict):
        rewrite_in_place(text, MeshSpec())
    assert rewrite(text, MeshSpec()) == "# mine\n\nhosts: {}\n"
    assert load_text(rewrite(text, spec), "mesh").spec == spec
