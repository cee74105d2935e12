"""A mesh in another process as one at hand: files are those of the folder in which one stands."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from norouter_core.commands.call import Call
from norouter_core.commands.results import Completion, Emit, Outcome
from norouter_core.engine.events import Event
from norouter_core.session.client import Client, DocumentState, Rate, Summary
from norouter_tui.run.remote_session import RemoteSession
from tests.commands.calls import call

pytestmark = pytest.mark.anyio


class Far:
    """A session whose process stands in another folder, with files of its own."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        self.ran.append(call.line())
        return Outcome()

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]:
        return [Completion("far.yaml", cursor)]

    async def summary(self) -> Summary:
        return Summary(DocumentState(), 0, 0, 0, 0, Rate())

    async def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        return
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my mesh.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return Path(os.getcwd())


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("save my.yaml --force", "save {}/my.yaml --force"),
        ("load --keep 'my mesh.yaml'  # mine", "load '{}/my mesh.yaml' --keep"),
        ("save /etc/my.yaml", "save /etc/my.yaml"),
        ("save", "save"),
        ("hosts", "hosts"),
    ],
)
async def test_files_are_sent_with_their_folder(folder: Path, typed: str, sent: str) -> None:
    far = Far()
    await RemoteSession(cast(Client, far)).run(call(typed), lambda output: None)
    assert far.ran == [sent.format(folder)]


async def test_files_are_completed_where_one_stands(folder: Path) -> None:
    here = RemoteSession(cast(Client, Far()))
    for line in ("load ", "save my"):
        (found,) = await here.complete(line, len(line))
        assert found == Completion("'my mesh.yaml'", 5)
    assert await here.complete("host rm ", 8) == [Completion("far.yaml", 8)]
