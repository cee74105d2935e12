"""The JSON Schema accepts the same single values as the loader."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from norouter_core.manifest import dump, load_text
from norouter_core.manifest.options import HOST_ONLY_KEYS, OPTION_KEYS
from norouter_core.manifest.schema import modeline, schema, schema_path, schema_text
from norouter_core.model import HostOptions, HostSpec, MeshSpec
from norouter_tui.run.documents import example
from tests.manifest.manifests import load_error, no_deadline, specs

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
CHECKER = jsonschema.Draft202012Validator(schema())


def _fits(text: str) -> bool:
    return bool(CHECKER.is_valid(yaml.safe_load(text)))


def test_the_schema_is_valid_and_its_file_is_up_to_date() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    path = schema_path()
    assert path is not None
    message = "run: python -m norouter_core.manifest.schema"
    assert path.read_text("utf-8") == schema_text(), message


def test_every_option_of_a_host_has_a_key() -> None:
    assert [row.field for row in OPTION_KEYS] == [each.name for each in fields(HostOptions)]
    only_hosts = {each.name for each in fields(HostSpec)} - {"name", "options"}
    assert {row.field for row in HOST_ONLY_KEYS} == only_hosts


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_fit(path: Path) -> None:
    CHECKER.validate(yaml.safe_load(path.read_text()))


def test_the_printed_example_fits_and_has_no_warning() -> None:
    CHECKER.validate(yaml.safe_load(example()))
    assert load_text(example(), "example").warnings == ()


@settings(no_deadline, max_examples=40)
@given(specs())
def test_every_mesh_fits(spec: MeshSpec) -> None:
    CHECKER.validate(yaml.safe_load(dump(spec)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hosts:",
        "hosts: {a: , b: {vip: , ports: , http: {listen: }}}",
        "hosts: {a: {ports: ['00080:db.:65535/TCP', '1:[::1]:1', '2:[fe80::1%eth0]:1']}}",
        "hosts: {a: {dns: {port: 53}}, b: {dns: {port: '053', disable: false}}}",
        "hosts: {a: {http: {listen: '[::]:1', auth: 'a:b:c'}, agent: python}}",
        "hosts: {a: }\nroutes: [{via: a, to: ['*', '::/0', 'x1.?', '[a-c]x.y.', '*.1a']}]",
        "hosts: {a: &a {vip: 127.0.0.9}, b: {<<: *a, vip: 127.0.0.8}}",
    ],
)
def test_what_the_loader_takes_fits(text: str) -> None:
    load_text(text, "mesh.yaml")
    assert _fits(text)


_WRONG = [
    "- a",
    "hosts: [a]",
    "hosts: {a b: }",
    "hosts: {'a.7': }",
    "hosts: {a: text}",
    "hosts: {a: {vip: 127.0.0.256}}",
    "hosts: {a: {vip: '127.0.0.01'}}",
    "hosts: {a: {cmd: ''}}",
    "hosts: {a: {cmd: []}}",
    "hosts: {a: {cmd: ['']}}",
    "hosts: {a: {cmd: [x, 1]}}",
    "hosts: {a: {aliases: [b.]}}",
    "hosts: {a: {aliases: b}}",
    *(
        f"hosts: {{a: {{ports: ['{port}']}}}}"
        for port in (
            *(
                "0",
                "80:",
                "80:0",
                "0:x:1",
                "1:x:65536",
                "1::1",
                "1:::1:1",
                "1:[x]:1",
                "1:[127.0.0.1]:1",
            ),
            *("1:x:1/sctp", "1:x:1/", "1:1.2.3:1", "1:a b:1", "-1:x:1", "1:x:1 "),
        )
    ),
    "hosts: {a: {http: {listen: 'localhost:80'}}}",
    "hosts: {a: {http: {listen: ':80'}}}",
    "hosts: {a: {socks: {listen: '::1:80'}}}",
    "hosts: {a: {socks: {auth: 'a:b'}}}",
    "hosts: {a: {socks: {listen: '127.0.0.1:1', auth: nobody}}}",
    "hosts: {a: {dns: {port: 0}}}",
    "hosts: {a: {dns: {port: 65536}}}",
    "hosts: {a: {dns: {port: '5x'}}}",
    "hosts: {a: {dns: {disable: 1}}}",
    "hosts: {a: {loopback: {disable: 1}}}",
    "hosts: {a: {stateDir: {pathOnAgent: ''}}}",
    "hosts: {a: {writeEtcHosts: 'true'}}",
    "hosts: {a: {agent: rust}}",
    "hosts: {a: {python: -x}}",
    "hosts: {a: {python: ''}}",
    "hostTemplate: {ports: 1}",
    *(
        f"hosts: {{a: }}\nroutes: [{route}]"
        for route in (
            *("{via: a}", "{to: [x]}", "{via: a, to: []}", "{via: a, to: x}", "a"),
            *("{via: a, to: ['10.0.0.1']}", "{via: a, to: ['10.0.*']}"),
            *("{via: a, to: ['http://x/']}", "{via: a, to: [x], notTo: [1]}"),
        )
    ),
]


@pytest.mark.parametrize("text", _WRONG)
def test_what_the_loader_refuses_does_not_fit(text: str) -> None:
    load_error(text)
    assert not _fits(text)


@pytest.mark.parametrize("text", ["host: {}", "hosts: {a: {port: []}}", "hostTemplate: {vip: x}"])
def test_an_unknown_key_is_marked_though_the_loader_only_warns(text: str) -> None:
    assert load_text(text, "mesh.yaml").warnings
    assert not _fits(text)


def test_the_modeline_leads_to_the_schema() -> None:
    path = schema_path()
    assert path is not None and path.is_file()
    found = re.fullmatch(r"# yaml-language-server: \$schema=file://(/\S+)\n", modeline())
    assert found is not None and Path(found[1]).samefile(path)
