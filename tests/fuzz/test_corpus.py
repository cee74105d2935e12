"""Every input of the corpus, and the growth of work, without fuzzing (`make fuzz`)."""

from __future__ import annotations

import pytest

from tests.fuzz.growth import count_work, grown
from tests.fuzz.registry import TARGETS
from tests.fuzz.targets import CORPUS, Shape, Target

_INPUTS = [pytest.param(each, id=each.name) for each in TARGETS.values()]
_SHAPES = [
    pytest.param(each, shape, id=f"{each.name}-{number}")
    for each in TARGETS.values()
    for number, shape in enumerate(each.shapes)
]
_SMALL = 100
"""Bytes of the smaller of two inputs."""


def test_every_target_has_a_corpus_and_shapes() -> None:
    assert {each.name for each in CORPUS.iterdir()} == set(TARGETS)
    assert all(each.shapes and len(each.inputs()) > 1 for each in TARGETS.values())


@pytest.mark.parametrize("target", _INPUTS)
def test_corpus(target: Target) -> None:
    for data in (b"", b"\0", *(file.read_bytes() for file in target.inputs())):
        target.run(data)


@pytest.mark.parametrize(("target", "shape"), _SHAPES)
def test_work_is_linear(target: Target, shape: Shape) -> None:
    small, large = (count_work(target, grown(shape, size)) for size in (_SMALL, 4 * _SMALL))
    if large > 5 * small + 500:
        # A bound of the parser, such as that on nesting, may lie in between.
        small, large = large, count_work(target, grown(shape, 16 * _SMALL))
    assert large <= 5 * small + 500, "four times the input takes more than five times the work"
