"""Who may connect: `allowFrom` on ports, proxies and routes."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
import yaml

from norouter_core.manifest import dump, load_text, rewrite
from norouter_core.manifest.schema import schema
from norouter_core.model import Forward, MeshSpec, ProxySpec
from tests.manifest.manifests import load, load_error, places

TEXT = """\
hosts:
  local:
    http: {listen: "0.0.0.0:8080", allowFrom: [local, 10.1.0.0/16]}
  web:
    cmd: x
    aliases: [www]
    ports:
      - 80
      - {forward: 81, allowFrom: [local]}
      - forward: "82:10.0.0.1:80/udp"
        allowFrom: [WWW, 10.0.0.0/8]
routes:
  - {via: web, to: ["*.x"], allowFrom: [local]}
"""


def test_it_is_read_and_written() -> None:
    spec = load(TEXT).spec
    local, web = spec.hosts
    assert web.options.ports == (
        Forward(80, "localhost", 80),
        Forward(81, "localhost", 81, allow_from=("local",)),
        Forward(82, "10.0.0.1", 80, "udp", ("WWW", "10.0.0.0/8")),
    )
    assert local.options.http == ProxySpec("0.0.0.0", 8080, allow_from=("local", "10.1.0.0/16"))
    assert spec.routes[0].allow_from == ("local",)
    assert load_text(dump(spec), "again").spec == spec
    jsonschema.Draft202012Validator(schema()).validate(json.loads(json.dumps(yaml.safe_load(TEXT))))


def test_it_is_changed_in_place() -> None:
    spec = load(TEXT).spec

    def renamed(peers: tuple[str, ...]) -> tuple[str, ...]:
        return tuple("web" if peer == "local" else peer for peer in peers)

    after = spec.with_allow_from(renamed)
    text = rewrite(TEXT, after)
    assert load_text(text, "again").spec == after
    changed = [line for line in text.splitlines() if line not in TEXT.splitlines()]
    assert len(changed) == 3 and all("web" in line for line in changed)
    web = spec.hosts[1]
    opened = tuple(Forward(p.listen, p.host, p.port, p.proto) for p in web.options.ports)
    after = _with_ports(spec, opened)
    assert load_text(rewrite(TEXT, after), "again").spec == after


def _with_ports(spec: MeshSpec, ports: tuple[Forward, ...]) -> MeshSpec:
    web = spec.hosts[1]
    return spec.with_host(replace(web, options=replace(web.options, ports=ports)))


def test_ports_at_a_vip_beyond_loopback_say_who_may_use_them() -> None:
    text = "hosts: {web: {vip: 10.0.0.7, ports: [80, {forward: 81, allowFrom: [web]}]%s}}"
    error = load_error(text % "")
    (problem,) = error.problems
    assert "port 80 of host" in problem.message and "open: true" in problem.hint
    assert load(text % ", open: true").spec.hosts[0].options.open is True


def test_only_this_machine_can_be_for_one_user_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    text = "hosts: {local: {onlyUser: true}, web: {cmd: x}}"
    spec = load(text).spec
    assert spec.hosts[0].options.only_user is True
    assert load_text(dump(spec), "again").spec == spec
    (problem,) = load_error("hosts: {web: {cmd: x, onlyUser: true}}").problems
    assert problem.column == 33 and "no effect on another machine" in problem.message
    monkeypatch.setattr("sys.platform", "darwin")
    assert "possible on Linux only" in str(load_error(text))
    template = "hostTemplate: {onlyUser: true}\nhosts: {web: {cmd: x}"
    load(template + "}")
    assert "possible on Linux only" in str(load_error(template + ", local: }"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("allowFrom: [local]}", "allowFrom: [nobody]}", 'allowFrom: "nobody" is not a host'),
        ("allowFrom: [local]}", "allowFrom: []}", "is empty"),
        ("allowFrom: [local]}", "allowFrom: local}", "must be a list"),
        ("10.0.0.0/8]", "10.0.0.0/33]", "is not a network"),
        ('["*.x"], allowFrom: [local]', '["*.x"], allowFrom: [10.0.0.0/8]', "is a network"),
        ('listen: "0.0.0.0:8080", ', "", "has allowFrom but no listen"),
    ],
)
def test_mistakes(old: str, new: str, message: str) -> None:
    assert message in str(load_error(TEXT.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("host", "place", "message"),
    [
        ("{ports: [{forward: 80, allowFrom: }]}", "allowFrom", "has no value"),
        ("{http: {listen: '127.0.0.1:1', allowFrom: ~}}", "allowFrom", "has no value"),
        ("{http: {listen: '127.0.0.1:1', auth: ~}}", "auth", "has no value"),
        ("{onlyUser: }", "onlyUser", 'onlyUser of host "a" has no value'),
        ("{ports: [{forward: , allowFrom: [a]}]}", "{forward", "has no value"),
        ("{ports: [{forward: {forward: 80, allowFrom: [a]}}]}", "{forward: 80", "not a mapping"),
        ("{onlyuser: true}", "onlyuser", 'unknown key "onlyuser"'),
        ("{only_user: true}", "only_user", 'unknown key "only_user"'),
        ("{olnyUser: true}", "olnyUser", 'unknown key "olnyUser"'),
        ("{allowFrom: [a]}", "allowFrom", 'unknown key "allowFrom"'),
        ("{http.auth: 'u:p'}", "http.auth", 'unknown key "http.auth"'),
        ("{ports: [{forward: 80, alowFrom: [a]}]}", "alowFrom", 'unknown key "alowFrom"'),
        ("{ports: [{forward: 80, allow: [a]}]}", "allow", 'unknown key "allow"'),
        ("{http: {listen: '127.0.0.1:1', Auth: 'u:p'}}", "Auth", 'unknown key "Auth"'),
    ],
)
def test_a_setting_that_limits_access_is_never_ignored(host: str, place: str, message: str) -> None:
    text = f"hosts: {{a: {host}}}"
    error = load_error(text)
    assert places(error) == [(1, text.index(place) + 1)] and message in str(error)
    assert not jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    "key", ["alowFrom: [a]", "allowfrom: [a]", "allowFrom: ", "onlyUser: true"]
)
def test_nor_is_one_of_a_route(key: str) -> None:
    error = load_error(f"hosts: {{a: }}\nroutes:\n- via: a\n  to: [x]\n  {key}")
    assert places(error) == [(5, 3)]


@pytest.mark.parametrize("key", ["x-auth", "path", "author", "http.listen"])
def test_other_unknown_keys_stay_warnings(key: str) -> None:
    (warning,) = load(f"hosts: {{a: {{{key}: x}}}}").warnings
    assert "is ignored" in warning.message


def test_an_unknown_peer_is_reported_at_its_place() -> None:
    route = "  - {via: web, to: [y.z], allowFrom: [web, nobody]}\n"
    assert places(load_error(TEXT + route)) == [(14, 44)]
    assert places(load_error(TEXT.replace("[WWW, ", "[web, no, "))) == [(11, 26)]


def test_an_address_is_no_peer() -> None:
    (problem,) = load_error(TEXT.replace("[WWW, ", "[127.0.78.2, ")).problems
    assert problem.hint == "write 127.0.78.2/32 for this one address"
    (problem,) = load_error(TEXT.replace("[WWW, ", "['::1', ")).problems
    assert problem.hint == "write ::1/128 for this one address"
    route = "  - {via: web, to: [y.z], allowFrom: [127.0.78.2]}\n"
    (problem,) = load_error(TEXT + route).problems
    assert "is an address" in problem.message and "name them" in problem.hint
