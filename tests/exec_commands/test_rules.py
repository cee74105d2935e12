"""What stage, time-outs and exit statuses reveal where no output helps."""

from __future__ import annotations

import errno
import shlex
from typing import Any

import pytest

from norouter_core.bootstrap.bundle import bundle
from norouter_core.bootstrap.python_agent import search_line, stage0
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, HostProblem, ProblemKind, Stage

DOCKER = "docker exec -i web sh"
INSTALLED = "docker exec -i web norouter agent --automated"


def diagnose_command(command: str, stage: Stage, **seen: Any) -> HostProblem:
    return diagnose(Evidence(tuple(shlex.split(command)), stage, **seen))


@pytest.mark.parametrize(
    ("report", "kind", "says"),
    [
        ("no python", ProblemKind.NO_PYTHON, "Python not found in the container `web`"),
        (
            "/usr/bin/python3: is Python 3.6.15, too old",
            ProblemKind.PYTHON_TOO_OLD,
            "Python 3.6.15",
        ),
        (
            "/usr/bin/python: is Python 2.7.18, too old",
            ProblemKind.PYTHON_TOO_OLD,
            "/usr/bin/python ",
        ),
        (
            "/usr/bin/python3: no module named 'json'",
            ProblemKind.PYTHON_INCOMPLETE,
            "module `json`",
        ),
        ("/usr/bin/python: no module named zlib", ProblemKind.PYTHON_INCOMPLETE, "module `zlib`"),
        ("/usr/bin/python3: no module named 'a.b'", ProblemKind.PYTHON_INCOMPLETE, "module `a.b`"),
        (
            "/opt/py: libz.so.1: cannot open shared object file",
            ProblemKind.PYTHON_INCOMPLETE,
            "/opt/py in the container `web` does not work: libz.so.1",
        ),
        (
            "/usr/bin/python3: is Python 3.6.15, too old\n/opt/py: no module named 'json'\n",
            ProblemKind.PYTHON_INCOMPLETE,
            "/opt/py",
        ),
        (
            "/opt/py: [Errno 8] Exec format error: '/opt/py'\n/usr/bin/python: is Python 3.7.1, "
            "too old",
            ProblemKind.PYTHON_TOO_OLD,
            "Python 3.7.1",
        ),
    ],
)
def test_reports(report: str, kind: ProblemKind, says: str) -> None:
    problem = diagnose_command(DOCKER, Stage.SHELL, exit_status=3, report=report)
    assert problem.kind == kind
    assert says in problem.message
    assert problem.permanent


def test_a_report_outweighs_what_others_print() -> None:
    """kubectl goes on without the terminal, so its warning is not the reason."""
    problem = diagnose_command(
        "kubectl exec -it web -- sh",
        Stage.SHELL,
        exit_status=3,
        report="no python",
        stderr=("Unable to use a TTY - input is not a terminal or the right kind of file",),
    )
    assert problem.kind == ProblemKind.NO_PYTHON
    assert "in the pod `web`" in problem.message


def test_an_empty_report_says_nothing() -> None:
    assert (
        diagnose_command(DOCKER, Stage.SHELL, exit_status=3, report="\n").kind == ProblemKind.EXITED
    )


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, ProblemKind.COMMAND_NOT_FOUND),
        (errno.ENOTDIR, ProblemKind.COMMAND_NOT_FOUND),
        (errno.EACCES, ProblemKind.NOT_EXECUTABLE),
        (errno.ENOEXEC, ProblemKind.NOT_EXECUTABLE),
        (errno.EMFILE, ProblemKind.NOT_STARTED),
        (errno.EAGAIN, ProblemKind.NOT_STARTED),
    ],
)
def test_the_errno_counts_and_not_its_text(number: int, kind: ProblemKind) -> None:
    error = OSError(number, "Datei oder Verzeichnis nicht gefunden")
    assert diagnose_command("dokcer exec -i web sh", Stage.SPAWN, os_error=error).kind == kind


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("docker exec -it web sh", "remove `t` from `-it`: docker exec -i web"),
        ("docker exec -i -t web bash", "remove `-t`: docker exec -i web bash"),
        ("docker exec -i --tty web sh", "remove `--tty`: docker exec -i web"),
        ("ssh -tt web sh", "remove `-tt`: ssh web"),
        ("ssh web docker exec -it db sh", "remove `t` from `-it`: ssh web docker exec -i db"),
        ("ssh web sh", "find what allocates the TTY"),
        ("./enter.sh web sh", "find what allocates the TTY"),
    ],
)
def test_an_echo(command: str, hint: str) -> None:
    problem = diagnose_command(command, Stage.SHELL, echoed=True, timed_out=10.0)
    assert problem.kind == ProblemKind.TTY
    assert problem.hint.startswith(hint)


