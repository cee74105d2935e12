"""A command that ends in a Python gets the agent without a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from norouter_core.bootstrap.base import StartFailed
from norouter_core.exec_commands.command import StartPlan, plan_start
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.fallback import next_plan
from norouter_core.exec_commands.problem import Evidence, HostProblem, ProblemKind, Stage
from norouter_core.model import AgentMode
from tests.agent.agents import TIMING, agent
from tests.servers import echoing
from tests.transports.pythons import Python, pythons

pytestmark = pytest.mark.anyio

NOT_FOUND = 'OCI runtime exec failed: exec: "python3": executable file not found in $PATH: unknown'


def _plan(*words: str, mode: AgentMode = AgentMode.AUTO) -> StartPlan:
    return plan_start(("env", "-i", *words), mode)


async def _failure(plan: StartPlan) -> tuple[Evidence, HostProblem]:
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(plan, TIMING):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    return error.evidence, diagnose(error.evidence)


@pytest.mark.parametrize("python", pythons(), ids=lambda python: python.label)
async def test_every_python_takes_the_agent(python: Python) -> None:
    plan = _plan(str(python.path))
    assert plan.interpreter
    async with agent(plan) as host, echoing() as port:
        assert await host.link.resolve("localhost")
        async with host.dialled("127.0.0.1", port) as (client, _):
            assert await client.says(b"x" * 500_000)
        assert host.stderr == []


async def test_an_old_python_gives_way_to_a_shell(old_python: Path) -> None:
    plan = _plan(str(old_python))
    evidence, problem = await _failure(plan)
    assert problem.kind is ProblemKind.PYTHON_TOO_OLD
    assert str(old_python) in problem.message
    following = next_plan(plan, evidence.stage, problem, AgentMode.AUTO)
    assert following is not None and following.argv == ("env", "-i", "sh")
    assert next_plan(plan, evidence.stage, problem, AgentMode.PYTHON) is None


async def test_so_does_one_that_is_missing() -> None:
    plan = _plan("/no/such/python3")
    evidence, problem = await _failure(plan)
    assert problem.kind is ProblemKind.COMMAND_NOT_FOUND
    following = next_plan(plan, evidence.stage, problem, AgentMode.AUTO)
    assert following is not None and following.argv[-1] == "sh"


@pytest.mark.parametrize(
    ("command", "status", "line", "falls_back"),
    [
        ("docker exec -i web python3", 127, NOT_FOUND, True),
        ("ssh web python3", 127, "bash: line 1: python3: command not found", True),
        ("ssh web python3", 255, "ssh: connect to host web port 22: Connection refused", False),
        ("lxc exec c -- python3", 127, "Error: Command not found", True),
    ],
)
def test_only_the_python_gives_way(command: str, status: int, line: str, falls_back: bool) -> None:
    plan = plan_start(tuple(shlex.split(command)), AgentMode.AUTO)
    problem = diagnose(Evidence(plan.argv, Stage.INTERPRETER, status, stderr=(line,)))
    following = next_plan(plan, Stage.INTERPRETER, problem, AgentMode.AUTO)
    assert (following is not None) is falls_back
    assert "code" not in problem.message


@pytest.mark.parametrize(
    ("command", "mode", "python", "tail"),
    [
        ("docker exec -i web python3", AgentMode.AUTO, "", "code -q"),
        ("docker exec -i web python3.11", AgentMode.PYTHON, "", "code -q"),
        ("kubectl exec -i web -c app -- pypy3", AgentMode.AUTO, "", "code -q"),
        ("docker exec -i web python3", AgentMode.NATIVE, "", "web sh"),
        ("docker exec -i web python3", AgentMode.AUTO, "/opt/python3", "web sh"),
        ("docker exec -i python", AgentMode.AUTO, "", "python sh"),
        ("docker run -i --rm python", AgentMode.AUTO, "", "python sh"),
        ("ssh python3", AgentMode.AUTO, "", "python3 sh"),
        ("docker exec -i norouter", AgentMode.AUTO, "", "norouter sh"),
        ("docker exec -i bash", AgentMode.AUTO, "", "bash sh"),
    ],
)
def test_what_runs(command: str, mode: AgentMode, python: str, tail: str) -> None:
    plan = plan_start(tuple(shlex.split(command)), mode, python)
    assert shlex.join(plan.argv).endswith(f" {tail}")
    assert plan.interpreter is tail.startswith("code")
