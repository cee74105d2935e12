"""Writing a spec as YAML, and the examples."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given

from norouter_core.manifest import dump, load_file, load_text
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec, Route
from tests.manifest.manifests import no_deadline, specs

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@no_deadline
@given(specs())
def test_a_dumped_spec_loads_back_equal(spec: MeshSpec) -> None:
    assert load_text(dump(spec), "dumped").spec == spec
    assert load_text(dump(spec).encode(), "dumped").spec == spec


def test_a_dump_reads_as_a_person_would_have_written_it() -> None:
    options = HostOptions(ports=(Forward(8080, "127.0.0.1", 80), Forward(22, "::1", 22)))
    spec = MeshSpec(
        (
            HostSpec("local", "127.0.42.100"),
            HostSpec("web", "127.0.42.101", "docker exec -i web", ("www",), options),
            HostSpec("no", "127.0.42.102", ("ssh", "db host")),
        ),
        (Route("web", ("*.example.com", "10.0.0.0/8")),),
    )
    assert (
        dump(spec)
        == """\
hosts:
  local:
    vip: "127.0.42.100"
  web:
    vip: "127.0.42.101"
    cmd: "docker exec -i web"
    aliases: ["www"]
    ports:
      - "8080:127.0.0.1:80"
      - "22:[::1]:22"
  'no':
    vip: "127.0.42.102"
    cmd: ["ssh", "db host"]
routes:
  - via: web
    to: ["*.example.com", "10.0.0.0/8"]
"""
    )


def test_allocated_vips_are_written_out() -> None:
    spec = load_text("hosts: {web: {cmd: x}}", "m").spec
    assert yaml.safe_load(dump(spec)) == {"hosts": {"web": {"vip": "127.0.42.101", "cmd": "x"}}}


def test_the_examples_are_there() -> None:
    assert {path.stem for path in EXAMPLES} == {
        *("docker", "podman", "kubernetes", "lxd", "ssh", "azure-container-instances"),
        *("namespaces", "vpc", "vpn-into-docker", "macos-no-loopback"),
    }
    table = (EXAMPLES[0].parent / "README.md").read_text()
    assert all(f"]({path.name})" in table for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load_without_a_warning(path: Path) -> None:
    loaded = load_file(path)
    assert loaded.warnings == ()
    hosts = list(loaded.spec.effective())
    assert [host.is_local for host in hosts].count(True) == 1
    assert any(host.ports or host.http for host in hosts)
    assert path.read_text().startswith("# ")