def test_stdin_that_is_cut_off_from_an_installed_agent() -> None:
    problem = diagnose_command(
        "docker exec web norouter agent --automated", Stage.HELLO, exit_status=1
    )
    assert problem.kind == ProblemKind.STDIN_NOT_ATTACHED
    assert problem.hint == "add `-i`: docker exec -i web norouter"


def test_an_orderly_end_of_a_command_of_which_nothing_is_known() -> None:
    problem = diagnose_command("./enter.sh web sh", Stage.SHELL, exit_status=0)
    assert problem.kind == ProblemKind.EXITED
    assert "passes its stdin on" in problem.hint


def test_noise() -> None:
    problem = diagnose_command(DOCKER, Stage.SHELL, noise=True, stdout=b"fortune\n" * 999)
    assert problem.kind == ProblemKind.NOISE
    assert not problem.permanent
    assert problem.stderr == ("fortune",) * 8
    assert ".profile" in problem.hint


def test_noise_of_a_program_that_leads_nowhere() -> None:
    problem = diagnose_command("yes sh", Stage.SHELL, noise=True, stdout=b"sh\n" * 999)
    assert problem.kind == ProblemKind.NOISE
    assert "`yes` prints without end" in problem.message
    assert ".profile" not in problem.hint and "leads to a host" in problem.hint


@pytest.mark.parametrize("status", [2, 126, 127])
def test_a_shell_with_options_at_the_end(status: int) -> None:
    line = "/usr/bin/sh: /usr/bin/sh: cannot execute binary file"
    problem = diagnose_command(
        "ssh web bash -l sh", Stage.SHELL, exit_status=status, stderr=(line,)
    )
    assert (problem.kind, problem.permanent) == (ProblemKind.USAGE, True)
    assert problem.hint == "end the command before the shell: ssh web"


def test_our_own_line_is_not_shown() -> None:
    line = stage0("0123456789abcdef", bundle(), 10, search_line())
    for width in (80, 4000):
        pieces = [line[at : at + width] for at in range(0, len(line), width)]
        echo = b"$ " + b" \r".join(pieces) + b"\r\n$ bye"
        problem = diagnose_command(
            "ssh -tt web sh", Stage.SHELL, echoed=True, stdout=b"Welcome\r\n" + echo
        )
        assert problem.stderr == ("Welcome", "$ bye")


def test_shown_lines_are_cut() -> None:
    problem = diagnose_command(DOCKER, Stage.SHELL, exit_status=3, stderr=("x" * 5000,))
    assert problem.stderr == ("x" * 200 + "...",)


def test_the_hint_for_an_unknown_host_key_lets_ssh_prompt() -> None:
    problem = diagnose_command(
        "ssh -o BatchMode=yes -oStrictHostKeyChecking=yes -o Port=22 me@web sh",
        Stage.SHELL,
        exit_status=255,
        stderr=("Host key verification failed.",),
    )
    assert problem.kind == ProblemKind.HOST_KEY
    assert "`ssh -o Port=22 me@web`" in problem.hint


@pytest.mark.parametrize(
    ("command", "stage", "says"),
    [
        (DOCKER, Stage.SHELL, "no shell answered in the container `web` within 20 s"),
        (DOCKER, Stage.PYTHON, "the agent sent to it did not answer within 20 s"),
        ("ssh -p 22 web sh", Stage.SHELL, "no shell answered on the host `web` within 20 s"),
    ],
)
def test_time_outs(command: str, stage: Stage, says: str) -> None:
    problem = diagnose_command(command, stage, timed_out=20.0)
    assert problem.kind == ProblemKind.TIMEOUT
    assert says in problem.message
    assert not problem.permanent
    assert ("`ssh -p 22 web true`" in problem.hint) == command.startswith("ssh")


