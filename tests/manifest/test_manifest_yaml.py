"""Surprises, attacks and mistakes in YAML itself."""

from __future__ import annotations

import pytest

from norouter_core.manifest import load_text
from norouter_core.manifest.problems import MAX_BYTES
from norouter_core.model import Forward, MeshSpec
from tests.manifest.manifests import load, load_error, places


@pytest.mark.parametrize(
    "text", ["", "\n\n", "---\n", "# only a comment", "~", "\ufeff", "--- ~\n..."]
)
def test_an_empty_file_is_an_empty_mesh_with_a_warning(text: str) -> None:
    loaded = load_text(text, "mesh.yaml")
    assert loaded.spec == MeshSpec()
    assert [(w.line, w.column) for w in loaded.warnings] == [(1, 1)]
    assert "empty" in loaded.warnings[0].message


@pytest.mark.parametrize("text", ["{}", "hosts:", "hosts: {}", "routes: []"])
def test_no_hosts_is_a_warning(text: str) -> None:
    loaded = load_text(text, "mesh.yaml")
    assert loaded.spec == MeshSpec()
    assert [w.message for w in loaded.warnings] == ["the manifest has no hosts"]


def _short(value: object) -> str | None:
    return value[:20] if isinstance(value, str) else None


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("- a", (1, 1), "the manifest must be a mapping, not a list", ""),
        ("hello", (1, 1), 'not a manifest but a single text: "hello"', "start with `hosts:`"),
        ("hosts: [a]", (1, 8), "hosts must be a mapping", ""),
        ("a: b: c", (1, 5), "mapping values are not allowed", "quote"),
        ("hosts:\n a: 1\n  b: 2", (3, 4), "mapping values are not allowed", "indentation"),
        ("hosts:\n  a:\n b:\n", (3, 2), "expected <block end>", "indentation"),
        ("hosts:\n  web\n  vip: x\n", (2, 3), 'no colon after "web"', "write `web:`"),
        ("hosts\n\n # c\n  web:\n", (1, 1), 'no colon after "hosts"', "write `hosts:`"),
        (
            "hosts:\n  web:\n    cmd ssh web\n    vip: x\n",
            (3, 5),
            'no colon after "cmd"',
            "write `cmd: ssh web`",
        ),
        ("hosts:\n  a:\n    vip: x\n  web\n    cmd: y\n", (4, 3), 'no colon after "web"', ""),
        ("hosts:\n  a:\n    vip: x\n    cmd ssh a\n", (4, 5), 'no colon after "cmd"', ""),
        (
            "hosts:\n  a:\n    cmd: ssh\n      web\n      vip: x",
            (5, 10),
            "mapping values are not allowed",
            "indentation",
        ),
        ("hosts: {a: cmd x}", (1, 12), "must be a mapping", "write `cmd: x`"),
        (
            "a: [*.foo]",
            (1, 6),
            "while scanning an alias that starts at line 1, column 5",
            '"*.example.com"',
        ),
        ("a: [*foo.x]", (1, 9), "while scanning an alias", '"*.example.com"'),
        ("a: *x", (1, 4), "undefined alias", '"*.example.com"'),
        ("a: @x", (1, 4), "cannot start any token", "quote"),
        ("a: 'x", (1, 4), "unexpected end of stream", "never closed"),
        ("a: [1, 2", (1, 9), "that starts at line 1, column 4", "close the bracket"),
        ("a: 'x' y", (1, 8), "expected <block end>", ""),
        ('a: "\\d"', (1, 6), "unknown escape character", "single quotes"),
        ('a: "\\U00110000"', (1, 7), "not YAML", "U0010FFFF"),
        ("a: 1\n---\nb: 2", (2, 1), "a second document starts here", "remove this"),
        ("---\n---\n", (2, 1), "a second document starts here", ""),
        ("%YAML 3.0\n---\na: 1", (1, 1), "incompatible YAML", ""),
        ("%YAML 1." + "9" * 5000 + "\n---\na: 1", (1, 9), "not YAML: Exceeds the limit", ""),
        ("&a [*a]", (1, 5), 'the anchor "a" contains an alias of itself', "write the value out"),
        ("a: &x {b: {c: *x}}", (1, 15), "contains an alias of itself", ""),
        (
            "a: &x 1\nb: &x 2",
            (2, 4),
            'duplicate anchor "x", first at line 1, column 4',
            "",
        ),
        ("a: !!python/object/apply:os.system [ls]", (1, 4), "!!python/object/apply", "remove"),
        ("zzz: {deep: !foo 1}", (1, 13), 'the tag "!foo" is not allowed', "remove the tag"),
        ("hosts: !!set {a, b}", (1, 8), "must be a mapping, not a !!set", ""),
        ("hosts: !!map text", (1, 8), "must be a mapping", ""),
        ("hosts: !!str {a: b}", (1, 8), "must be a mapping", ""),
        ("hosts: !!omap [a: b]", (1, 8), "must be a mapping, not a !!omap", ""),
        ("? {a: b}\n: c", (1, 3), "a key of the manifest must be text", ""),
        ("1: x", (1, 1), "a key of the manifest must be text", 'quote it: "1"'),
        ("on: x", (1, 1), 'a boolean: "on"', 'quote it: "on"'),
        ("2001-01-01: x", (1, 1), "a date", 'quote it: "2001-01-01"'),
        ("=: x", (1, 1), "a default value", ""),
        ("<<: 5", (1, 5), "<< merges only mappings", "anchor"),
        ("<<: [5]", (1, 6), "must be a mapping", ""),
        (
            "hosts: {}\nhosts: {}",
            (2, 1),
            'duplicate key "hosts", first at line 1, column 1',
            "remove one",
        ),
        ("<<: {}\n<<: {}", (2, 1), 'duplicate key "<<"', "remove one"),
        ("hosts: {a: {vip: 127.0.0.9, vip: 127.0.0.8}}", (1, 29), "line 1, column 13", ""),
    ],
    ids=_short,
)
def test_one_mistake_one_error(text: str, place: tuple[int, int], message: str, hint: str) -> None:
    error = load_error(text)
    assert places(error) == [place], str(error)
    assert message in error.problems[0].message
    assert hint in error.problems[0].hint


