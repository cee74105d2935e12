"""Mistakes that stand in a command's words, told before it is run."""

from __future__ import annotations

import shlex

import pytest

from norouter_core.bootstrap.diagnosis.kinds import Kind
from norouter_core.bootstrap.foresee import foresee
from norouter_core.model import AgentMode


@pytest.mark.parametrize(
    ("text", "kinds", "hint"),
    [
        ("docker exec web", [Kind.STDIN_NOT_ATTACHED], "add `-i`: docker exec -i web"),
        ("docker exec web norouter", [Kind.STDIN_NOT_ATTACHED], "docker exec -i web norouter"),
        ("podman exec -it web", [Kind.TTY], "drop `t` from `-it`: podman exec -i web"),
        ("docker exec -t web", [Kind.STDIN_NOT_ATTACHED, Kind.TTY], ": docker exec -i web"),
        ("docker compose exec web", [Kind.TTY], "add `-T`: docker compose exec -T web"),
        ("kubectl exec -i web", [Kind.USAGE], "put `--` after it: kubectl exec -i web --"),
        ("kubectl exec -i web bash", [Kind.USAGE], ": kubectl exec -i web -- bash"),
        ("kubectl -n x exec -it web --", [Kind.TTY], ": kubectl -n x exec -i web --"),
        ("ssh build kubectl exec -i web", [Kind.USAGE], ": ssh build kubectl exec -i web --"),
        ("ssh -t -t web", [Kind.TTY], "drop `-t`: ssh web"),
        ("ssh -tt web", [Kind.TTY], "drop `-tt`: ssh web"),
        ("ssh -n web", [Kind.STDIN_NOT_ATTACHED], "drop `-n`: ssh web"),
        ("ssh web bash -l", [Kind.USAGE], "end the command before the shell: ssh web"),
        ("docker exec -i web sh -e", [Kind.USAGE], ": docker exec -i web"),
        ("bash", [Kind.USAGE], "name a command that leads to a host"),
        ("bash --login", [Kind.USAGE], "name a command that leads to a host"),
    ],
)
def test_what_cannot_work(text: str, kinds: list[Kind], hint: str) -> None:
    found = foresee(tuple(shlex.split(text)))
    assert [one.kind for one in found] == kinds
    assert all(one.message for one in found)
    assert all(hint in one.hint for one in found)


@pytest.mark.parametrize(
    "text",
    [
        *("docker exec -i web", "docker exec -i web bash", "docker exec -i web norouter"),
        *("docker run -i --rm image", "docker ps", "docker", "podman --remote exec -i web"),
        *("kubectl exec -i web --", "kubectl exec -i web -c app -- bash", "kubectl get pods"),
        *("ssh web", "ssh -t web", "ssh web bash", "lxc exec web --", "docker compose exec -T web"),
        *("bash -c 'exec \"$@\"' x", "bash -s", "bash enter.sh", "./enter.sh -t", "wsl -e", "yes"),
        *("nsenter -t 42 -n", "sudo -t staff_t docker exec -i web", "env A=b", "bash -l norouter"),
    ],
)
def test_what_may_work(text: str) -> None:
    assert foresee(tuple(shlex.split(text))) == []


def test_without_an_installed_norouter_the_shell_takes_its_place() -> None:
    assert foresee(("docker", "exec", "-i", "web", "norouter"), AgentMode.PYTHON) == []