def test_the_go_agent_is_known_by_its_silence() -> None:
    problem = diagnose_command(INSTALLED, Stage.HELLO, timed_out=5.0)
    assert problem.kind == ProblemKind.NOROUTER_GO
    assert problem.permanent
    assert "`agent: norouter`" in problem.hint
    assert "norouter show-installer | docker exec -i web sh" in problem.hint


def test_an_installed_agent_of_another_version() -> None:
    problem = diagnose_command(INSTALLED, Stage.HELLO, version="lacks udp")
    assert (problem.kind, problem.permanent) == (ProblemKind.NOROUTER_VERSION, True)
    assert problem.message.endswith("is of another version: it lacks udp")
    assert "norouter show-installer | docker exec -i web sh" in problem.hint


def test_an_installed_agent_that_prints_something_else() -> None:
    problem = diagnose_command(INSTALLED, Stage.HELLO, timed_out=5.0, stdout=b"hello?\n")
    assert problem.kind == ProblemKind.TIMEOUT
    assert "hello?" in problem.message


@pytest.mark.parametrize(
    ("status", "stderr", "kind"),
    [
        (127, ("sh: norouter: not found",), ProblemKind.NOROUTER_MISSING),
        (127, (), ProblemKind.NOROUTER_MISSING),
        (1, ("norouter: unknown command `agent`",), ProblemKind.NOROUTER_REFUSED),
        (126, ("sh: /usr/bin/norouter: Exec format error",), ProblemKind.NOROUTER_REFUSED),
        (0, (), ProblemKind.NOROUTER_REFUSED),
    ],
)
def test_an_installed_agent_that_ends(
    status: int, stderr: tuple[str, ...], kind: ProblemKind
) -> None:
    problem = diagnose_command(INSTALLED, Stage.HELLO, exit_status=status, stderr=stderr)
    assert problem.kind == kind
    assert "in the container `web`" in problem.message


def test_a_broken_protocol() -> None:
    for stage in (Stage.HELLO, Stage.PYTHON, Stage.RUNNING):
        problem = diagnose_command(DOCKER, stage, violation="a frame of 16 MiB", exit_status=-9)
        assert problem.kind == ProblemKind.PROTOCOL
        assert "a frame of 16 MiB" in problem.message


def test_an_agent_that_dies() -> None:
    lines = ("Traceback (most recent call last):", '  File "<string>"', "MemoryError")
    problem = diagnose_command(DOCKER, Stage.PYTHON, exit_status=1, stderr=lines)
    assert problem.kind == ProblemKind.AGENT_DIED
    assert problem.message == "the agent crashed in the container `web`: MemoryError"
    assert diagnose_command(DOCKER, Stage.PYTHON, exit_status=4).kind == ProblemKind.EXITED


@pytest.mark.parametrize(
    ("command", "seen", "says"),
    [
        (DOCKER, {"timed_out": 15.0}, "the host sent nothing for 15 s"),
        (DOCKER, {"exit_status": 137}, "killed (stopped, or out of memory) (exit status 137)"),
        (DOCKER, {"exit_status": 0}, "exited normally"),
        (DOCKER, {"exit_status": -15}, "the command was killed by SIGTERM"),
        (DOCKER, {"exit_status": 130}, "exit status 130 (as after SIGINT)"),
        (DOCKER, {"exit_status": 255}, "the command ended with exit status 255"),
        ("ssh web sh", {"exit_status": 255}, "ssh lost its connection"),
        (DOCKER, {"exit_status": -250}, "signal 250"),
    ],
)
def test_a_lost_link(command: str, seen: dict[str, Any], says: str) -> None:
    problem = diagnose_command(command, Stage.RUNNING, **seen)
    assert problem.kind == ProblemKind.LINK_LOST
    assert says in problem.message
    assert not problem.permanent


def test_a_wrapper_that_ends_with_127_found_no_sh() -> None:
    assert (
        diagnose_command("./enter.sh web sh", Stage.SHELL, exit_status=127).kind
        == ProblemKind.NO_SHELL
    )
    assert (
        diagnose_command("./enter.sh web sh", Stage.SHELL, exit_status=126).kind
        == ProblemKind.NO_SHELL
    )


