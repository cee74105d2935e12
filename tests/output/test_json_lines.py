"""JSON lines and their schema."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jsonschema
import pytest

from norouter_core.engine import events
from norouter_core.engine.events import Event
from norouter_core.engine.status import HostState, HostStatus, ListenerStatus, StreamStatus
from norouter_core.exec_commands.problem import HostProblem
from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_tui.output.json_lines import JsonLines
from tests.output.event_schema import schema
from tests.output.statuses import PROBLEM, host, listener, stream

ONE_OF_EACH: list[Event] = [
    events.HostChanged(host=host()),
    events.HostChanged(host=host(state=HostState.BACKING_OFF, problem=PROBLEM, retry_in=1.5)),
    events.HostRemoved(name="web"),
    events.ListenerChanged(listener=listener()),
    events.ListenerRemoved(on_host="web", listen="127.0.42.101:8080"),
    events.StreamOpened(stream=stream()),
    events.StreamClosed(stream=stream(reason="closed")),
    events.Log(level="warning", host="", text="text"),
    events.QuestionAsked(question=Prompt(1, "web", "me@web's password:", PromptKind.SECRET)),
    events.QuestionEnded(number=1, host="web"),
    events.Ready(hosts=1, listeners=2),
    events.Stopped(),
]


class Pipe:
    """Takes lines until it is `full`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.full = False

    def write(self, line: str) -> bool:
        if not self.full:
            self.lines.append(line)
        return not self.full


def _validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: event.kind)
def test_every_event_fits_the_schema(event: Event) -> None:
    pipe = Pipe()
    JsonLines(pipe.write).show(event)
    line = json.loads(pipe.lines[0])
    _validator().validate(line)
    assert line["event"] == event.kind
    assert line["at"] == event.at


def test_the_schema_knows_every_kind_of_event() -> None:
    kinds = {each["properties"]["event"]["const"] for each in schema()["oneOf"]}
    assert kinds == {event.kind for event in Event.__subclasses__()} | {"missed"}


@pytest.mark.parametrize(
    ("name", "made_from"),
    [
        ("host", HostStatus),
        ("problem", HostProblem),
        ("listener", ListenerStatus),
        ("stream", StreamStatus),
    ],
)
def test_the_schema_has_exactly_the_fields_of_the_values(name: str, made_from: Any) -> None:
    definition = schema()["$defs"][name]
    fields = [field.name for field in dataclasses.fields(made_from)]
    assert list(definition["properties"]) == fields
    assert definition["required"] == fields


def test_the_schema_refuses_what_is_not_an_event() -> None:
    line = events.Ready(hosts=1, listeners=2).to_json()
    for wrong in ({**line, "hosts": "1"}, {**line, "more": 1}, {**line, "event": "steady"}):
        with pytest.raises(jsonschema.ValidationError):
            _validator().validate(wrong)


def test_hostile_text_is_ascii_without_control_characters() -> None:
    pipe = Pipe()
    text = "\x1b[2J\x7f\x9b\n\u202e\udc80"
    JsonLines(pipe.write).show(events.Log(level="info", host="web", text=text))
    assert pipe.lines[0].isascii() and pipe.lines[0].isprintable()
    assert json.loads(pipe.lines[0])["text"] == text


def test_lost_events_are_counted_and_told_once_there_is_room() -> None:
    pipe = Pipe()
    lines = JsonLines(pipe.write)
    pipe.full = True
    lines.show(events.Stopped())
    lines.show(events.Stopped())
    lines.missed(3)
    pipe.full = False
    lines.show(events.Ready(hosts=1, listeners=1))
    lines.show(events.Stopped())
    told = [json.loads(line) for line in pipe.lines]
    assert [line["event"] for line in told] == ["missed", "ready", "stopped"]
    assert told[0]["count"] == 5
    _validator().validate(told[0])
