"""What follows a plan that found no shell."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from norouter_core.exec_commands.command import EngineContainer, plan_start
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.fallback import next_plan, suggest_native_agent
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.model import AgentMode

NO_SH = b'OCI runtime exec failed: exec failed: exec: "%s": executable file not found in $PATH'


def after_no_shell(
    text: str, mode: AgentMode = AgentMode.AUTO, status: int = 126, python: str = ""
) -> EngineContainer | None:
    plan = plan_start(tuple(shlex.split(text)), mode, python)
    output = NO_SH % plan.argv[-1].encode()
    problem = diagnose(Evidence(plan.argv, Stage.SHELL, status, stdout=output))
    following = next_plan(plan, Stage.SHELL, problem, mode)
    return following.container if following else None


@pytest.mark.parametrize(
    ("text", "engine", "start"),
    [
        ("docker exec -i web", "docker", "docker exec -i web"),
        ("docker container exec -i web", "docker", "docker container exec -i web"),
        (
            "docker -H tcp://build:2375 exec -i -w /srv web",
            "docker -H tcp://build:2375",
            "docker -H tcp://build:2375 exec -i -w /srv web",
        ),
        ("docker --context build exec -i web sh", "docker --context build", ""),
        ("sudo -n podman --remote exec -i web", "sudo -n podman --remote", ""),
        ("env DOCKER_HOST=x docker exec -i web", "env DOCKER_HOST=x docker", ""),
        ("ssh build docker exec -i web", "ssh build docker", "ssh build docker exec -i web"),
    ],
)
def test_the_engine_copies_into_its_container(text: str, engine: str, start: str) -> None:
    found = after_no_shell(text)
    assert found is not None
    assert found.name == "web"
    assert shlex.join(found.engine) == engine
    assert found.reads_tar
    assert not start or shlex.join(found.exec) == start


@pytest.mark.parametrize(
    ("text", "printed", "status", "message"),
    [
        (
            "docker exec -i web bash",
            NO_SH.decode() % "bash",
            126,
            "`bash` not found in the container `web`",
        ),
        ("docker exec -i web /bin/zsh", NO_SH.decode() % "/bin/zsh", 127, "`/bin/zsh` not found"),
        (
            "ssh web zsh",
            "bash: line 1: zsh: command not found",
            127,
            "`zsh` not found on the host `web`",
        ),
        ("lxc exec web -- bash", "Error: Command not found", 127, "`bash` not found"),
        (
            "chroot /srv bash",
            "chroot: failed to run command 'bash': No such file",
            127,
            "`bash` not",
        ),
        (
            "nsenter -t 4 -n dash",
            "nsenter: failed to execute dash: No such file",
            127,
            "`dash` not",
        ),
    ],
)
def test_sh_takes_the_place_of_another_shell(
    text: str, printed: str, status: int, message: str
) -> None:
    plan = plan_start(tuple(shlex.split(text)), AgentMode.AUTO)
    problem = diagnose(Evidence(plan.argv, Stage.SHELL, status, stderr=(printed,)))
    assert problem.message.startswith(message)
    following = next_plan(plan, Stage.SHELL, problem, AgentMode.AUTO)
    assert following is not None
    assert following.argv == (*plan.argv[:-1], "sh")
    assert following.container is None
    assert following.purpose == "starting `sh` in its place"


def test_a_container_without_bash_and_sh_gets_a_copy() -> None:
    plan = plan_start(("docker", "exec", "-i", "web", "bash"), AgentMode.AUTO)
    for shell in ("bash", "sh"):
        output = NO_SH % shell.encode()
        problem = diagnose(Evidence(plan.argv, Stage.SHELL, 126, stdout=output))
        following = next_plan(plan, Stage.SHELL, problem, AgentMode.AUTO)
        assert following is not None
        plan = following
    assert plan.container is not None
    assert shlex.join(plan.container.exec) == "docker exec -i web"


def test_sh_is_not_tried_where_another_program_is_missing() -> None:
    plan = plan_start(("ssh", "build", "docker", "exec", "-i", "web", "bash"), AgentMode.AUTO)
    line = "bash: line 1: docker: command not found"
    problem = diagnose(Evidence(plan.argv, Stage.SHELL, 127, stderr=(line,)))
    following = next_plan(plan, Stage.SHELL, problem, AgentMode.AUTO)
    assert following is None


def test_words_that_ssh_joins_are_quoted() -> None:
    found = after_no_shell("ssh build docker -H '\"a b\"' exec -i web")
    assert found is not None
    assert found.engine == ("ssh", "build", "docker", "-H", "'a b'")


@pytest.mark.parametrize("option", ["-u 12345", "--user 12345", "--user=12345"])
def test_the_user_of_the_command(option: str) -> None:
    found = after_no_shell(f"docker exec -i {option} web")
    assert found is not None
    assert found.user == "12345"


def test_nerdctl_copies_a_file_of_this_machine() -> None:
    found = after_no_shell("nerdctl exec -i web", status=1)
    assert found is not None
    assert not found.reads_tar
    assert after_no_shell("ssh build nerdctl exec -i web") is None


@pytest.mark.parametrize(
    "text",
    [
        *("docker run -i image", "kubectl exec -i web --", "docker compose exec -T web"),
        *("docker exec -i web env A=b sh", "docker exec -i web nice", "ssh web", "wrapper"),
    ],
)
def test_nothing_follows_where_no_engine_copies(text: str) -> None:
    assert after_no_shell(text) is None


def test_nothing_follows_for_agents_that_need_a_shell_or_an_installation() -> None:
    assert after_no_shell("docker exec -i web", AgentMode.NATIVE) is not None
    assert after_no_shell("docker exec -i web", AgentMode.PYTHON) is None
    assert after_no_shell("docker exec -i web", python="/opt/python3") is None


def test_nothing_follows_a_missing_container() -> None:
    plan = plan_start(("docker", "exec", "-i", "web"), AgentMode.AUTO)
    missing = ("Error response from daemon: No such container: web",)
    problem = diagnose(Evidence(plan.argv, Stage.SHELL, 1, stderr=missing))
    assert next_plan(plan, Stage.SHELL, problem, AgentMode.AUTO) is None


def test_nothing_follows_an_engine_that_is_missing_behind_ssh() -> None:
    for words in (["docker"], ["env", "A=b", "docker"]):
        assert_nothing_follows(*words, "exec", "-i", "web")
    assert_nothing_follows("docker", "exec", "-i", "web", "python3", stage=Stage.INTERPRETER)


def assert_nothing_follows(*words: str, stage: Stage = Stage.SHELL) -> None:
    plan = plan_start(("ssh", "h", *words), AgentMode.AUTO)
    for line in ("bash: line 1: docker: command not found", "zsh:1: command not found: docker"):
        problem = diagnose(Evidence(plan.argv, stage, 127, stderr=(line,)))
        assert next_plan(plan, stage, problem, AgentMode.AUTO) is None


@pytest.mark.parametrize(
    ("text", "seen", "python", "mode", "suggests"),
    [
        ("docker exec -i web", {"report": "no python"}, "", AgentMode.PYTHON, True),
        (
            "docker exec -i web",
            {"report": "/p: is Python 3.6, too old"},
            "",
            AgentMode.PYTHON,
            True,
        ),
        ("docker exec -i web", {"stdout": NO_SH % b"sh"}, "", AgentMode.PYTHON, True),
        ("kubectl exec -i web --", {"stdout": NO_SH % b"sh"}, "", AgentMode.PYTHON, False),
        ("docker exec -i web", {"stderr": ("Error: no route",)}, "", AgentMode.PYTHON, False),
        ("docker exec -i web", {"report": "/p: not found"}, "/p", AgentMode.PYTHON, False),
        ("docker exec -i web", {"report": "/p: not found"}, "/p", AgentMode.AUTO, False),
    ],
)
def test_where_agent_python_rules_out_the_native_agent(
    text: str, seen: dict[str, Any], python: str, mode: AgentMode, suggests: bool
) -> None:
    plan = plan_start(tuple(text.split()), mode, python)
    before = diagnose(Evidence(plan.argv, Stage.SHELL, 126, **seen))
    assert next_plan(plan, Stage.SHELL, before, mode) is None
    after = suggest_native_agent(plan, Stage.SHELL, before, mode)
    assert after.hint.startswith("remove `agent: python`, so that norouter sends") is suggests
    assert after.hint.endswith(before.hint) and after.instead == before.instead
