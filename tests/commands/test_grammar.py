"""Lines to calls, and what is wrong with those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.call import Call
from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.registry import BY_WORDS, VERBS
from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import TokenError, join, split_commands, tail, tokenize
from norouter_core.model import Forward


def called(line: str) -> Call:
    return parsed(line).call


def parsed(line: str) -> ParsedLine:
    found = parse(line)
    assert found is not None
    return found


def failure(line: str) -> tuple[Failure, int]:
    with pytest.raises(ParseError) as caught:
        parse(line)
    return caught.value.failure, caught.value.column


# -- words


def test_words_are_those_of_a_shell() -> None:
    line = """a "b c" 'd;e' f\\ g "h\\"i" j'k'"l" \\# # m"""
    assert [word.text for word in tokenize(line)] == [
        *("a", "b c", "d;e", "f g", 'h"i', "jkl", "#")
    ]


def test_words_know_their_places() -> None:
    first, second = tokenize("  hosts 'a b'")
    assert (first.start, first.end) == (2, 7)
    assert (second.start, second.end, second.quoted) == (8, 13, True)


def test_commands_are_parted() -> None:
    text = "hosts; ports # both\n\n  streams host:db\nlog 'a\nb'; quit"
    found = list(split_commands(text))
    assert [piece.line for piece in found] == [
        *("hosts", "ports", "streams host:db", "log 'a\nb'", "quit")
    ]
    assert [text[piece.start :].startswith(piece.line) for piece in found] == [True] * 5


def test_a_line_goes_on_after_a_backslash() -> None:
    (piece,) = split_commands("host add web \\\n  -- env sh")
    assert [word.text for word in piece.words] == ["host", "add", "web", "--", "env", "sh"]


def test_what_stands_before_a_mistake_comes_first() -> None:
    found = split_commands("hosts; log 'never closed")
    assert next(found).line == "hosts"
    with pytest.raises(TokenError, match="not closed") as caught:
        next(found)
    assert caught.value.index == 11


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_quoting_goes_round(words: list[str]) -> None:
    assert [word.text for word in tokenize(join(words))] == words


# -- calls


def test_arguments_are_typed() -> None:
    line = parsed("port add web 8080:127.0.0.1:80 8081:81 22")
    call = line.call
    assert call.verb.name == "port add"
    assert call.get("host") == "web"
    assert call.all("spec") == (
        *(Forward(8080, "127.0.0.1", 80), Forward(8081, "localhost", 81)),
        Forward(22, "localhost", 22),
    )
    assert line.column_of(Failure("", "spec", 1)) == 32
    assert line.column_of(Failure("", "wait")) == 0


def test_options_stand_anywhere_before_the_dashes() -> None:
    call = called("host add --vip 127.0.42.7 web --alias=www --wait -- ssh --vip db")
    assert call.get("name") == "web"
    assert call.get("vip") == "127.0.42.7"
    assert call.all("alias") == ("www",)
    assert "wait" in call
    assert call.all("cmd") == ("ssh", "--vip", "db")


def test_an_exec_command_alone_is_a_host() -> None:
    for line in (
        "docker exec -i web",
        "ssh me@db",
        "sudo -n podman exec -it x bash",
        "kubectl -n x exec -i pod --",
        "DOCKER_HOST=tcp://x docker exec -i web",
        "/usr/bin/lxc exec c --",
        "nsenter -t 1 -n",
    ):
        call = called(line)
        assert call.verb.name == "host add"
        assert call.pasted
        assert call.all("cmd") == tuple(line.split())


def test_blank_lines_and_comments_say_nothing() -> None:
    assert parse("") is None
    assert parse("   # hosts") is None


def test_aliases_are_verbs() -> None:
    assert called("ls").verb is called("hosts").verb
    assert called("q").verb.name == "quit"


