"""What is asked for at the cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.completion import CompletionContext, completion_context


def at_end(line: str) -> CompletionContext:
    return completion_context(line, len(line))


def offered(line: str) -> set[str]:
    """The fixed words that go on with what stands at the end."""
    found = at_end(line)
    return {word for word, _ in found.words if word.startswith(found.tail.prefix)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ho", {"host", "hosts"}),
        ("host r", {"rename", "restart", "rm", "remove"}),
        ("hosts; po", {"port", "ports"}),
        ("hosts --j", {"--json"}),
        ("hosts --json --j", set()),
        ("host add --a", {"--alias", "--agent"}),
        ("host set x --agent ", {"auto", "python", "native", "norouter", "default"}),
        ("host set x --agent=p", {"python"}),
        ("proxy http local o", {"off"}),
        ("streams st", {"state:"}),
        ("streams host:db !st", {"!state:"}),
        ("streams state:o", {"state:opening", "state:open"}),
        ("streams by", {"by:", "bytes>"}),
        ("help por", {"port", "ports"}),
        ("help port r", {"rm", "remove", "retarget"}),
        ("undo --w", {"--wait"}),
        ("nonsense x", set()),
        ("# ho", set()),
    ],
)
def test_words_that_are_known(line: str, words: set[str]) -> None:
    assert offered(line) == words


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("host rm ", ArgumentType.HOST),
        ("host rm a b", ArgumentType.HOST),
        ("port rm web ", ArgumentType.PORT),
        ("port rm web 80 ", ArgumentType.PORT),
        ("stream kill ", ArgumentType.STREAM),
        ("tap ", ArgumentType.STREAM),
        ("route rm ", ArgumentType.ROUTE),
        ("save ", ArgumentType.FILE),
        ("save 'a b", ArgumentType.FILE),
        ("host add --vip ", ArgumentType.VIP),
        ("log --lines 5 ", ArgumentType.HOST),
        ("streams host:d", ArgumentType.FILTER),
    ],
)
def test_kinds_that_a_session_knows(line: str, kind: ArgumentType) -> None:
    assert at_end(line).kinds == (kind,)


def test_the_host_of_a_port_is_known() -> None:
    assert at_end("port rm --json web ").host == "web"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", ()),
        ("doc", ()),
        ("docker exec -i ", ("docker", "exec", "-i")),
        ("docker exec -i w", ("docker", "exec", "-i")),
        ("host add web -- ", ()),
        ("host add web -- ssh d", ("ssh",)),
        ("host set web -- ssh d", ("ssh",)),
    ],
)
def test_exec_commands_are_completed(line: str, command: tuple[str, ...]) -> None:
    assert at_end(line).command == command


def test_commands_on_a_host_are_not_ours_to_complete() -> None:
    assert at_end("exec web -- ls ").command is None


def test_what_is_completed_begins_where_the_word_does() -> None:
    assert at_end("host rm 'we").tail.start == 8
    assert at_end("host rm 'we").tail.prefix == "we"
    assert at_end("host set x --agent=p").tail.start == 19


@given(st.text(max_size=40), st.integers(-2, 45))
def test_any_line_can_be_asked_about(line: str, cursor: int) -> None:
    assert 0 <= completion_context(line, cursor).tail.start <= len(line)
