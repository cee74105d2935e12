"""Every text of the corpus is recognized, and leads to a message and a hint."""

from __future__ import annotations

import dataclasses
import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.diagnosis import SHOWN_LINES, diagnose
from norouter_core.exec_commands.problem import PERMANENT, Evidence, HostProblem, ProblemKind, Stage
from norouter_core.exec_commands.stderr_patterns import STDERR_PATTERNS, find_match
from tests.exec_commands.evidence import CORPUS, RecordedFailure

WITHOUT_RETRY = {
    "command-not-found",
    "not-executable",
    "no-native-agent",
    "permission-denied",
    "login-failed",
    "host-key",
    "nobody-to-ask",
    "cancelled",
    "no-shell",
    "windows-shell",
    "no-python",
    "python-too-old",
    "python-incomplete",
    "tty",
    "stdin-not-attached",
    "norouter-go",
    "norouter-missing",
    "norouter-version",
    "sudo-password",
    "usage",
}


def check_readable(problem: HostProblem, evidence: Evidence) -> None:
    assert problem.command == shlex.join(evidence.argv)
    assert problem.exit_status == evidence.exit_status
    assert len(problem.stderr) <= SHOWN_LINES
    for text in (problem.message, problem.hint):
        assert text
        assert text.isprintable()
        # An empty word of a template would leave such traces.
        assert not re.search(r"``|  | ,|: $|\(\)", text), text
    assert problem.instead in problem.hint
    for line in problem.stderr:
        assert re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f]*", line)


@pytest.mark.parametrize("seen", CORPUS, ids=lambda seen: seen.title)
def test_the_corpus(seen: RecordedFailure) -> None:
    problem = diagnose(seen.evidence)
    assert problem.kind == seen.kind, problem
    assert seen.says in f"{problem.message}\n{problem.hint}", problem
    if seen.instead is not None:
        assert problem.instead == seen.instead
    check_readable(problem, seen.evidence)


def test_the_permanent_kinds() -> None:
    assert {str(kind) for kind in PERMANENT} == WITHOUT_RETRY
    for seen in CORPUS:
        assert diagnose(seen.evidence).permanent == (seen.kind in WITHOUT_RETRY)


@pytest.mark.parametrize("seen", CORPUS, ids=lambda seen: seen.title)
def test_a_chatty_profile_changes_nothing(seen: RecordedFailure) -> None:
    """Lines that a login file or a banner printed first do not mislead."""
    chatter = ("Welcome to web!", "bash: warning: setlocale: LC_ALL: cannot change locale (xx)")
    evidence = dataclasses.replace(seen.evidence, stderr=chatter + seen.evidence.stderr)
    if evidence.stage is not Stage.SPAWN:
        assert diagnose(evidence).kind == seen.kind


def test_every_pattern_has_evidence() -> None:
    """There is no pattern without the output that it was made for."""
    used = set()
    for seen in CORPUS:
        evidence = seen.evidence
        lines = evidence.stderr + tuple(evidence.stdout.decode().splitlines())
        command = ExecCommand.parse(evidence.argv)
        found = find_match(lines, command, evidence.stage, evidence.exit_status)
        if found is not None:
            used.add(found[0])
    unseen = [row.pattern for row in STDERR_PATTERNS if row not in used]
    assert unseen == []


def test_the_last_lines_are_shown() -> None:
    lines = tuple(f"line {n}" for n in range(20))
    problem = diagnose(Evidence(("web.sh", "sh"), Stage.SHELL, exit_status=3, stderr=lines))
    assert problem.stderr == lines[-8:]
    assert problem.kind == ProblemKind.EXITED
    assert "line 19" in problem.message


def test_stdout_is_shown_where_stderr_is_empty() -> None:
    """runc complains on stdout, as docker passes it on."""
    complaint = b'OCI runtime exec failed: exec: "sh": not found\x1b[0m\r\n'
    evidence = Evidence(("docker", "exec", "-i", "web", "sh"), Stage.SHELL, 126, stdout=complaint)
    assert diagnose(evidence).stderr == ('OCI runtime exec failed: exec: "sh": not found',)


words = st.sampled_from(
    [
        "docker",
        "podman",
        "compose",
        "kubectl",
        "lxc",
        "ssh",
        "sudo",
        "env",
        "nsenter",
        "exec",
        "run",
        "-it",
        "-i",
        "-t",
        "--",
        "-n",
        "web",
        "norouter",
        "A=b",
        "-o",
        "x{y}",
        "''",
        "sh",
        "agent",
        "--automated",
        "--tty=false",
    ]
)
lines = st.one_of(
    st.sampled_from([line for seen in CORPUS for line in seen.evidence.stderr]), st.text()
)


@given(
    argv=st.lists(st.one_of(words, st.text()), max_size=8),
    stage=st.sampled_from(Stage),
    status=st.one_of(st.none(), st.integers(-70, 260)),
    stderr=st.lists(lines, max_size=4),
    stdout=st.binary(max_size=40),
    report=st.text(max_size=60),
    echoed=st.booleans(),
    noise=st.booleans(),
    timed_out=st.one_of(st.none(), st.floats(0.1, 99)),
    violation=st.text(max_size=20),
    number=st.one_of(st.none(), st.integers(1, 130)),
)
def test_any_evidence_gives_a_readable_problem(
    argv: list[str],
    stage: Stage,
    status: int | None,
    stderr: list[str],
    stdout: bytes,
    report: str,
    echoed: bool,
    noise: bool,
    timed_out: float | None,
    violation: str,
    number: int | None,
) -> None:
    problem = diagnose(
        Evidence(
            argv=tuple(argv),
            stage=stage,
            exit_status=status,
            os_error=OSError(number, "text") if number else None,
            stdout=stdout,
            stderr=tuple(stderr),
            report=report,
            echoed=echoed,
            noise=noise,
            timed_out=timed_out,
            violation=violation,
        )
    )
    assert problem.kind in list(ProblemKind)
    assert "\n" not in problem.message + problem.hint
    assert problem.message
    assert problem.hint
