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
from tests.manifest.manifests import load, load_error

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
