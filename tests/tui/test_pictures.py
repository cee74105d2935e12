"""Every screen as a picture, in `snapshots/`: to be looked at, and to stay as they were found good.

`pytest tests/tui/test_pictures.py --snapshot-update` draws them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_textual_snapshot  # type: ignore[import-untyped]  # it ships without types

from tests.tui import dialog_states
from tests.tui.screen_states import SCENES, Scene

FOLDER = Path(__file__).parents[2] / "snapshots"


class _Pictures(pytest_textual_snapshot.SVGImageExtension):  # type: ignore[misc]  # untyped
    """One file for each, by the name of its scene, in a folder of their own."""

    @classmethod
    def dirname(cls, *, test_location: Any) -> str:
        return str(FOLDER)

    @classmethod
    def get_snapshot_name(cls, *, test_location: Any, index: Any) -> str:
        return str(test_location.item.callspec.id)


@pytest.fixture(autouse=True)
def _in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_textual_snapshot, "SVGImageExtension", _Pictures)


def _marks(scene: Scene | dialog_states.Scene, size: tuple[int, int]) -> tuple[Any, ...]:
    # What is special about a scene shows on a small screen; the large ones take CI's time only.
    return (pytest.mark.slow,) if size == (140, 45) and len(scene.sizes) > 1 else ()


_EVERY = [
    pytest.param(scene, size, marks=_marks(scene, size), id=f"{scene.name}-{size[0]}x{size[1]}")
    for scene in (*SCENES, *dialog_states.SCENES)
    for size in scene.sizes
]


@pytest.mark.parametrize(("scene", "size"), _EVERY)
def test_it_looks_as_ever(
    scene: Scene | dialog_states.Scene,
    size: tuple[int, int],
    snap_compare: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if scene.no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(scene.app(), terminal_size=size, run_before=scene.play)
