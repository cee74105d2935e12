"""The shape of commands: their targets, what they do with stdio, how they read when corrected."""

from __future__ import annotations

import shlex

import pytest

from norouter_core.exec_commands.command import ExecCommand, plan_start
from norouter_core.model import AgentMode


def parse(text: str, *tail: str) -> ExecCommand:
    return ExecCommand.parse((*shlex.split(text), *(tail or ("sh",))))


@pytest.mark.parametrize(
    ("text", "programs", "target"),
    [
        ("docker exec -i web", ["docker"], "web"),
        ("docker -H unix:///x exec -i -u dev -w /srv web", ["docker"], "web"),
        ("docker container exec -iu dev web", ["docker"], "web"),
        ("docker exec -iudev --env A=b --env=B=c web", ["docker"], "web"),
        ("/usr/bin/docker exec -i -- web", ["docker"], "web"),
        ("podman --connection far exec -i web", ["podman"], "web"),
        ("docker compose -f x.yaml exec -T web", ["compose"], "web"),
        ("docker-compose exec -T web", ["docker-compose"], "web"),
        ("kubectl -n prod exec -i deploy/web -c app --", ["kubectl"], "deploy/web"),
        ("kubectl exec --stdin web --namespace=prod --", ["kubectl"], "web"),
        ("k3s kubectl exec -i web --", ["kubectl"], "web"),
        ("lxc exec --project p c1 --", ["lxc"], "c1"),
        ("incus exec c1 --cwd /srv --", ["incus"], "c1"),
        ("ssh -p 2222 -i key -o A=b dev@web", ["ssh"], "dev@web"),
        ("ssh web -p 2222", ["ssh"], "web"),
        ("sudo -n -u dev A=b docker exec -i web", ["sudo", "docker"], "web"),
        ("env -u X A=b nice -n 5 timeout 9 docker exec -i web", None, "web"),
        ("ssh build 'docker exec -i web'", ["ssh", "docker"], "web"),
        ("ssh build sudo -n docker exec -i web", ["ssh", "sudo", "docker"], "web"),
        ("nsenter --net=/run/netns/a --", ["nsenter"], "/run/netns/a"),
        ("nsenter -t 42 -n", ["nsenter"], "42"),
        ("nsenter --net=/run/netns/a chroot /srv/root", ["nsenter", "chroot"], "/srv/root"),
        ("ip netns exec blue", ["ip"], "blue"),
        ("gcloud compute ssh vm --zone z --", ["gcloud"], "vm"),
        ("az ssh vm -n web -g group --", ["az"], "web"),
        ("limactl shell default", ["limactl"], "default"),
        ("multipass exec web --", ["multipass"], "web"),
        ("distrobox enter fedora --", ["distrobox"], "fedora"),
        ("toolbox run -c fedora", ["toolbox"], "fedora"),
        ("pct exec 101 --", ["pct"], "101"),
        ("jexec -l web", ["jexec"], "web"),
        ("adb -s phone shell", ["adb"], "phone"),
        ("wsl -d Debian", ["wsl"], "Debian"),
        ("crictl exec -i 4f5c", ["crictl"], "4f5c"),
    ],
)
def test_layers_and_targets(text: str, programs: list[str] | None, target: str) -> None:
    command = parse(text)
    if programs is None:
        programs = ["env", "nice", "timeout", "docker"]
    assert [layer.program for layer in command.layers] == programs
    layer = command.innermost()
    assert layer is not None
    assert layer.target == target
    assert not command.opaque


@pytest.mark.parametrize(
    "text", ["./enter.sh web", "sudo ./enter.sh", "ssh web ./enter", "lima web"]
)
def test_what_is_not_known_is_opaque(text: str) -> None:
    assert parse(text).opaque
    assert parse(text).may_run(frozenset({"docker"}))


def test_what_is_known_rules_others_out() -> None:
    assert not parse("docker exec -i web").may_run(frozenset({"kubectl"}))
    assert not parse("docker exec -i web norouter", "agent", "--automated").opaque
    assert not parse("docker exec -i web bash").opaque


@pytest.mark.parametrize(
    ("text", "phrase", "mended"),
    [
        ("docker exec -it web", "remove `t` from `-it`", "docker exec -i web"),
        ("docker exec -ti web", "remove `t` from `-ti`", "docker exec -i web"),
        ("docker exec -t web", "remove `-t`", "docker exec -i web"),
        ("docker exec --tty=true -i web", "remove `--tty=true`", "docker exec -i web"),
        ("docker exec -itu dev web", "remove `t` from `-itu`", "docker exec -iu dev web"),
        ("sudo docker exec -it web", "remove `t` from `-it`", "sudo docker exec -i web"),
        ("kubectl exec -it web --", "remove `t` from `-it`", "kubectl exec -i web --"),
        ("lxc exec -t c1 --", "remove `-t`", "lxc exec c1 --"),
        ("docker compose exec web", "add `-T`", "docker compose exec -T web"),
        ("ssh -tt web", "remove `-tt`", "ssh web"),
        ("ssh -t -t web", "remove `-t`", "ssh web"),
        ("docker exec -i web", "", ""),
        ("docker exec --tty=false -i web", "", ""),
        ("sudo -t staff_t docker exec -i web", "", ""),
    ],
)
def test_without_a_terminal(text: str, phrase: str, mended: str) -> None:
    assert parse(text).without_tty() == (f"{phrase}: {mended}" if phrase else "")


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("docker exec -i web", True),
        ("sudo -n docker exec -i web bash", True),
        ("lxc exec c1 --", True),
        ("nsenter --net=/run/netns/a --", True),
        ("docker -H ssh://build exec -i web", False),
        ("env DOCKER_HOST=ssh://build docker exec -i web", False),
        ("lxc exec far:c1 --", False),
        ("ssh build docker exec -i web", False),
        ("kubectl exec -i web --", False),
        ("./connect web", False),
    ],
)
def test_what_stays_on_this_machine(text: str, stays: bool) -> None:
    assert parse(text).stays_here is stays


