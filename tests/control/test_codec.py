"""Whatever a session gives comes out of JSON as it went in; whatever else is said is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from norouter_core.commands.results import (
    Bytes,
    Column,
    Completion,
    Diff,
    Failure,
    Lines,
    Outcome,
    Question,
    Table,
    Unit,
)
from norouter_core.control import codec
from norouter_core.control.codec import DecodeError, LineBuffer, LineTooLong, decode, encode
from norouter_core.control.remote import SessionHello
from norouter_core.control.requests import parse_request
from norouter_core.engine import events
from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerStatus,
    StreamStatus,
)
from norouter_core.exec_commands.problem import HostProblem
from norouter_core.session.client import DocumentState, Rate, Summary

few = settings(max_examples=40, deadline=None)

numbers = st.integers(-(2**63), 2**63)
floats = st.floats(allow_nan=False, allow_infinity=False)
plain = st.none() | st.booleans() | numbers | floats | st.text()
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
rows = st.dictionaries(st.text(), values, max_size=4)
columns = st.builds(Column, st.text(), st.text(), st.sampled_from(Unit))
tables = st.builds(
    Table,
    st.text(),
    st.lists(columns, max_size=3).map(tuple),
    st.lists(rows, max_size=3).map(tuple),
)
outputs = (
    st.builds(Lines, st.text())
    | st.builds(Diff, st.text())
    | st.builds(Bytes, st.text(), st.binary(), numbers)
    | tables
)
failures = st.builds(Failure, st.text(), st.text(), numbers, st.text())
questions = st.builds(Question, st.text(), st.text(), st.lists(numbers, max_size=3).map(tuple))
outcomes = st.builds(
    Outcome,
    st.text(),
    st.none() | failures,
    st.none() | questions,
    st.booleans(),
    st.booleans(),
    numbers,
    rows,
)
rates = st.builds(Rate, floats, floats, st.lists(floats, max_size=3).map(tuple))
documents = st.builds(DocumentState, st.text(), st.booleans(), st.text(), st.text())
summaries = st.builds(Summary, documents, numbers, numbers, numbers, numbers, rates)
problems = st.builds(HostProblem)
hosts = st.builds(
    HostStatus,
    since=floats,
    retry_in=st.none() | floats,
    problem=st.none() | problems,
    round_trip=st.none() | floats,
)
told = st.one_of(
    st.builds(events.HostChanged, at=floats, host=hosts),
    st.builds(events.HostRemoved, at=floats),
    st.builds(events.ListenerChanged, at=floats, listener=st.builds(ListenerStatus)),
    st.builds(events.ListenerRemoved, at=floats),
    st.builds(events.StreamOpened, at=floats, stream=st.builds(StreamStatus, opened=floats)),
    st.builds(events.StreamClosed, at=floats, stream=st.builds(StreamStatus, opened=floats)),
    st.builds(events.Log, at=floats),
    st.builds(events.Ready, at=floats),
    st.builds(events.Stopped, at=floats),
)


def through(value: Any) -> Any:
    """The value after its way as a line."""
    return decode(encode({"value": value}).rstrip(b"\n"))["value"]


@few
@given(outputs)
def test_outputs(output: Any) -> None:
    assert codec.output_from_json(through(codec.output_to_json(output))) == output


@few
@given(outcomes)
def test_outcomes(outcome: Outcome) -> None:
    assert codec.from_json(Outcome, through(codec.to_json(outcome))) == outcome


@few
@given(summaries)
def test_summaries(summary: Summary) -> None:
    assert codec.from_json(Summary, through(codec.to_json(summary))) == summary


@few
@given(st.lists(st.builds(Completion, st.text(), numbers, st.text()), max_size=3))
def test_completions(found: list[Completion]) -> None:
    assert list(codec.from_json(tuple[Completion, ...], through(codec.to_json(found)))) == found


@few
@given(told)
def test_events(event: events.Event) -> None:
    assert codec.event_from_json(through(event.to_json())) == event


def test_every_event_is_known() -> None:
    kinds = {each for each in vars(events).values() if isinstance(each, type)}
    wanted = {e.kind for e in kinds if issubclass(e, events.Event) and e is not events.Event}
    assert set(codec._events()) == wanted and len(wanted) > 5


@few
@given(values)
def test_any_other_value_is_refused_and_nothing_else(value: Any) -> None:
    for read in (
        codec.output_from_json,
        partial(codec.from_json, Outcome),
        partial(codec.from_json, Summary),
        partial(codec.from_json, tuple[Completion, ...]),
        codec.event_from_json,
        lambda each: parse_request(each) if isinstance(each, dict) else None,
    ):
        with contextlib.suppress(codec.DecodeError):
            read(value)


def test_what_is_unknown_is_left_out_and_what_is_missing_has_its_default() -> None:
    assert codec.from_json(Outcome, {"message": "hi", "new": [1]}) == Outcome("hi")
    assert codec.event_from_json({"event": "of tomorrow", "at": 1}) is None
    with pytest.raises(codec.DecodeError, match=r"Summary"):
        codec.from_json(Summary, {"hosts": 1})
    with pytest.raises(codec.DecodeError, match=r"Outcome: .*\$\.status"):
        codec.from_json(Outcome, {"status": True})
    host = HostStatus("web", "v", "c", HostState.READY, 1.0, 1, None, None, None, "", 0, 0, 0)
    event = events.HostChanged(at=1.0, host=host).to_json()
    event["host"]["state"] = "levitating"
    with pytest.raises(codec.DecodeError, match=r"HostChanged: .*\$\.host\.state"):
        codec.event_from_json(event)
    assert replace(host, name="db") != host


@few
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=6), st.data())
def test_lines_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    buffer, got = LineBuffer(41), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        buffer.feed(stream[:size])
        stream = stream[size:]
        while (line := buffer.next()) is not None:
            got.append(line)
    assert got == lines


def test_a_line_over_the_limit() -> None:
    buffer = LineBuffer(10)
    buffer.feed(b"123456789\n1234567890")
    assert buffer.next() == b"123456789"
    assert buffer.next() is None
    buffer.feed(b"1")
    with pytest.raises(LineTooLong):
        buffer.next()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"id": ' + b"9" * 100_000 + b"}",
        b"\x00",
        '{"id": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_not_json(line: bytes) -> None:
    with pytest.raises(codec.DecodeError):
        decode(line)


def test_half_a_surrogate_pair_goes_through() -> None:
    assert json.loads(encode({"text": "\ud800"})) == {"text": "\ud800"}


def test_a_key_with_half_of_a_surrogate_pair_is_no_message() -> None:
    with pytest.raises(DecodeError):
        codec.from_json(SessionHello, {"protocol": 1, "pid": 1, "name": "x", "\ud800": 1})
