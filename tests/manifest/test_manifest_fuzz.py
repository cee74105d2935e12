"""No content of a file crashes the loader."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.manifest import dump
from tests.fuzz.manifest_targets import survives
from tests.manifest.manifests import no_deadline, specs, yaml_values
from tests.manifest.test_manifest_hosts import FULL


@no_deadline
@given(st.text())
def test_any_text(text: str) -> None:
    survives(text)


@no_deadline
@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    survives(data)


@no_deadline
@given(st.text(st.sampled_from("ab:1 -[]{}?&*!|>'\"%@`#,\n\t\r\\<=~./\x85\u2028\ufeffé")))
def test_text_out_of_what_yaml_is_made_of(text: str) -> None:
    survives(text)


@no_deadline
@given(st.lists(st.sampled_from([*FULL.splitlines(), "  ", "<<: *a", "&a", "!!set", "\t"])))
def test_lines_in_any_order(lines: list[str]) -> None:
    survives("\n".join(lines))


@no_deadline
@given(st.integers(0, len(FULL)), st.integers(0, 20), st.text(max_size=4))
def test_a_good_manifest_damaged_anywhere(at: int, gone: int, put: str) -> None:
    survives(FULL[:at] + put + FULL[at + gone :])


@no_deadline
@given(yaml_values)
def test_any_yaml_value_as_the_document(value: Any) -> None:
    survives(yaml.safe_dump(value, allow_unicode=True))


@no_deadline
@given(st.data())
def test_any_yaml_value_in_any_position(data: st.DataObject) -> None:
    """One node of a valid manifest, a key or a value at any depth, becomes something else."""
    tree = yaml.safe_load(FULL if data.draw(st.booleans()) else dump(data.draw(specs())))
    _replace_one(tree, data)
    survives(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False))


def _replace_one(tree: Any, data: st.DataObject) -> None:
    spots = list(_spots(tree))
    holder, key = data.draw(st.sampled_from(spots))
    if isinstance(holder, dict) and data.draw(st.booleans()):
        new = data.draw(st.one_of(st.none(), st.integers(), st.text(max_size=5), st.dates()))
        holder[new] = holder.pop(key)
    else:
        holder[key] = data.draw(yaml_values)


def _spots(tree: Any) -> Any:
    """Yield every (container, key) of a tree of dicts and lists."""
    pairs: Any = ()
    if isinstance(tree, dict):
        pairs = tree.items()
    elif isinstance(tree, list):
        pairs = enumerate(tree)
    for key, value in pairs:
        yield tree, key
        yield from _spots(value)