@pytest.mark.parametrize(
    "line", ["./enter.sh: line 3: docker: command not found", "./enter.sh: 3: docker: not found"]
)
def test_a_program_that_is_missing_for_a_wrapper(line: str) -> None:
    problem = diagnose_command("./enter.sh web sh", Stage.SHELL, exit_status=127, stderr=(line,))
    assert problem.kind == ProblemKind.COMMAND_NOT_FOUND
    assert problem.message == "`docker` not found on this machine, where `./enter.sh` runs it"
    missing_sh = line.replace("docker", "sh")
    problem = diagnose_command("./enter.sh web", Stage.SHELL, exit_status=127, stderr=(missing_sh,))
    assert problem.kind == ProblemKind.NO_SHELL


@pytest.mark.parametrize(
    ("command", "line", "message"),
    [
        (DOCKER, "bash: line 1: docker: command not found", "`docker` not found on the host `h`"),
        (DOCKER, "bash: line 1: docker: Kommando nicht gefunden.", "`docker` not found"),
        (DOCKER, "sh: 1: docker: not found", "`docker` not found on the host `h`"),
        (DOCKER, "ash: docker: not found\r", "`docker` not found on the host `h`"),
        (DOCKER, "E: mksh: docker: inaccessible or not found", "`docker` not found"),
        (DOCKER, "zsh:1: command not found: docker", "`docker` not found on the host `h`"),
        ("env A=b docker exec -i web sh", "env: 'docker': No such file or directory", "host `h`"),
        ("env A=b docker exec -i web sh", "bash: line 1: docker: command not found", "host `h`"),
        ("/opt/docker exec -i web sh", "zsh:1: no such file or directory: /opt/docker", "`/opt/do"),
        ("sudo -n docker exec -i web sh", "bash: line 1: sudo: command not found", "`sudo` not"),
        ("ssh b podman exec -i web sh", "sh: 1: podman: not found", "not found on the host `b`"),
        ("docker exec -i web python3 -I -S -m code -q", "sh: 1: docker: not found", "`docker` not"),
        (INSTALLED, "bash: line 1: docker: command not found", "`docker` not found on the host"),
    ],
)
def test_a_program_that_is_missing_behind_ssh(command: str, line: str, message: str) -> None:
    stage = {"norouter": Stage.HELLO, "python3": Stage.INTERPRETER}
    found = next((stage[word] for word in command.split() if word in stage), Stage.SHELL)
    problem = diagnose_command(f"ssh h {command}", found, exit_status=127, stderr=(line,))
    assert problem.kind == ProblemKind.COMMAND_NOT_FOUND
    assert message in problem.message
    assert problem.hint.startswith("install it")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("ssh h sh", "bash: sh: command not found"),
        ("ssh h docker exec -i web sh", "sh: 1: sh: not found"),
        ("ssh h sh", "bash: line 7: kubectl: command not found"),
        ("ssh h docker run -i x sh", 'docker: Error response: OCI failed: exec: "sh": not found'),
    ],
)
def test_a_shell_that_is_missing_behind_ssh(command: str, line: str) -> None:
    problem = diagnose_command(command, Stage.SHELL, exit_status=127, stderr=(line,))
    assert problem.kind == ProblemKind.NO_SHELL


def test_the_message_names_the_shell_of_the_command() -> None:
    complaint = b'OCI runtime exec failed: exec: "bash": executable file not found in $PATH\r\n'
    problem = diagnose_command(
        "docker exec -i web bash", Stage.SHELL, exit_status=126, stdout=complaint
    )
    assert problem.kind == ProblemKind.COMMAND_NOT_FOUND
    assert problem.message == "`bash` not found in the container `web`"
    assert problem.hint.endswith("appends `sh` to it: docker exec -i web")
    assert problem.instead == "docker exec -i web"


def test_escape_sequences_are_stripped() -> None:
    stderr = ("\x1b[31mboom\x1b[0m\x07 \x1b]0;title\x07now",)
    problem = diagnose_command("./x\x1b[2J.sh sh", Stage.SHELL, exit_status=1, stderr=stderr)
    assert problem.stderr == ("boom now",)
    assert problem.message.endswith(": boom now")
    assert "\x1b" not in problem.message + problem.hint