@pytest.mark.parametrize(
    ("text", "phrase", "mended"),
    [
        ("docker exec web", "add `-i`", "docker exec -i web"),
        ("docker -c far exec -u dev web", "add `-i`", "docker -c far exec -i -u dev web"),
        ("kubectl exec web --", "add `-i`", "kubectl exec -i web --"),
        ("docker exec -d -i web", "remove `-d`", "docker exec -i web"),
        ("docker exec -id web", "remove `d` from `-id`", "docker exec -i web"),
        ("lxc exec -n c1 --", "remove `-n`", "lxc exec c1 --"),
        ("ssh -n web", "remove `-n`", "ssh web"),
        ("ssh -fN web", "remove `f` from `-fN` and remove `N` from `-fN`", "ssh web"),
        ("ssh web docker exec db", "add `-i`", "ssh web docker exec -i db"),
        ("docker exec -i web", "", ""),
        ("docker exec --interactive=true web", "", ""),
        ("docker compose exec -T web", "", ""),
        ("nsenter --net=/run/netns/a", "", ""),
    ],
)
def test_with_stdin(text: str, phrase: str, mended: str) -> None:
    assert parse(text).with_stdin() == (f"{phrase}: {mended}" if phrase else "")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("docker exec -i web", "docker"),
        ("sudo -n docker -H unix:///x exec -i web", "sudo -n docker -H unix:///x"),
        ("ssh build docker exec -i web", "ssh build docker"),
        ("docker compose -f a.yaml exec -T web", "docker compose -f a.yaml"),
        ("kubectl -n prod exec -i web --", "kubectl -n prod"),
        ("kubectl exec -i -n prod --context=c web --", "kubectl -n prod --context c"),
        ("k3s kubectl exec -i web --", "k3s kubectl"),
        ("ip netns exec blue", "ip netns"),
    ],
)
def test_prefixes(text: str, base: str) -> None:
    command = parse(text)
    layer = command.innermost()
    assert layer is not None
    assert command.prefix(layer) == base


@pytest.mark.parametrize("argv", [(), ("sh",), ("docker",), ("docker", "exec", "-u"), ("ssh", "'")])
def test_incomplete_commands_are_parsed(argv: tuple[str, ...]) -> None:
    command = ExecCommand.parse(argv)
    assert command.argv == argv
    assert isinstance(command.corrected(), str)


@pytest.mark.parametrize(
    ("text", "planned"),
    [
        ("docker exec -i web", "docker exec -i web sh"),
        ("docker exec -i web bash", "docker exec -i web bash"),
        ("docker exec -i web sh", "docker exec -i web sh"),
        ("docker exec -i sh", "docker exec -i sh sh"),
        ("docker exec -i bash", "docker exec -i bash sh"),
        ("ssh sh", "ssh sh sh"),
        ("ssh web sh", "ssh web sh"),
        ("ssh web 'docker exec -i web sh'", "ssh web 'docker exec -i web' sh"),
        ("ssh 'web x sh'", "ssh 'web x sh' sh"),
        ("ssh web 'exec /bin/bash'", "ssh web exec /bin/bash"),
        ("ssh -J jump web 'sudo docker exec -i db'", "ssh -J jump web 'sudo docker exec -i db' sh"),
        ("ssh web 'exec norouter'", "ssh web exec norouter agent --automated"),
        ("ssh web -o 'ProxyCommand nc x sh'", "ssh web -o 'ProxyCommand nc x sh' sh"),
        ("ssh web -- 'docker exec -i db sh'", "ssh web -- 'docker exec -i db' sh"),
        ("ssh -o 'ProxyCommand nc x sh' web", "ssh -o 'ProxyCommand nc x sh' web sh"),
        ("docker exec -i 'a sh'", "docker exec -i 'a sh' sh"),
        ("DOCKER_HOST=x docker exec -i web", "env DOCKER_HOST=x docker exec -i web sh"),
        ("su - dev", "su - dev -c sh"),
        ("su -", "su - -c sh"),
        ("sudo -n su -s /bin/bash dev", "sudo -n su -s /bin/bash dev -c sh"),
        ("ssh web su - dev", "ssh web su - dev -c sh"),
        ("ssh web 'su - dev'", "ssh web 'su - dev' -c sh"),
        ("su - dev -c sh", "su - dev -c sh"),
        ("runuser - dev", "runuser - dev -c sh"),
        ("runuser -u dev --", "runuser -u dev -- sh"),
        ("runuser -u dev", "runuser -u dev sh"),
        ("runuser -u dev sh", "runuser -u dev sh"),
        ("runuser -u dev bash", "runuser -u dev bash"),
        ("su - dev -c bash", "su - dev -c bash"),
        ("su sh", "su sh -c sh"),
        ("docker exec -i -u dev sh", "docker exec -i -u dev sh sh"),
    ],
)
def test_how_a_shell_is_started_behind_a_command(text: str, planned: str) -> None:
    plan = plan_start(tuple(shlex.split(text)), AgentMode.AUTO)
    assert shlex.join(plan.argv) == planned


def test_what_was_appended_for_su_is_not_shown() -> None:
    command = parse("su - dev", "-c", "sh")
    assert command.words == ("su", "-", "dev")
    assert [layer.target for layer in command.layers] == ["dev"]
