"""`norouter run M.yaml -- CMD`: real meshes, real commands, real signals."""

from __future__ import annotations

import http.server
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from norouter_tui.cli.runs import run
from norouter_tui.run.headless import RunOptions, run_file
from tests.programs import Program, Start

GONE = "norouter-no-such-command"
SILENT = "sh -c 'sleep 60'"
GET = """
import os, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
"""
TRAP = """
import os, signal, sys
def got(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(9)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), got)
print("trapped", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def page() -> Iterator[int]:
    """The port of a web server on 127.0.0.1."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the page")

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def mesh(folder: Path, vip: str, cmd: str = "env A=1", port: int = 9, more: str = "") -> str:
    path = folder / "mesh.yaml"
    path.write_text(
        f"hosts:\n"
        f"  local: {{vip: {vip}.1, dns: {{disable: true}}{more}}}\n"
        f"  web-1: {{vip: {vip}.2, cmd: {json.dumps(cmd)}, aliases: [www.x],\n"
        f'    dns: {{disable: true}}, ports: ["18080:127.0.0.1:{port}"]}}\n'
    )
    return str(path)


def test_it_reaches_the_mesh_by_name_and_ends_with_the_commands_status(
    norouter: Program, tmp_path: Path, vip: str, page: int
) -> None:
    command = [sys.executable, "-c", GET + "sys.exit(7)", "http://web-1:18080/"]
    done = norouter("run", mesh(tmp_path, vip, port=page), "--headless", "--", *command)
    assert (done.returncode, done.stdout) == (7, "the page\n")
    assert "ready: 2 hosts" in done.stderr and "Traceback" not in done.stderr


def test_what_it_is_told(norouter: Program, tmp_path: Path, vip: str) -> None:
    path = mesh(tmp_path, vip)
    show = "import os; print(open(os.environ['HOSTALIASES']).read(), dict(os.environ), sep='\\n|')"
    env = {"no_proxy": "*", "NOTIFY_SOCKET": str(tmp_path / "none")}
    done = norouter(path, "-q", "--", sys.executable, "-c", show, env=env)
    assert done.stderr == ""
    aliases, _, said = done.stdout.partition("|")
    told = dict(re.findall(r"'(\w+)': '([^']*)'", said))
    assert f"web-1 {vip}.2.nip.io" in aliases.splitlines()
    assert told["NOROUTER_VIP_WEB_1"] == told["NOROUTER_VIP_WWW_X"] == f"{vip}.2"
    assert told["NOROUTER_ADDRESS_WEB_1_18080"] == f"{vip}.2:18080"
    assert told["NOROUTER_HOSTS"] == "local web-1" and told["NOROUTER_MANIFEST"] == path
    proxy = told["NOROUTER_HTTP_PROXY"]
    # Other users of this machine cannot guess it.
    assert re.fullmatch(r"http://norouter:[\w-]{20,}@127\.0\.0\.1:\d+", proxy)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        assert told[name] == told[name.upper()] == proxy
    assert told["no_proxy"] == told["NO_PROXY"] == "localhost,127.0.0.1,::1"
    assert "NOTIFY_SOCKET" not in told
    assert not Path(told["HOSTALIASES"]).exists()


def test_a_proxy_of_the_manifest_is_used_with_its_password(
    norouter: Program, tmp_path: Path, vip: str, page: int
) -> None:
    socks = '{listen: "0.0.0.0:{}", open: true}'
    more = f', http: {{listen: "{vip}.1:18081", auth: "a:b@c/d"}}, socks: {socks}'
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.getsockname()[1]
    path = mesh(tmp_path, vip, port=page, more=more.replace("{}", str(number)))
    show = "print(os.environ['NOROUTER_HTTP_PROXY'], os.environ['NOROUTER_SOCKS_PROXY'])"
    done = norouter(path, "--", sys.executable, "-c", GET + show, "http://www.x:18080/")
    assert done.stdout.splitlines() == [
        "the page",
        f"http://a:b%40c%2Fd@{vip}.1:18081 socks5h://127.0.0.1:{number}",
    ]