@pytest.mark.parametrize(
    ("command", "permanent"),
    [
        ("kubectl debug -i -q web --image=busybox --target=app -- sh", True),
        ("kubectl exec -i web -- sh", False),
    ],
)
def test_what_leaves_a_container_behind_is_not_retried(command: str, permanent: bool) -> None:
    stderr = ('Error from server (NotFound): pods "web" not found',)
    problem = diagnose_command(command, Stage.SHELL, exit_status=1, stderr=stderr)
    assert problem.kind == ProblemKind.NO_SUCH_CONTAINER
    assert problem.permanent is permanent


@pytest.mark.parametrize(
    ("command", "suggested"),
    [
        ("ssh u@h nsenter -t 1 -n", "ssh u@h sudo -n nsenter -t 1 -n"),
        ("nsenter -t 1 -n", "sudo -n nsenter -t 1 -n"),
        ("ssh u@h sudo -n nsenter -t 1 -n", ""),
        ("sudo -n env A=b nsenter -t 1 -n", ""),
    ],
)
def test_sudo_goes_in_front_of_what_needs_it(command: str, suggested: str) -> None:
    stderr = ("nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted",)
    problem = diagnose_command(f"{command} sh", Stage.SHELL, exit_status=1, stderr=stderr)
    assert problem.kind == ProblemKind.PERMISSION_DENIED
    assert problem.instead == suggested
    assert ("sudo" in problem.hint) is bool(suggested)


@pytest.mark.parametrize(
    "line",
    [
        "Error response from daemon: No such container: web",
        'Error from server (NotFound): pods "web" not found',
        "Error response from daemon: Container web is paused, unpause the container before exec",
        "Error: container web is not running",
    ],
)
def test_behind_an_unknown_program_no_hint_has_a_gap(line: str) -> None:
    problem = diagnose_command("./enter.sh web sh", Stage.SHELL, exit_status=1, stderr=(line,))
    assert problem.kind in (ProblemKind.NO_SUCH_CONTAINER, ProblemKind.CONTAINER_NOT_RUNNING)
    assert "web" in problem.message and "enter.sh" not in problem.message
    assert "``" not in problem.hint
    assert not problem.hint.endswith((":", ": "))


@pytest.mark.parametrize(
    ("command", "line", "message", "instead"),
    [
        (
            "docker exce -i web sh",
            "unknown shorthand flag: 'i' in -i",
            "docker has no command `exce`",
            "docker exec -i web",
        ),
        (
            "ssh build sudo podman container exe web bash",
            'Error: unknown command "exe" for "podman container"',
            "podman has no command `exe`",
            "ssh build sudo podman container exec -i web bash",
        ),
        (
            "kubectl -n shop exce -i web -- sh",
            'error: unknown command "exce" for "kubectl"',
            "kubectl has no command `exce`",
            "kubectl -n shop exec -i web --",
        ),
    ],
)
def test_a_misspelt_exec(command: str, line: str, message: str, instead: str) -> None:
    problem = diagnose_command(command, Stage.SHELL, exit_status=125, stderr=(line,))
    assert (problem.kind, problem.message) == (ProblemKind.USAGE, message)
    assert problem.hint == f"did you mean `exec`? {instead}"
    assert problem.instead == instead and problem.permanent


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("docker rm -i web sh", "unknown shorthand flag: 'i' in -i"),
        ("docker exec -q exce sh", "unknown shorthand flag: 'q' in -q"),
        ("docker exce -i web sh", "sudo: a password is required"),
    ],
)
def test_no_other_command_is_a_misspelt_exec(command: str, line: str) -> None:
    problem = diagnose_command(command, Stage.SHELL, exit_status=125, stderr=(line,))
    assert "did you mean" not in problem.hint


NO_GO = "this machine has no native agent for linux-amd64, and no Go to build it"
GO = "install Go on this machine (or run `make agents`), or "


