"""What the judge of a run lets pass, and what it does not."""

from __future__ import annotations

import io
import json

import pytest

from tests.chaos.verdict import Verdict


@pytest.fixture
def verdict() -> Verdict:
    return Verdict(io.StringIO())


def outcome(kind: str, phase: str = "faults", side: str = "client") -> str:
    told = {"side": side, "outcome": kind, "id": f"{phase}.ssh.1.2", "size": 1 << 20, "note": "why"}
    return json.dumps(told)


def test_faults_may_cut_streams(verdict: Verdict) -> None:
    for kind in ("ok", "cut", "reset", "refused", "lost"):
        verdict.take_outcome(outcome(kind))
    assert not verdict.violations
    assert verdict.summary()["verified_mib"] == 1


@pytest.mark.parametrize("kind", ["wrong", "misrouted", "short", "hang"])
def test_no_fault_excuses_these(verdict: Verdict, kind: str) -> None:
    verdict.take_outcome(outcome(kind))
    assert dict(verdict.kinds) == {f"client {kind}": 1}


@pytest.mark.parametrize("kind", ["reset", "refused", "lost"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_without_a_fault_every_stream_is_whole(verdict: Verdict, kind: str, phase: str) -> None:
    verdict.take_outcome(outcome(kind, phase))
    assert dict(verdict.kinds) == {f"client {kind} without a fault": 1}


def test_a_violation_has_what_came_before(verdict: Verdict) -> None:
    verdict.note("step", step="kill-agent", host="ssh")
    verdict.take_outcome(outcome("short"))
    (violation,) = verdict.violations
    assert violation["note"] == "faults.ssh.1.2: why"
    assert "kill-agent" in violation["before"][-1]


def test_commands_may_fail_but_neither_hang_nor_break(verdict: Verdict) -> None:
    verdict.take_edit("host rm x", "unknown host x", 0.1)
    assert not verdict.violations
    verdict.take_edit("save", "internal error: KeyError()", 0.1)
    verdict.take_edit("wait", "no answer: TimeoutError()", 45)
    verdict.take_edit("load", "", 13)
    assert set(verdict.kinds) == {"internal error in command", "command hangs", "command slow"}


def test_log_lines_of_faults_of_norouter(verdict: Verdict) -> None:
    log = {"event": "log", "level": "warning", "host": "ssh"}
    verdict.take_event({**log, "text": "10.0.0.1 was not reached: refused"})
    assert not verdict.violations
    verdict.take_event({**log, "text": "internal error in a SOCKS proxy session: KeyError()"})
    assert dict(verdict.kinds) == {"internal error in log": 1}
