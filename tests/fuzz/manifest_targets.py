"""The manifest, and the edits of its text that keep comments."""

from __future__ import annotations

from dataclasses import replace

from yaml import YAMLError

from norouter_core.manifest import ManifestError, Problem, dump, load_text, render, rewrite
from norouter_core.manifest.editing import EditConflict
from norouter_core.manifest.syntax_tree import SyntaxNode, parse_tree
from norouter_core.manifest.write import rewrite_in_place
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec
from tests.fuzz.targets import target, text_of

_FAR = b"hosts:\n  local: {vip: 127.0.42.100}\n"
_SHAPES = [
    (b"hosts:\n", b"  ? a\n", b""),
    (b"a: ", b"[", b""),
    (b"a: ", b"{a: ", b""),
    (b"", b"- ", b""),
    (b"", b"? ", b""),
    (b"", b"#\n", b""),
    (b"", b"\n", b"a: :"),
    (b'a: "', b"\\\n", b'"'),
    (b'a: "', b"x", b'"'),
    (b"a: |\n", b" x\n", b""),
    (b"a: ", b"x ", b""),
    (b"a: [", b"x, ", b"]"),
    (b"", b"&a ", b""),
    (b"", b"!", b""),
    (b"%YAML ", b"9", b".1"),
    (_FAR + b"  far:\n    ports: [", b"80, ", b"]"),
    (_FAR + b"  far:\n    cmd: [", b"x, ", b"]"),
    (_FAR + b"  far:\n    aliases: [", b"x, ", b"]"),
    (_FAR + b"routes: [", b"{via: local, to: [a]}, ", b"]"),
    (b"hosts: {", b"a: , ", b"}"),
    (b"a: ", b"\t", b""),
    (b"", b"\t\n", b""),
    (b"a: ", b"9", b""),
    (b"a: 0x", b"f", b""),
    (b"a: ", b"1:", b"1"),
    (b"a: ", b"*", b""),
]


@target("manifest", shapes=_SHAPES)
def check_manifest(data: bytes) -> None:
    """Load anything: a valid spec, or problems with a place that are safe to print."""
    survives(data)


def survives(data: str | bytes) -> None:
    """Check that a manifest loads, and what it says loads again, or that its problems are sound."""
    try:
        loaded = load_text(data, "fuzz.yaml")
    except ManifestError as error:
        assert error.problems
        problems = error.problems + error.warnings
        assert list(error.problems) == sorted(error.problems, key=lambda p: (p.line, p.column))
    else:
        problems = loaded.warnings
        assert len(list(loaded.spec.effective())) == len(loaded.spec.hosts)
        assert load_text(dump(loaded.spec), "again").spec == loaded.spec
    for problem in problems:
        _check_problem(problem)


def _check_problem(problem: Problem) -> None:
    assert problem.message and str(problem).isprintable() and problem.hint.isprintable()
    assert problem.line >= 1 and problem.column >= 1
    # The line that counts what is not shown has no excerpt.
    assert problem.column <= len(problem.excerpt) + 1 or "are not shown" in problem.message
    assert all(line.isprintable() for line in render(problem).split("\n"))


_EDIT = b"\x03\x01" + _FAR


@target(
    "manifest-rewrite",
    shapes=[
        (_EDIT, b"# a\n", b""),
        (_EDIT, b"\n", b""),
        (_EDIT + b"  far:\n", b"    # a\n", b"    cmd: ssh far\n"),
        (_EDIT + b"  far:\n    ports:\n", b"      # a\n", b"      - 80\n"),
        (_EDIT + b"  far:\n    cmd: [", b"x, ", b"]"),
        (_EDIT + b"  far:\n    cmd: |\n", b"     x\n", b""),
        (_EDIT + b"routes: [", b"{via: local, to: [a]}, ", b"]"),
    ],
)
def check_rewrite(data: bytes) -> None:
    """The first two bytes choose an edit of the manifest that follows."""
    if len(data) < 2:
        return
    text = text_of(data[2:])
    try:
        spec = load_text(text, "fuzz.yaml").spec
    except ManifestError:
        return
    text = text.removeprefix("\ufeff")
    assert rewrite(text, spec) == text
    wanted, is_addition = edited(spec, data[0], data[1])
    try:
        load_text(dump(wanted), "wanted")
    except ManifestError:
        return  # not every edit makes a valid mesh
    new = rewrite(text, wanted)
    assert load_text(new, "new").spec == wanted
    assert rewrite(new, wanted) == new
    if is_addition:
        try:
            new = rewrite_in_place(text, wanted)
        except (ManifestError, EditConflict, YAMLError):
            return  # for which `rewrite` has other ways
        lost = comments(text) - comments(new)
        assert not lost, lost


def edited(spec: MeshSpec, kind: int, at: int) -> tuple[MeshSpec, bool]:
    """Return a mesh with one edit, and whether that takes nothing away."""
    hosts = list(spec.hosts)
    at %= max(1, len(hosts))
    match kind % 8 if hosts else 0:
        case 0:
            hosts.insert(at, HostSpec("fuzzed", "127.0.77.7", options=HostOptions()))
        case 1:
            hosts.append(HostSpec("fuzzed", "127.0.77.7", ("ssh", "a b")))
        case 2:
            hosts[at] = replace(hosts[at], vip="127.0.77.7")
        case 3:
            ports = (*(hosts[at].options.ports or ()), Forward(7777, "localhost", 7777))
            hosts[at] = replace(hosts[at], options=replace(hosts[at].options, ports=ports))
        case 4:
            options = replace(hosts[at].options, write_etc_hosts=True)
            hosts[at] = replace(hosts[at], options=options)
        case 5:
            del hosts[at]
        case 6:
            hosts.reverse()
        case _:
            hosts[at] = replace(hosts[at], name="fuzzed", aliases=())
    named = {each.name for each in hosts}
    routes = tuple(route for route in spec.routes if route.via in named)
    return replace(spec, hosts=tuple(hosts), routes=routes), kind % 8 < 5 or not spec.hosts


def comments(text: str) -> set[str]:
    """Return the comments of a manifest that loads."""
    root = parse_tree(text)
    inside = [False] * (len(text) + 1)
    for node in root.walk() if root is not None else ():
        for at in _opaque(node):
            inside[at] = True
    found, at = set(), 0
    while (at := text.find("#", at)) >= 0:
        end = min((x for x in map(text.find, "\n\r", (at, at)) if x >= 0), default=len(text))
        if not inside[at] and (at == 0 or text[at - 1] in " \t\n\r"):
            found.add(text[at:end].rstrip())
            at = end
        at += 1
    return found


def _opaque(node: SyntaxNode) -> range:
    """Return the places of a node in which `#` begins no comment."""
    is_leaf = not node.pairs and not node.items and not node.is_flow
    return range(node.start, node.end if is_leaf else node.body)