@pytest.mark.parametrize(
    ("stage", "pythons", "before", "hint"),
    [
        (Stage.NATIVE, "no python", "no Python in", f"{GO}install Python 3.8"),
        (Stage.NATIVE, "/usr/bin/python3: is 3.6, too old", "no usable Python in", GO),
        (Stage.NATIVE, "", "", GO),
        (Stage.COPIED, "", "`sh` not found in", f"{GO}give the host a shell: "),
    ],
)
def test_this_machine_has_no_native_agent(
    stage: Stage, pythons: str, before: str, hint: str
) -> None:
    argv = ("docker", "exec", "-i", "web", "sh")
    problem = diagnose(Evidence(argv, stage, 3, no_program=NO_GO, pythons=pythons))
    assert problem.kind == ProblemKind.NO_NATIVE_AGENT
    assert problem.message.startswith(before)
    assert problem.message.endswith(NO_GO)
    assert problem.hint.startswith(hint)


NATIVE_REPORTS = {
    "read-only": (
        "/tmp: Read-only file system\n/run: Read-only file system\n/dev/shm: cannot execute "
        "(exit status 126: Permission denied)",
        "/tmp, /run: Read-only file system; /dev/shm: cannot execute (exit status 126: "
        "Permission denied)",
        "`--tmpfs /tmp:exec`",
    ),
    "full": (
        "/: Read-only file system\n/tmp: no room for 2580 KiB",
        "/tmp: no room for 2580 KiB",
        "/tmp needs 2580 KiB: free some space there, or enlarge it (docker and podman: "
        "`--tmpfs /tmp:size=8m,exec`)",
    ),
    "full working directory": (
        "/: no room for 2580 KiB\n.: no room for 2580 KiB",
        "/, .: no room for 2580 KiB",
        "free some space in one of these directories",
    ),
    "cut short": (
        "/tmp: only 4096 of 99999 bytes could be written",
        "only 4096 of 99999 bytes",
        "free some space in one of these directories",
    ),
    "no memory": ("/tmp: cannot execute (exit status 137)", "(exit status 137)", "more memory"),
    "wrong machine": (
        "there is no native agent for Linux on mips",
        "web`: there is no native agent for Linux on mips",
        "install Python 3.8",
    ),
}


@pytest.mark.parametrize(("report", "message", "hint"), NATIVE_REPORTS.values(), ids=NATIVE_REPORTS)
def test_why_no_native_agent_runs_there(report: str, message: str, hint: str) -> None:
    evidence = Evidence(("docker", "exec", "-i", "web", "sh"), Stage.NATIVE, 3, report=report)
    problem = diagnose(evidence)
    assert problem.kind is ProblemKind.NO_NATIVE_AGENT and problem.permanent
    assert message in problem.message and hint in problem.hint


@pytest.mark.parametrize(
    ("stage", "status", "says"),
    [
        (Stage.PYTHON, 4, "the command lost its stdin while the agent was being sent (2 of 4 KiB"),
        (Stage.PYTHON, 142, "the command received nothing for two minutes while the agent"),
        (Stage.PYTHON, 137, "out of memory"),
        (Stage.NATIVE, 137, "out of memory"),
        (Stage.NATIVE, 3, "ended with exit status 3"),
    ],
)
def test_ends_of_an_agent_that_is_being_sent(stage: Stage, status: int, says: str) -> None:
    problem = diagnose_command(DOCKER, stage, exit_status=status, received=2048, size=4096)
    assert problem.kind == ProblemKind.EXITED
    assert says in problem.message
    assert "while the agent was being sent" in problem.message


@pytest.mark.parametrize(
    ("stderr", "stdout", "shown"),
    [
        (("ERROR: (x) bad", "To search the help text, run:", "  x help"), "", "ERROR: (x) bad"),
        (("error: no pod",), "Defaulting debug container name to x.\n", "error: no pod"),
        (("line 1", "line 2"), "line 3\n", "line 2"),
        (("bash: warning: cannot change locale", "see above"), "", "see above"),
        ((), "fatal: no\nbye\n", "fatal: no"),
        (("Error: cannot find module", "Node.js v20"), "", "Error: cannot find module"),
        (("  File x", "TypeError: odd"), "", "TypeError: odd"),
    ],
)
def test_the_line_that_names_the_cause(stderr: tuple[str, ...], stdout: str, shown: str) -> None:
    problem = diagnose_command(
        "./enter.sh sh", Stage.SHELL, exit_status=1, stderr=stderr, stdout=stdout.encode()
    )
    assert problem.message.endswith(f": {shown}")
