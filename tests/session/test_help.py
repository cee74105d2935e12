"""Help of every verb, as a session gives it."""

from __future__ import annotations

import pytest

from norouter_core.commands.help import verb_help
from norouter_core.commands.registry import VERBS
from tests.engine.meshes import local
from tests.session.sessions import talk

pytestmark = pytest.mark.anyio


async def test_help_is_given_for_every_verb() -> None:
    async with talk(local()) as say:
        await say.ok("help")
        overview = say.text
        for verb in VERBS:
            assert verb.name in overview
            await say.ok(f"help {verb.name}")
            assert say.text == verb_help(verb)
            assert verb.usage in " ".join(say.text.split())
        await say.ok("help port")
        assert [line.split()[:2] for line in say.text.splitlines()] == [
            *(["port", "add"], ["port", "rm"], ["port", "retarget"])
        ]
        await say.ok("port add --help")
        assert "usage: port add" in say.text