def test_stdin_and_words_behind_the_dashes_are_the_commands_own(
    norouter: Program, tmp_path: Path, vip: str
) -> None:
    words = ["--debug", "--json", "--", "-q", "a b"]
    show = ["sh", "-c", 'cat; printf "%s|" "$@"', "sh"]
    done = norouter(mesh(tmp_path, vip), "-q", "--", *show, *words, input="some words\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "some words\n--debug|--json|--|-q|a b|"


def test_a_manifest_without_this_machine_gets_it(
    norouter: Program, tmp_path: Path, vip: str, page: int
) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(
        f"hostTemplate: {{dns: {{disable: true}}}}\n"
        f'hosts:\n  local: {{vip: {vip}.2, cmd: env, ports: ["18080:127.0.0.1:{page}"]}}\n'
    )
    done = norouter(str(path), "--", sys.executable, "-c", GET, "http://local:18080/")
    assert (done.returncode, done.stdout) == (0, "the page\n")
    assert "no host is this machine" not in done.stderr


def test_a_command_that_a_signal_ends(norouter: Program, tmp_path: Path, vip: str) -> None:
    done = norouter(mesh(tmp_path, vip), "-q", "--", "sh", "-c", "kill -KILL $$")
    assert done.returncode == 128 + signal.SIGKILL


def test_signals_go_to_the_command(start: Start, tmp_path: Path, vip: str) -> None:
    process = start(
        *(mesh(tmp_path, vip), "-q", "--", sys.executable, "-c", TRAP), start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "trapped\n"
    for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGINT", "SIGTERM"):
        process.send_signal(getattr(signal, name))
        assert process.stdout.readline() == f"got {name}\n"
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (9, "", "")


def test_what_nohup_ignores_stays_ignored(norouter: Program, tmp_path: Path, vip: str) -> None:
    kill = "kill -HUP $PPID; kill -HUP $$; echo lives"
    path = mesh(tmp_path, vip)
    nohup = f"trap '' HUP; exec \"$0\" -m norouter_tui {path} -q -- sh -c '{kill}'"
    done = norouter(
        program=("-c", f"import os; os.execvp('sh', ['sh', '-c', {nohup!r}, {sys.executable!r}])")
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "lives\n", "")


def test_ctrl_c_at_a_terminal_reaches_the_command_once(
    start: Start, tmp_path: Path, vip: str
) -> None:
    path = mesh(tmp_path, vip)
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "norouter_tui", path, "-q", "--", sys.executable, "-c", TRAP]
    helper = "import os,fcntl,termios,sys; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    process = subprocess.Popen(
        [sys.executable, "-c", helper + "os.execvp(sys.argv[1], sys.argv[1:])", *words],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(follower)
    try:
        said = _until(leader, b"trapped")
        os.write(leader, b"\x03")
        said = _until(leader, b"got SIGINT")
        process.send_signal(signal.SIGTERM)
        said += _until(leader, b"got SIGTERM")
        assert process.wait(20) == 9
        assert said.count(b"got SIGINT") == 1
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def _until(fd: int, words: bytes) -> bytes:
    said = b""
    while words not in said:
        said += os.read(fd, 1024)
    return said


def test_a_mesh_that_fails_runs_nothing(norouter: Program, tmp_path: Path, vip: str) -> None:
    done = norouter(mesh(tmp_path, vip, GONE), "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not ready: web-1 failed for good" in done.stderr


def test_a_mesh_that_is_not_ready_in_time_runs_nothing(
    norouter: Program, tmp_path: Path, vip: str
) -> None:
    path = mesh(tmp_path, vip, SILENT)
    done = norouter("run", path, "--wait-ready", "0.5", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (3, "")
    assert "not ready within 500 ms:" in done.stderr and "  host web-1 " in done.stderr


def test_a_signal_before_the_command_has_started(start: Start, tmp_path: Path, vip: str) -> None:
    process = start(mesh(tmp_path, vip, SILENT), "--", "echo", "ran")
    assert process.stderr is not None
    assert "host local ready" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize(
    ("word", "status", "says"),
    [
        (GONE, 127, f"command not found: {GONE}; nothing was started"),
        ("/etc/passwd", 126, "/etc/passwd is not an executable file"),
    ],
    ids=["missing", "no-program"],
)
def test_what_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, vip: str, word: str, status: int, says: str
) -> None:
    assert run_file(mesh(tmp_path, vip), RunOptions(command=(word,))) == status
    said = capsys.readouterr()
    assert says in said.err and said.out == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--"], "missing command after '--'"),
        (["--json", "--", "echo"], "--json and '-- CMD' are mutually exclusive"),
        (["echo"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(words: list[str], says: str) -> None:
    done = CliRunner().invoke(run, ["mesh.yaml", *words])
    assert done.exit_code == 2 and says in done.stderr
