"""Mistakes in a command that are reported before it runs."""

from __future__ import annotations

import shlex

import pytest

from norouter_core.exec_commands.lint import lint
from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.model import AgentMode


@pytest.mark.parametrize(
    ("text", "kinds", "hint"),
    [
        ("docker exec web", [ProblemKind.STDIN_NOT_ATTACHED], "add `-i`: docker exec -i web"),
        (
            "docker exec web norouter",
            [ProblemKind.STDIN_NOT_ATTACHED],
            "docker exec -i web norouter",
        ),
        ("podman exec -it web", [ProblemKind.TTY], "remove `t` from `-it`: podman exec -i web"),
        (
            "docker exec -t web",
            [ProblemKind.STDIN_NOT_ATTACHED, ProblemKind.TTY],
            ": docker exec -i web",
        ),
        ("docker compose exec web", [ProblemKind.TTY], "add `-T`: docker compose exec -T web"),
        ("kubectl exec -i web", [ProblemKind.USAGE], "add `--`: kubectl exec -i web --"),
        ("kubectl exec -i web bash", [ProblemKind.USAGE], ": kubectl exec -i web -- bash"),
        ("kubectl -n x exec -it web --", [ProblemKind.TTY], ": kubectl -n x exec -i web --"),
        (
            "ssh build kubectl exec -i web",
            [ProblemKind.USAGE],
            ": ssh build kubectl exec -i web --",
        ),
        ("ssh -t -t web", [ProblemKind.TTY], "remove `-t`: ssh web"),
        ("ssh -tt web", [ProblemKind.TTY], "remove `-tt`: ssh web"),
        ("ssh -n web", [ProblemKind.STDIN_NOT_ATTACHED], "remove `-n`: ssh web"),
        ("ssh web bash -l", [ProblemKind.USAGE], "end the command before the shell: ssh web"),
        ("docker exec -i web sh -e", [ProblemKind.USAGE], ": docker exec -i web"),
        (
            "docker exec -i $(docker ps -qf name=web)",
            [ProblemKind.USAGE],
            """sh -c 'docker exec -i $(docker ps -qf name=web) "$@"' _""",
        ),
        ("cd x && ssh web", [ProblemKind.USAGE], """'cd x && ssh web "$@"' _"""),
        (
            "docker exec -i -e 'X=a b' -e '' -e Y=\"it's\" $(x)",
            [ProblemKind.USAGE],
            shlex.join(
                ("sh", "-c", """docker exec -i -e 'X=a b' -e '' -e 'Y=it'"'"'s' $(x) "$@\"""", "_")
            ),
        ),
        ("docker exec -i web | cat", [ProblemKind.USAGE], "let a shell run it"),
        ("docker exec -i web 2>log", [ProblemKind.USAGE], "let a shell run it"),
        ("docker exec -i `cat id`", [ProblemKind.USAGE], "let a shell run it"),
        ("~/bin/enter web", [ProblemKind.USAGE], "~/bin/enter web"),
        ("A=b docker exec web", [ProblemKind.STDIN_NOT_ATTACHED], "env A=b docker exec -i web"),
        ("gcloud compute ssh vm", [ProblemKind.USAGE], "add `--`: gcloud compute ssh vm --"),
        ("vagrant ssh", [ProblemKind.USAGE], "add `--`: vagrant ssh --"),
        ("lxc shell c1", [ProblemKind.USAGE], "use `lxc exec`: lxc exec c1 --"),
        ("oc rsh web", [ProblemKind.USAGE], "use `oc exec`: oc exec -i web --"),
        ("bash", [ProblemKind.USAGE], "use a command that leads to a host"),
        ("bash --login", [ProblemKind.USAGE], "use a command that leads to a host"),
    ],
)
def test_mistakes_are_found(text: str, kinds: list[ProblemKind], hint: str) -> None:
    found = lint(tuple(shlex.split(text)))
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
        *("bash -c 'exec \"$@\"' x", "sh -c 'cd x && $(y)' _", "ssh web cd '~/x' '&&' sh"),
        *("ssh web '$(x)'", "bash -s", "bash enter.sh", "./enter.sh -t", "wsl -e", "yes"),
        *("nsenter -t 42 -n", "sudo -t staff_t docker exec -i web", "env A=b", "bash -l norouter"),
    ],
)
def test_what_may_work_is_not_reported(text: str) -> None:
    assert lint(tuple(shlex.split(text))) == []


def test_without_an_installed_norouter_the_shell_takes_its_place() -> None:
    assert lint(("docker", "exec", "-i", "web", "norouter"), AgentMode.PYTHON) == []
