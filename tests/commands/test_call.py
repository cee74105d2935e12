"""Calls as values: built from fields, written as lines and as JSON, with secrets hidden."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.call import Call, CallError, build_call
from norouter_core.commands.help import example
from norouter_core.commands.parser import parse
from norouter_core.commands.registry import VERBS
from norouter_core.commands.results import Failure
from norouter_core.model import AgentMode, Forward, ProxySpec
from tests.commands.calls import call

LINES = [
    *(example(text) for verb in VERBS for text in verb.examples),
    "docker exec -it web bash",
    "host add --wait web --alias=www -- ssh -p 22 '--' 'a b'",
    "host set web --state-dir '--' --dns off --agent default",
    "port add web 8080:[::1]:80 53/udp 22 81:82",
    "streams 'host:a b' !rate>1k '#' age<1.5d",
    "proxy socks web [::1]:1080 --auth 'me:it''s; \"secret\"'",
    "save '-h'",
    "stream tap 7 --for 0.25 --hex",
]


def failure(verb: str, values: dict[str, object]) -> Failure:
    with pytest.raises(CallError) as caught:
        build_call(verb, values)
    return caught.value.failure


@pytest.mark.parametrize("line", LINES)
def test_a_line_and_json_give_back_the_same_call(line: str) -> None:
    made = call(line)
    assert call(made.line()) == made
    assert Call.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert " ".join(made.words()).startswith("docker" if made.pasted else made.verb.name)


def test_canonical_lines_are_short() -> None:
    assert call("host add --port 80:localhost:80 --vip=127.0.42.7 web -- ssh 'web'").line() == (
        "host add web --vip 127.0.42.7 --port 80 -- ssh web"
    )
    assert call("tap 1 --for 1500ms").line() == "stream tap 1 --for 1.5"
    assert call("streams rate>1k *.x").line() == "streams rate>1k *.x"


def test_secrets_are_hidden_by_their_type() -> None:
    for verb in VERBS:
        for parameter in verb.parameters:
            if parameter.type is ArgumentType.AUTH:
                made = Call(verb, {parameter.name: ("me:secret",)})
                assert "secret" in made.line()
                assert "secret" not in made.line(redact=True)
                assert "secret" not in " ".join(made.words(redact=True))


def test_calls_are_built_from_texts_and_from_values() -> None:
    made = build_call(
        "host add",
        {"state-dir": "~/x"},
        name="web",
        alias=["www", "api"],
        port=[Forward(80, "localhost", 81), "22"],
        agent=AgentMode.PYTHON,
        etc_hosts=True,
        loopback=None,
        cmd=("ssh", "web"),
        wait=True,
        vip=None,
    )
    line = (
        "host add web --alias www --alias api --port 80:81 --port 22 --state-dir ~/x "
        "--etc-hosts on --agent python --wait -- ssh web"
    )
    assert made == call(line)
    assert build_call("proxy http", host="web", address=ProxySpec("127.0.0.1", 80)) == call(
        "proxy http web 127.0.0.1:80"
    )
    assert build_call("undo", times=3) == call("undo 3")
    assert build_call("streams", filter=["to:web", "age>1"]) == call("streams to:web age>1")


@pytest.mark.parametrize(
    ("verb", "values", "message", "argument", "index"),
    [
        ("hots", {}, "unknown command", "", 0),
        ("hosts", {"jsn": True}, "no argument", "jsn", 0),
        ("port add", {"host": "web"}, "missing SPEC", "spec", 0),
        ("port add", {"host": "web", "spec": []}, "missing SPEC", "spec", 0),
        ("port add", {"host": "web", "spec": ["22", "x"]}, "not a port forward", "spec", 1),
        ("host rename", {"host": ["a", "b"], "name": "c"}, "takes one host", "host", 1),
        ("hosts", {"json": "yes"}, "takes no value", "json", 0),
        ("host add", {"vip": True}, "needs a value", "vip", 0),
        ("streams", {"filter": ["a", "hots:x"]}, 'no field "hots"', "filter", 1),
        ("exec", {"host": "web", "cmd": [""]}, "command is empty", "cmd", 0),
    ],
)
def test_a_failure_names_the_argument(
    verb: str, values: dict[str, object], message: str, argument: str, index: int
) -> None:
    found = failure(verb, values)
    assert message in found.message
    assert (found.argument, found.index) == (argument, index)


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], "hosts", {}, {"verb": 1}, {"verb": "hosts", "values": []}),
        {"verb": "host rm", "values": {"host": [{"a": 1}]}},
        {"verb": "host rm", "values": {"host": ["a\0b"]}},
        {"verb": "host rm", "values": {"host": ["\ud800"]}},
        {"verb": "hosts", "pasted": True},
    ],
)
def test_what_is_no_call_is_refused(value: object) -> None:
    with pytest.raises(CallError):
        Call.from_json(value)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
)


@given(
    st.sampled_from(VERBS),
    st.dictionaries(
        st.sampled_from(sorted({p.name for verb in VERBS for p in verb.parameters})) | st.text(),
        _VALUES,
        max_size=4,
    ),
)
def test_no_json_breaks_a_call_and_every_call_is_a_line(verb: Any, values: Any) -> None:
    try:
        made = Call.from_json({"verb": verb.name, "values": values})
    except CallError:
        return
    parsed = parse(made.line())
    assert parsed is not None and parsed.call == made


@pytest.mark.parametrize("name", ["state-dir", "dns", "agent", "vip"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_json_that_is_no_text_breaks_no_option_of_a_host(name: str, value: object) -> None:
    found = {"verb": "host set", "values": {"host": "a", name: value}}
    try:
        call = Call.from_json(found)
    except CallError as error:
        assert error.failure.message
    else:
        assert parse(call.line()) is not None
