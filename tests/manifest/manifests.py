"""Short texts loaded, and strategies for specs and YAML."""

from __future__ import annotations

import datetime
import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from norouter_core.manifest import Loaded, ManifestError, load_text
from norouter_core.model import (
    AgentMode,
    DnsSpec,
    Forward,
    HostOptions,
    HostSpec,
    MeshSpec,
    ProxySpec,
    Route,
    StateDir,
)

no_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Settings for a machine that is busy with something else."""


def load(text: str) -> Loaded:
    return load_text(textwrap.dedent(text), "mesh.yaml")


def load_error(text: str | bytes) -> ManifestError:
    """Return the error that loading a text must raise."""
    if isinstance(text, str):
        text = textwrap.dedent(text)
    with pytest.raises(ManifestError) as caught:
        load_text(text, "mesh.yaml")
    return caught.value


def places(error: ManifestError) -> list[tuple[int, int]]:
    return [(problem.line, problem.column) for problem in error.problems]


# A name's last part must not read as a number, so every part begins with a letter here.
_label = st.text("abcdexyz0189-_", max_size=4).map("n{}m".format)
hostnames = st.lists(_label, min_size=1, max_size=3).map(".".join)
ipv4s = st.ip_addresses(v=4).map(str)
ipv6s = st.ip_addresses(v=6).map(str)
port_numbers = st.integers(1, 65535)
vips = st.integers(0x7F000001, 0x7FFFFFFE).map(
    lambda number: ".".join(str(byte) for byte in number.to_bytes(4, "big"))
)
# Every text that a word of a command may be: all of Unicode but NUL and lone surrogates.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
filled = words.filter(bool)
forwards = st.builds(
    Forward,
    port_numbers,
    st.one_of(hostnames, ipv4s, ipv6s),
    port_numbers,
    st.sampled_from(["tcp", "udp"]),
)
credentials = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), min_size=1, max_size=9
)
auths = st.none() | st.tuples(credentials, credentials).map(":".join)
networks = st.one_of(
    st.tuples(st.integers(0, 255), st.integers(8, 8)).map(lambda n: f"{n[0]}.0.0.0/{n[1]}"),
    ipv4s.map("{}/32".format),
    ipv6s.map("{}/128".format),
)
globs = st.one_of(hostnames, hostnames.map("*.{}".format), st.just("*"), st.just("web-[!0-9]x?"))
targets = st.lists(st.one_of(networks, globs), min_size=1, max_size=4).map(tuple)


def dns_specs(base: int) -> st.SearchStrategy[DnsSpec]:
    """The DNS of a host, at a port that nothing else of the mesh uses; it sets something."""
    ports = st.none() | st.just(40_000 + base)
    flags = st.none() | st.booleans()
    return st.builds(DnsSpec, ports, flags).filter(lambda spec: spec != DnsSpec())


@st.composite
def commands(draw: st.DrawFn) -> str | tuple[str, ...] | None:
    """No command, a list of any words, or a string that a shell could split."""
    kind = draw(st.sampled_from(["none", "list", "string"]))
    if kind == "none":
        return None
    if kind == "list":
        return (draw(filled), *draw(st.lists(words, max_size=3)))
    plain = st.text(st.characters(exclude_characters="\0\"'\\", exclude_categories=["Cs"]))
    return "docker exec " + draw(plain)


def options(base: int) -> st.SearchStrategy[HostOptions]:
    """Host options whose proxies listen at ports that nothing else of the mesh uses."""
    return st.builds(
        HostOptions,
        ports=st.lists(forwards, max_size=3, unique_by=lambda f: (f.listen, f.proto)).map(tuple),
        http=st.none() | st.builds(ProxySpec, st.just("127.0.0.1"), st.just(base), auths),
        socks=st.none() | st.builds(ProxySpec, st.just("::1"), st.just(base), auths),
        dns=st.none() | dns_specs(base),
        loopback=st.none() | st.booleans(),
        state_dir=st.none() | st.builds(StateDir, st.none() | filled, st.none() | st.booleans()),
        write_etc_hosts=st.none() | st.booleans(),
        agent=st.none() | st.sampled_from(AgentMode),
        python=st.none() | st.sampled_from(["python3.11", "/opt/venv/bin/python3", "~/a 'b'/c"]),
    )


@st.composite
def specs(draw: st.DrawFn) -> MeshSpec:
    """Any valid mesh."""
    names = draw(st.lists(hostnames, max_size=6, unique_by=str.casefold))
    count = draw(st.integers(0, min(3, len(names))))
    pool = vips.filter(lambda vip: vip != "127.0.0.1")
    chosen = draw(st.lists(pool, min_size=count, max_size=count, unique=True))
    aliases: list[list[str]] = [[] for _ in range(count)]
    for number, alias in enumerate(names[count:] if count else ()):
        aliases[number % count].append(alias)
    hosts = tuple(
        HostSpec(name, vip, draw(commands()), tuple(extra), draw(options(1)))
        for name, vip, extra in zip(names[:count], chosen, aliases, strict=True)
    )
    via = [*names[:count], *chosen, *(alias for extra in aliases for alias in extra)]
    route = st.builds(Route, st.sampled_from(via or [""]), targets, st.just(()) | targets)
    routes = tuple(draw(st.lists(route, max_size=3 if via else 0)))
    return MeshSpec(hosts, routes, draw(st.none() | options(2)))


_keys = st.sampled_from(
    [
        "hosts",
        "hostTemplate",
        "routes",
        "vip",
        "cmd",
        "aliases",
        "ports",
        "http",
        "socks",
        "dns",
        "port",
        "listen",
        "auth",
        "loopback",
        "disable",
        "stateDir",
        "pathOnAgent",
        "writeEtcHosts",
        "agent",
        "via",
        "to",
        "notTo",
        "<<",
        "=",
        "a",
        "b",
        "web",
    ]
)
_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=5),
    st.dates(),
    st.datetimes(timezones=st.just(datetime.UTC)),
    st.text(max_size=8),
    _keys,
    ipv4s,
    forwards.map(str),
    st.sampled_from(["127.0.42.101", "127.0.0.1:80", "*.x", "10.0.0.0/8", "1:a:1/sctp", "u:p"]),
)
yaml_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(_keys | st.integers() | st.none() | st.text(max_size=4), inner, max_size=5),
        st.sets(st.text(max_size=3), max_size=3),
    ),
    max_leaves=12,
)
