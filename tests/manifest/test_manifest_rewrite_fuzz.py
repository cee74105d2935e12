"""Any mesh saved on top of any manifest's text."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from norouter_core.manifest import dump, load_text
from norouter_core.manifest.write import rewrite, rewrite_in_place
from norouter_core.model import HostSpec, MeshSpec
from tests.manifest.manifests import no_deadline, options, specs
from tests.manifest.test_manifest_dump import EXAMPLES
from tests.manifest.test_manifest_rewrite import ANCHORED, ANCHORS, SPEC, TEXT


@no_deadline
@given(specs(), specs())
def test_any_spec_can_be_saved_on_top_of_any_other(old: MeshSpec, new: MeshSpec) -> None:
    text = dump(old)
    assert rewrite_in_place(text, old) == text
    assert load_text(rewrite_in_place(text, new), "mesh").spec == new


@st.composite
def edited(draw: st.DrawFn) -> MeshSpec:
    """A mesh some commands away from `SPEC` or `ANCHORS`."""
    spec = draw(st.sampled_from([SPEC, ANCHORED]))
    for step in range(draw(st.integers(1, 4))):
        hosts = list(spec.hosts)
        at = draw(st.integers(0, len(hosts) - 1)) if hosts else 0
        kind = draw(st.sampled_from(["add", "rm", "rename", "options", "move", "template"]))
        if kind == "template":
            spec = replace(spec, template=draw(st.none() | options(2)))
        elif kind == "add" or not hosts:
            new = HostSpec(f"n{step}", f"127.0.9.{step + 1}", options=draw(options(1)))
            hosts.insert(at, new)
        elif kind == "rm":
            del hosts[at]
        elif kind == "rename":
            hosts[at] = replace(hosts[at], name=f"r{step}")
        elif kind == "options":
            hosts[at] = replace(hosts[at], options=draw(options(1)))
        else:
            hosts.insert(draw(st.integers(0, len(hosts) - 1)), hosts.pop(at))
        named = {each.name for each in hosts}
        routes = tuple(route for route in spec.routes if route.via in named)
        spec = replace(spec, hosts=tuple(hosts), routes=routes)
    return spec


@no_deadline
@given(edited(), st.sampled_from([TEXT, ANCHORS, *(path.read_text() for path in EXAMPLES)]))
@example(SPEC, ANCHORS)
def test_a_persons_manifest_keeps_its_words(spec: MeshSpec, text: str) -> None:
    new = rewrite(text, spec)
    assert load_text(new, "mesh").spec == spec
    assert new.splitlines()[0] == text.splitlines()[0] or not text.startswith("#")
