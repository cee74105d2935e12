"""What is added to a command so that its programs ask the user, or nobody."""

from __future__ import annotations

import shlex

import pytest

from norouter_core.exec_commands.asking import (
    login_of,
    login_of_ssh,
    may_have_terminal,
    with_askpass,
)


@pytest.mark.parametrize(
    ("command", "asking"),
    [
        ("sudo docker exec -i web sh", "sudo -A docker exec -i web sh"),
        ("env A=1 sudo -u me nsenter -t 1 sh", "env A=1 sudo -A -u me nsenter -t 1 sh"),
        ("sudo -n docker exec -i web sh", "sudo -n docker exec -i web sh"),
        ("ssh web sudo docker exec -i x sh", "ssh web sudo docker exec -i x sh"),
        ("docker exec -i web sudo sh", "docker exec -i web sudo sh"),
        ("ssh -p 22 web sh", "ssh -p 22 web sh"),
        ("ssh a ssh b sh", "ssh a ssh -o BatchMode=yes b sh"),
        ("sudo ssh a sh", "sudo -A ssh -o BatchMode=yes a sh"),
        ("docker exec -i web ssh a sh", "docker exec -i web ssh -o BatchMode=yes a sh"),
        ("ssh a 'ssh b' sh", "ssh a 'ssh b' sh"),
        ("env ssh a norouter agent --automated", "env ssh a norouter agent --automated"),
    ],
)
def test_what_is_added(command: str, asking: str) -> None:
    assert shlex.join(with_askpass(tuple(shlex.split(command)))) == asking


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("ssh -J me@jump a docker exec -i x sh", "ssh -i key -J me@jump b sh"),
        ("ssh -o BatchMode=no a sh", "ssh b norouter agent --automated"),
        ("docker -H ssh://me@a exec -i x sh", "docker -H ssh://me@a exec -i y sh"),
    ],
)
def test_commands_that_log_in_alike(one: str, two: str) -> None:
    assert login_of(tuple(shlex.split(one))) == login_of(tuple(shlex.split(two)))


@pytest.mark.parametrize(
    "command",
    [
        "ssh -p 2202 root@localhost sh",
        "ssh -o Port=2202 root@localhost sh",
        "ssh -o 'hostname 10.0.0.2' root@localhost sh",
        "ssh -F other root@localhost sh",
        "ssh -J jump root@localhost sh",
        "ssh ssh://root@localhost:2202 sh",
        "docker -H ssh://root@localhost:2202 exec -i x sh",
        "vagrant ssh two -- sh",
        "my-wrapper two sh",
    ],
)
def test_commands_that_log_in_elsewhere(command: str) -> None:
    for other in (command.replace("2202", "2201").replace("two", "one"), "ssh root@localhost sh"):
        if other != command:
            assert login_of(tuple(shlex.split(command))) != login_of(tuple(shlex.split(other)))


def test_a_process_of_ssh_logs_in_at_its_target() -> None:
    for_one, for_two = (
        login_of_ssh(("ssh", "-l", "me", "-F", "config", "-W", f"[{name}]:22", "jump"))
        for name in ("one", "two")
    )
    assert for_one == for_two != ""
    assert login_of_ssh(("ssh", "vm1", "sh")) != login_of_ssh(("ssh", "vm2", "sh"))
    assert login_of_ssh(("/bin/sh", "ssh", "vm1")) == login_of_ssh(()) == ""


def test_a_program_that_answers_at_a_terminal_of_its_own() -> None:
    assert may_have_terminal(("sshpass", "-p", "x", "ssh", "web", "sh"))
    assert may_have_terminal(("my-wrapper", "web", "sh"))
    assert not may_have_terminal(("ssh", "web", "sh"))
