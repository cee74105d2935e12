"""An agent that fills every text it can send: no front end shows or writes any of it raw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from norouter_core.commands.results import Outcome
from norouter_core.engine.events import Event, Log
from norouter_core.model import DnsSpec, HostSpec, ProxySpec, StateDir
from norouter_core.session.session import Session
from norouter_tui.output.display import Display
from norouter_tui.output.json_lines import JsonLines
from norouter_tui.output.printer import Printer
from norouter_tui.output.rendering import failure_lines
from tests.engine import rogue_actions
from tests.engine.meshes import forward, host, local, program
from tests.output.test_rendering import Sheet
from tests.servers import connect, eventually, unused_port
from tests.session.sessions import talk

pytestmark = pytest.mark.anyio

ACTIONS = Path(rogue_actions.__file__)
LINES = (
    *("hosts", "hosts rogue", "ports", "streams", "routes", "log", "status", "diff", "export"),
    *("ping rogue", "resolve rogue web.test", "stream show 1", "stream kill 1"),
    *("port rm ", "host set "),
)


def rogue() -> HostSpec:
    made = host("rogue", forward(80), cmd=program(ACTIONS, "paints_all"))
    return replace(made, options=replace(made.options, dns=DnsSpec(), write_etc_hosts=True))


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("width", [None, 60], ids=["pipe", "terminal"])
async def test_no_front_end_shows_it_raw(tmp_path: Path, width: int | None, as_json: bool) -> None:
    http = ProxySpec("127.0.0.1", unused_port())
    here = local("hub")
    options = replace(here.options, http=http, state_dir=StateDir(path=str(tmp_path / "names")))
    async with talk(replace(here, options=options), rogue()) as to:
        events = to.session.subscribe(streams=True)
        heard: list[Event] = []

        def said(part: str) -> bool:
            heard.extend(events.drain())
            return any(isinstance(event, Log) and part in event.text for event in heard)

        await eventually(lambda: said("painted") or _painted(to.session), "it has begun")
        answer = await _by_proxy(http)
        assert "502 " in answer and "red" in answer
        _assert_harmless(answer.replace("\r\n", "\n"))
        await eventually(lambda: said("last "), "it has been dialled")
        sheet = Sheet(width)
        for line in LINES:
            outcome = await to(line)
            display = Display(sheet, as_json=as_json)
            for output in to.said:
                display(output)
            display.close()
            sheet.text += "\n".join(text.plain for text in _failure(outcome))
        assert "red" in sheet.text
        _assert_harmless(sheet.text)
        for text in _printed(heard):
            _assert_harmless(text)
        completed = [c for line in LINES for c in await to.session.complete(line + " ", 99)]
        _assert_harmless("\n".join(str(completion) for completion in completed))
        for file in (tmp_path / "names").iterdir():
            _assert_harmless(file.read_text())
            assert "red" not in file.read_text()


def _painted(session: Session) -> bool:
    return len(session.engine.status().streams) >= 3


async def _by_proxy(proxy: ProxySpec) -> str:
    with await connect((proxy.listen_host, proxy.listen_port)) as client:
        await client.send(b"GET http://rogue:8080/ HTTP/1.1\r\nHost: rogue\r\n\r\n")
        client.end()
        return (await client.rest()).decode()


def _failure(outcome: Outcome) -> list[Text]:
    return list(failure_lines(outcome.failure)) if outcome.failure else []


def _printed(events: list[Event]) -> Iterator[str]:
    """The events as lines for people and as JSON."""
    lines: list[str] = []
    printer = Printer(
        lambda text: lines.append(text.plain), lambda text: lines.append(text.plain), debug=True
    )

    def keep(line: str) -> bool:
        lines.append(line)
        return True

    encoder = JsonLines(keep)
    for event in events:
        printer.show(event)
        encoder.show(event)
    assert any("red" in line for line in lines)
    yield from lines


def _assert_harmless(text: str) -> None:
    bad = {ch for ch in text if not ch.isprintable() and ch not in "\n\t"}
    assert not bad, text