def test_help_of_a_verb() -> None:
    call = called("port add --help")
    assert call.verb.name == "help"
    assert call.all("verb") == ("port", "add")


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        ("hosst", 1, 'unknown command "hosst"', "did you mean host?"),
        ("fly ssh console", 1, 'unknown command "fly"', "host add -- fly ssh console"),
        ("gcloud compute instances list", 1, "does not lead to a host", "an exec command does"),
        ("$ ssh web", 1, 'unknown command "$"', "leave out the `$`"),
        ("  host ad x", 8, 'unknown command "host ad"', "did you mean host add?"),
        ("host", 5, "host: missing subcommand", "add, "),
        ("hosts --jsn", 7, 'no option "--jsn"', "did you mean --json?"),
        ("hosts --json --json", 14, "given twice", ""),
        ("hosts --json=1", 7, "takes no value", ""),
        ("hosts x", 7, 'unexpected argument "x"', "usage: hosts"),
        ("port add web", 13, "port add: missing SPEC", "usage: port add HOST"),
        ("port add web 22 x", 17, "not a port forward", "LISTEN:HOST:PORT"),
        ("host add web --vip", 14, "--vip needs a value", "usage"),
        ("host add web --vip 1.2.3", 20, "not an IPv4 address", ""),
        ("host add web --vip=1.2.3", 20, "not an IPv4 address", ""),
        (
            "host add web docker exec -i x",
            14,
            "unexpected argument",
            "the command: -- docker",
        ),
        ("host add web --", 14, "no command follows", ""),
        ("hosts -- x", 7, "takes no command", ""),
        ("exec web", 9, "exec: missing a command after `--`", "-- CMD..."),
        ("stream kill x", 13, "not the number of a stream", ""),
        ("stream kill 0", 13, "not the number of a stream", ""),
        ("host set web --agent pyton", 22, "unknown agent mode", "did you mean python?"),
        ("host set web --loopback maybe", 25, "not a switch", "on, off or default"),
        ("proxy http web 127.0.0.1", 16, "not IP:PORT", "127.0.0.1:8080"),
        ("proxy http web off --auth me", 27, "not USER:PASSWORD", ""),
        ("host set x --dns maybe", 18, "not a number", "use 1 to 65535, off or default"),
        ("streams age>x", 13, "not a length of time", "10s"),
        ("streams a hots:x", 11, 'no field "hots"', "did you mean host?"),
        ("hosts; ports", 8, "a second command", "one command at a time"),
        ("log 'x", 5, "not closed", "close it"),
        ("log x\\", 6, "nothing follows", ""),
        ("log \0", 5, "NUL", "remove it"),
    ],
)
def test_mistakes_are_told_with_their_place(
    line: str, column: int, message: str, hint: str
) -> None:
    found, at = failure(line)
    assert message in found.message
    assert hint in found.hint
    assert at == column


_WORDS = sorted({word for words in BY_WORDS for word in words})
_LINES = st.lists(
    st.one_of(
        st.sampled_from(_WORDS),
        st.sampled_from(["--", "--vip", "--json", "'", '"', "\\", ";", "#", "host:x", "127.0.0.1"]),
        st.text(max_size=8),
    )
).map(" ".join)


@given(st.one_of(st.text(), _LINES))
def test_no_line_breaks_the_grammar(line: str) -> None:
    try:
        parse(line)
    except ParseError as error:
        assert 0 <= error.column <= len(line) + 1
        assert error.failure.message


@given(st.one_of(st.text(), _LINES), st.integers(-3, 60))
def test_what_stands_before_the_cursor_is_always_found(line: str, cursor: int) -> None:
    found = tail(line, cursor)
    assert 0 <= found.start <= len(line)


# -- the registry


def test_verbs_are_told_apart() -> None:
    names = [words for verb in VERBS for words in (verb.words, *verb.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_verbs_are_declared_well(verb: object) -> None:
    found = next(each for each in VERBS if each is verb)
    places = [a for a in found.arguments if a.type is not ArgumentType.CMD]
    assert all(not a.optional and not a.many for a in places[:-1])
    options = [option.name for option in found.all_options]
    assert len(options) == len(set(options))
    assert not set(options) & {argument.name for argument in found.arguments}
    assert found.summary[0].islower()
    assert not found.summary.endswith(".")
    assert found.examples
    for example in found.examples:
        call = parse(example)
        assert call is not None
    assert any(called(example).verb is found for example in found.examples)


@pytest.mark.parametrize(
    "line", ["docker ps", "kubectl get pods", "ip addr", "sudo ls", "lxc list"]
)
def test_what_leads_to_no_host_is_told(line: str) -> None:
    found, _ = failure(line)
    assert found.message == f'"{line}" does not lead to a host'
    assert "docker exec -i" in found.hint