def test_tabs_are_told_as_tabs_every_line_of_them() -> None:
    error = load_error("hosts:\n\tweb:\n  \tvip: x\n\t# here too\n")
    assert places(error) == [(2, 1), (3, 3), (4, 1)]
    assert all(problem.message.startswith("a tab") for problem in error.problems)
    assert places(load_error("hosts:\t{}\n a: b")) == [(1, 7)]
    assert places(load_error("hosts: {}\t\nroutes: [\n\t]")) == [(1, 10), (3, 1)]


def test_tabs_in_quotes_and_comments_are_nobodys_business() -> None:
    spec = load_text('hosts: {web: {cmd: "a\tb"}} #\tc', "m").spec
    assert spec.hosts[0].cmd == "a\tb"


def test_anchors_aliases_and_merge_keys() -> None:
    text = """\
        hosts:
          a: &a
            vip: 127.0.42.110
            ports: &p ["80:x:80"]
            writeEtcHosts: true
          b:
            <<: *a
            vip: 127.0.42.111
          c:
            <<: [{ports: *p, agent: python}, {agent: auto, cmd: y}]
            cmd: x
          <<: {z: {vip: 127.0.42.112}, a: {vip: 127.0.42.113}}
    """
    hosts = {host.name: host for host in load(text).spec.hosts}
    assert {name: host.vip[-3:] for name, host in hosts.items()} == {
        "z": "112",
        "a": "110",
        "b": "111",
        "c": "101",
    }
    assert hosts["b"].options == hosts["a"].options
    assert hosts["c"].options.ports == (Forward(80, "x", 80),)
    assert (hosts["c"].cmd, hosts["c"].options.agent) == ("x", "python")


def test_an_error_inside_an_anchor_is_told_once() -> None:
    text = "hosts:\n  a: {ports: &p [bad]}\n  b: {ports: *p}\n  c: {<<: &m {zzz: 1}}\n  d: *m\n"
    error = load_error(text)
    # The message names the host that reads it, so each host tells; the place stays one.
    assert set(places(error)) == {(2, 18)}
    assert len(error.problems) == 2


@pytest.mark.timeout(20)
def test_alias_bombs_are_refused_quickly() -> None:
    lol = 'a0: &a0 ["lol", "lol"]\n' + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    error = load_error(lol)
    assert "more than 100000 values, aliases written out" in str(error)
    long = (
        "x: &x '"
        + "y" * 60000
        + "'\nhosts:\n"
        + "".join(f"  h{n}: {{cmd: *x}}\n" for n in range(99))
    )
    assert "more than 2048 KiB of text, aliases written out" in str(load_error(long))
    merges = "hosts:\n  m0: &m0 {a: 1}\n" + "".join(
        f"  m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 20)}]}}\n" for n in range(1, 12)
    )
    assert "aliases written out" in str(load_error(merges))
    chain = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))
    assert "nested deeper than 32 levels" in str(load_error(chain))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "? [" * 50_000],
    ids=["[", "{", "-", "?", "?["],
)
def test_deep_nesting_is_refused(text: str) -> None:
    error = load_error(text)
    assert "nested deeper than 32 levels" in str(error)
    assert len(error.problems) == 1 and error.problems[0].line == 1


@pytest.mark.slow
def test_a_large_manifest_loads_and_a_larger_one_is_refused() -> None:
    text = "hosts:\n" + "".join(
        f"  h{n}x: {{vip: 127.1.{n // 250}.{n % 250}, cmd: docker exec -i h{n}}}\n"
        for n in range(2000)
    )
    assert len(load_text(text, "m").spec.hosts) == 2000
    for data in (b"#" * (MAX_BYTES + 1), b"\0" * 10_000_000, "a: 1\n" * 2_000_000):
        error = load_error(data)
        assert "larger than 1024 KiB" in str(error) and error.problems[0].line == 0


@pytest.mark.slow
@pytest.mark.timeout(50)
def test_too_many_values_are_refused_early() -> None:
    assert places(load_error("[" + "a," * 500_000 + "]")) == [(1, 200_002)]


@pytest.mark.timeout(30)
def test_many_unknown_keys_and_names_stay_quick() -> None:
    keys = "".join(f"key{n}: 1\n" for n in range(5000))
    assert len(load_text(keys, "m").warnings) == 101
    hosts = "hosts:\n" + "".join(
        f"  h{n}x: {{vip: 127.1.{n // 250}.{n % 250}}}\n" for n in range(2000)
    )
    error = load_error(hosts + "routes:\n" + "- {via: nobody, to: [x]}\n" * 2000)
    assert len(error.problems) == 101
