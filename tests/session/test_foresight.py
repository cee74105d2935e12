"""What calls would do, told without doing it, and done as one change."""

from __future__ import annotations

import pytest

from norouter_core.commands.call import Call
from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec, Route
from norouter_core.session.history import step_name
from norouter_core.session.session import preview
from tests.commands.calls import call
from tests.engine.meshes import local
from tests.session.sessions import talk

WEB = HostSpec(
    "web", "127.0.42.101", "ssh web", options=HostOptions(ports=(Forward(80, "127.0.0.1", 80),))
)
MESH = MeshSpec((WEB,), (Route("web", ("*.a",)), Route("web", ("*.b",))))


def calls(*lines: str) -> list[Call]:
    return [call(line) for line in lines]


def test_each_call_is_previewed_after_those_before_it() -> None:
    asked: list[MeshSpec] = []

    def cuts(spec: MeshSpec) -> tuple[int, ...]:
        asked.append(spec)
        return (7, 9)

    seen = preview(MESH, calls("port rm web 80", "port add web 80:81"), cuts)
    assert seen.failure is None and seen.changes and seen.cuts == (7, 9)
    assert [len(m) > 0 for m in seen.messages] == [True, True]
    assert asked[0].hosts[0].options.ports == (Forward(80, "localhost", 81),)


def test_calls_that_come_to_nothing_change_nothing() -> None:
    lines = calls("route rm 2", "route add web '*.b' --at 2")
    assert not preview(MESH, lines, lambda spec: ()).changes


@pytest.mark.parametrize(
    ("lines", "at", "argument", "index"),
    [
        (["port rm web 80", "port rm web 80"], 1, "port", 0),
        (["port add web 1 80"], 0, "spec", 1),
        (["host add web -- ssh x"], 0, "name", 0),
        (["status"], 0, "", 0),
    ],
)
def test_the_call_and_the_argument_to_blame_are_named(
    lines: list[str], at: int, argument: str, index: int
) -> None:
    seen = preview(MESH, calls(*lines), lambda spec: ())
    assert seen.failure is not None and not seen.changes
    assert (seen.at, seen.failure.argument, seen.failure.index) == (at, argument, index)


@pytest.mark.anyio
async def test_calls_are_one_change_that_one_undo_takes_back() -> None:
    async with talk(local("hub", Forward(18080, "127.0.0.1", 80))) as say:
        before = say.session.spec
        outcome = await say.session.apply(calls("port rm hub 18080", "port add hub 18081:80"))
        assert outcome.changed and outcome.failure is None
        assert say.session.spec.hosts[0].options.ports == (Forward(18081, "localhost", 80),)
        refused = await say.session.apply(calls("port rm hub 18081", "port rm hub 1"))
        assert refused.failure is not None and not refused.changed
        refused = await say.session.apply(calls("port rm hub 18081", "status"))
        assert refused.failure is not None and not refused.changed
        await say.ok("undo")
        assert say.session.spec == before


@pytest.mark.parametrize(
    "typed", ["me:secret", "'me:my secret'", '"me:my secret"', r"me:my\ secret"]
)
@pytest.mark.parametrize("option", ["--auth ", "--auth="])
def test_no_password_is_in_the_name_of_a_step(typed: str, option: str) -> None:
    name = step_name([call(f"proxy http web 127.0.0.1:80 {option}{typed} --wait")])
    assert name == "proxy http web 127.0.0.1:80 --auth *** --wait"
