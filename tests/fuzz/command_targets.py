"""What people type and paste: commands, scripts, filters, exec commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from norouter_core.commands import filters
from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.call import Call
from norouter_core.commands.completion import completion_context
from norouter_core.commands.parser import ParseError, parse
from norouter_core.commands.tokenizer import TokenError, join, split_commands, tokenize
from norouter_core.exec_commands.command import (
    ExecCommand,
    plan_shell_instead,
    plan_start,
)
from norouter_core.exec_commands.diagnosis import SHOWN_LINES, diagnose
from norouter_core.exec_commands.fallback import next_plan, suggest_native_agent
from norouter_core.exec_commands.lint import lint
from norouter_core.exec_commands.pasted import infer_name, is_exec_command, normalize
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.manifest.values import check_hostname
from norouter_core.model import AgentMode
from norouter_tui.repl.steps import BadStep, ScriptStep, StepReader, lines_of
from tests.commands.streams import stream
from tests.fuzz.targets import Shape, outcome, target, text_of

_QUOTES: list[Shape] = [
    (b"", b"'", b""),
    (b"'", b"x", b""),
    (b'"', b"\\\\", b""),
    (b"", b"\\\n", b""),
    (b"", b"\\", b""),
    (b"", b"a;", b""),
    (b"", b"a\n", b""),
    (b"", b"#\n", b""),
    (b"", b" ", b""),
    (b"x", b"x", b""),
]


@target(
    "commands",
    shapes=[
        *_QUOTES,
        (b"", b"host ", b""),
        (b"host add a -- ", b"ssh ", b"b"),
        (b"host add ", b"ssh ", b"b"),
        (b"host add ", b"docker ", b""),
        (b"", b"ssh a ", b""),
        (b"docker exec ", b"-", b" web"),
        (b"docker exec -", b"i", b" web"),
        (b"route add ", b"a ", b"--via b"),
        (b"port add web ", b"1", b""),
        (b"route add ", b"*", b" --via b"),
        (b"route add ", b"[a]", b" --via b"),
        (b"streams ", b"host:a ", b""),
        (b"streams host:", b"*", b""),
        (b"host set web ", b"--vip 127.0.0.1 ", b""),
        (b"host set web --", b"x", b""),
    ],
)
def check_commands(data: bytes) -> None:
    text = text_of(data)
    for cursor in {0, len(text) // 2, len(text)}:
        found = completion_context(text, cursor)
        assert 0 <= found.tail.start <= len(text)
    try:
        parsed = parse(text)
    except ParseError as error:
        assert 1 <= error.column <= len(text) + 1, error.column
        assert error.failure.message and error.failure.message.isprintable()
        assert len(error.failure.message) < 1000
        return
    if parsed is None:
        return
    call = parsed.call
    again = parse(call.line())
    assert again is not None and again.call == call, call.line()
    assert Call.from_json(json.loads(json.dumps(call.to_json()))) == call
    assert tuple(word.text for word in tokenize(call.line())) == call.words()
    shown = call.line(redact=True)
    for each in call.verb.parameters:
        if each.type is ArgumentType.AUTH and call.values.get(each.name):
            assert shown != call.line() or "***" in shown


@target("scripts", shapes=[*_QUOTES, (b"'", b"\n", b""), (b"'", b"a\n", b"'"), (b"", b"!\n", b"")])
def check_scripts(data: bytes) -> None:
    text = text_of(data)
    steps, failure = _steps(lines_of(text))
    for step in steps[-50:]:
        assert 0 <= step.start <= len(text)
        place = step.row, step.column
        before = text[: step.start]
        assert place == (before.count("\n") + 1, len(before) - before.rfind("\n")), step
        if not step.shell:
            assert text.startswith(step.line, step.start)
    # A line that begins with `!` is for a shell, and so is a command.
    if failure is None and not re.search(r"(?:^|[\n;])\s*!", text):
        found = outcome(lambda: [each.line for each in split_commands(text)], TokenError)
        assert [step.line for step in steps] == found


def _steps(lines: Iterable[str]) -> tuple[list[ScriptStep], str | None]:
    reader = StepReader()
    found: list[ScriptStep] = []
    try:
        for line in lines:
            found += reader.feed(line)
        found += reader.finish()
    except BadStep as bad:
        assert bad.row >= 1 and bad.column >= 1
        return found, bad.failure.message
    return found, None


@target(
    "tokenizer",
    shapes=_QUOTES,
)
def check_tokenizer(data: bytes) -> None:
    text = text_of(data)
    words = text.split("\n")
    line = join(words)
    found = outcome(lambda: [word.text for word in tokenize(line)], TokenError)
    if isinstance(found, list):
        assert found == words
    try:
        commands = list(split_commands(text))
    except TokenError as error:
        assert 0 <= error.index <= len(text)
        return
    for command in commands[:20]:
        for word in command.words:
            assert command.start <= word.start < word.end <= len(text)
            assert all(word.start <= word.index(at) <= word.end for at in range(len(word.text)))
        assert text.startswith(command.line, command.start)


_STREAM = stream()


@target(
    "filters",
    shapes=[
        (b"host:", b"*a", b"!"),
        (b"host:", b"*", b"b"),
        (b"host:", b"[", b"*"),
        (b"host:", b"?", b"*"),
        (b"bytes>", b"9", b""),
        (b"bytes>0.", b"9", b""),
        (b"age>1", b" ", b"s"),
        (b"", b"host:a ", b""),
        (b"", b"!", b"a"),
        (b"", b"x", b":"),
        (b"rate:", b">", b"1"),
        (b"id:", b"1", b""),
    ],
)
def check_filters(data: bytes) -> None:
    text = text_of(data)
    try:
        found = filters.parse(text)
    except TokenError as error:
        assert 0 <= error.index <= len(text), error.index
        assert error.message.isprintable()
        return
    matches = found.matches(_STREAM, rate=1.0, now=2.0)
    again = filters.build_filter(found.terms)
    assert again == found and again.matches(_STREAM, rate=1.0, now=2.0) == matches
    for term in found.terms:
        # Of a term and its opposite, one holds.
        if not term.startswith("!"):
            one, other = filters.build_filter([term]), filters.build_filter([f"!{term}"])
            assert one.matches(_STREAM, 1.0, 2.0) != other.matches(_STREAM, 1.0, 2.0)


@target(
    "exec-commands",
    shapes=[
        (b"", b"ssh a ", b""),
        (b"", b"sudo ", b"docker exec web"),
        (b"docker exec ", b"-i ", b"web"),
        (b"docker exec -", b"i", b" web"),
        (b"", b"A=1 ", b"ssh a"),
        (b"A", b"a", b"=1 ssh a"),
        (b"ssh ", b"/", b""),
        (b"ssh a.", b"b.", b""),
        (b"ssh ", b":", b""),
        (b"ssh a '", b"docker exec ", b"sh'"),
        (b"ssh a ", b"'", b""),
        (b"ssh -o ", b"BatchMode=yes -o ", b"a"),
        (b"ssh -o '", b" ", b"BatchMode' a"),
        (b"docker exec web ", b"sh ", b""),
        (b"kubectl exec web -c ", b"x", b" -- sh"),
        (b"docker ", b"e", b" web"),
        (b"python", b"3.", b""),
    ],
)
def check_exec_commands(data: bytes) -> None:
    found = outcome(lambda: tuple(w.text for w in tokenize(text_of(data))), TokenError)
    if isinstance(found, str) or not found:
        return
    words = found
    command = ExecCommand.parse(words)
    for layer in command.layers:
        assert layer.at < layer.end <= len(command.words) and layer.verb_at < len(command.words)
    if is_exec_command(words):
        # That a second pass changes nothing holds for lines that people write, not for these: a
        # pasted line that no program would take fails in any case.
        assert normalize(words)
    check_hostname(infer_name(words, lambda name: name.endswith("x")))
    for mode in AgentMode:
        plan = plan_start(words, mode)
        assert plan.argv
        for diagnosis in lint(words, mode) if mode is AgentMode.AUTO else ():
            assert diagnosis.message and diagnosis.hint
        if plan.interpreter or plan.tentative:
            assert plan_shell_instead(plan).argv


_STAGES = list(Stage)


@target(
    "diagnosis",
    shapes=[
        *[(b"\x01\x01docker exec -i web\n", piece, b"") for piece in (b"a\n", b"\n", b"x", b" ")],
        *[
            (b"\x01\x01ssh a docker exec -i web\n", piece, b" ")
            for piece in (b"a:", b": ", b"a ", b"\"'", b"error: ", b"./", b"\x1b[", b"\x1b]", b"(a")
        ],
        (b"\x01\x01", b"ssh a ", b"\nerror"),
    ],
    max_growth=1 << 15,
)
def check_diagnosis(data: bytes) -> None:
    """Two bytes choose the stage and the exit status, then comes the exec command, then stderr."""
    if len(data) < 2:
        return
    line, _, rest = text_of(data[2:]).partition("\n")
    found = outcome(lambda: tuple(w.text for w in tokenize(line)), TokenError)
    if isinstance(found, str) or not found:
        return
    stage = _STAGES[data[0] % len(_STAGES)]
    status = (None, 0, 1, 2, 125, 126, 127, 255, -9)[data[1] % 9]
    evidence = Evidence(
        plan_start(found, AgentMode.AUTO).argv,
        stage,
        status,
        stdout=data[-200:] if data[0] >= 128 else b"",
        stderr=tuple(rest.split("\n")),
        report=rest if data[1] >= 128 else "",
        timed_out=1.0 if status is None else None,
    )
    problem = diagnose(evidence)
    for text in (problem.message, problem.hint):
        assert text and "\n" not in text and "\x1b" not in text
    assert len(problem.stderr) <= SHOWN_LINES and all(len(x) < 300 for x in problem.stderr)
    for mode in (AgentMode.AUTO, AgentMode.PYTHON):
        plan = plan_start(found, mode)
        next_plan(plan, stage, problem, mode)
        assert suggest_native_agent(plan, stage, problem, mode).message == problem.message
