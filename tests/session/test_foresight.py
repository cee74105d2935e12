"""What lines would do, told without doing it, and done as one change."""

from __future__ import annotations

import pytest

from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec, Route
from norouter_core.session.preview import apply_lines, preview
from norouter_core.session.redact import history_name
from tests.engine.meshes import local
from tests.session.sessions import talk

WEB = HostSpec(
    "web", "127.0.42.101", "ssh web", options=HostOptions(ports=(Forward(80, "127.0.0.1", 80),))
)
MESH = MeshSpec((WEB,), (Route("web", ("*.a",)), Route("web", ("*.b",))))


def test_each_line_is_foreseen_after_those_before_it() -> None:
    asked: list[MeshSpec] = []

    def cuts(spec: MeshSpec) -> tuple[int, ...]:
        asked.append(spec)
        return (7, 9)

    seen = preview(MESH, ["port rm web 80", "port add web 80:81"], cuts)
    assert seen.failure is None and seen.changes and seen.cuts == (7, 9)
    assert [len(m) > 0 for m in seen.messages] == [True, True]
    assert asked[0].hosts[0].options.ports == (Forward(80, "127.0.0.1", 81),)


def test_lines_that_come_to_nothing_change_nothing() -> None:
    lines = ["route rm 2", "route add web '*.b' --at 2"]
    assert not preview(MESH, lines, lambda spec: ()).changes


@pytest.mark.parametrize(
    ("lines", "at", "column"),
    [
        (["port rm web 80", "port rm web 80"], 1, 13),
        (["port add web 1:x"], 0, 14),
        (["host add web -- ssh x"], 0, 10),
        (["status"], 0, 0),
        (["route rm 1", "'"], 1, 1),
    ],
)
def test_the_line_and_the_place_to_blame_are_told(lines: list[str], at: int, column: int) -> None:
    seen = preview(MESH, lines, lambda spec: ())
    assert seen.failure is not None and not seen.changes
    assert (seen.at, seen.failure.column) == (at, column)


@pytest.mark.anyio
async def test_lines_are_one_change_that_one_undo_takes_back() -> None:
    async with talk(local("hub", Forward(18080, "127.0.0.1", 80))) as say:
        before = say.session.spec
        outcome = await apply_lines(say.session, ["port rm hub 18080", "port add hub 18081:80"])
        assert outcome.changed and outcome.failure is None
        assert say.session.spec.hosts[0].options.ports == (Forward(18081, "127.0.0.1", 80),)
        refused = await apply_lines(say.session, ["port rm hub 18081", "port rm hub 1"])
        assert refused.failure is not None and not refused.changed
        await say.ok("undo")
        assert say.session.spec == before


@pytest.mark.parametrize(
    "said", ["me:secret", "'me:my secret'", '"me:my secret"', r"me:my\ secret"]
)
def test_no_password_is_told(said: str) -> None:
    assert "secret" not in history_name(f"proxy http web off --auth {said} --wait")
    assert history_name(f"proxy http web off --auth {said} --wait").endswith("*** --wait")
