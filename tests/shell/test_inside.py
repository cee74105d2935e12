"""`norouter shell`: real commands in a real namespace."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from norouter_core.manifest import load_file
from norouter_core.model import HostOptions, HostSpec
from norouter_tui.shell import namespace
from norouter_tui.shell.inside import Inside, with_shell
from tests.programs import ROOT, Program, Start, await_end

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _missing() -> str:
    """What the namespace needs and this machine lacks."""
    if not any(shutil.which(name, path=PATH) for name in ("nft", "iptables")):
        return "neither nft nor iptables"
    unshare = ["unshare", "--user", "--map-current-user", "--net", "--mount", "true"]
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "no namespaces"
    made = subprocess.run(unshare, capture_output=True, text=True)
    return made.stderr.strip()


pytestmark = pytest.mark.skipif(bool(_missing()), reason=f"no shell here: {_missing()}")

# What each word of the command line asks for, and prints as JSON.
CLIENT = """
import json, os, socket, sys

def tcp(host, port):
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(b"ping")
        sock.shutdown(socket.SHUT_WR)
        return sock.makefile().read()

def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        answers = []
        for number in "12":
            sock.sendto(number.encode(), (host, int(port)))
            data, peer = sock.recvfrom(100)
            answers.append(f"{data.decode()} from {peer[0]}:{peer[1]}")
        return answers

def own():
    with socket.create_server(("127.0.0.1", 80)) as server:
        with socket.create_connection(("127.0.0.1", 80), 10):
            return server.accept()[1][0]

found = {"uid": os.getuid(), "directory": os.getcwd(), "mesh": os.environ["NOROUTER_MESH"]}
found["proxy"] = os.environ.get("http_proxy")
for word in sys.argv[1:]:
    what, *args = word.split(",")
    try:
        found[word] = globals()[what](*args)
    except OSError as error:
        found[word] = type(error).__name__
print(json.dumps(found))
"""


# Where each connection arrives: at the transparent listener, or nowhere.
DESTINATIONS = """
import socket
with socket.socket(socket.AF_INET6) as server:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.IPPROTO_IPV6, 75, 1)
    server.setsockopt(socket.IPPROTO_IP, 19, 1)
    server.bind(("::", 1))
    server.listen()
    for host, port in (
        ("127.0.97.2", 80), ("192.0.2.1", 443), ("2001:db8::7", 22), ("127.0.97.9", 53),
        ("127.0.97.9", 80), ("127.0.0.1", 53), ("127.0.1.1", 80), ("::1", 80),
    ):
        try:
            with socket.create_connection((host, port), 5):
                name = server.accept()[0].getsockname()
                print(f"{name[0].removeprefix('::ffff:')}/{name[1]}")
        except ConnectionRefusedError:
            print("refused")
"""
WANTED = ["127.0.97.2/80", "192.0.2.1/443", "2001:db8::7/22", "127.0.97.9/53", *["refused"] * 4]


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A port of 127.0.0.1 that echoes, over TCP and UDP."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(server.getsockname())

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"echo " + client.makefile("rb").read())

        def answer() -> None:
            while True:
                data, peer = datagrams.recvfrom(100)
                if data == b"end":
                    return
                datagrams.sendto(b"echo " + data, peer)

        threads = [threading.Thread(target=run) for run in (serve, answer)]
        for thread in threads:
            thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        datagrams.sendto(b"end", datagrams.getsockname())
        for thread in threads:
            thread.join()


@pytest.fixture
def manifest(tmp_path: Path, echo_port: int) -> Path:
    path = tmp_path / "mesh.yaml"
    path.write_text(f"""
hosts:
  far:
    vip: 127.0.97.2
    cmd: env
    aliases: [far.example]
    ports: ["80:127.0.0.1:{echo_port}", "53:127.0.0.1:{echo_port}/udp"]
""")
    return path


def run(norouter: Program, manifest: Path, *wanted: str, **more: Any) -> dict[str, Any]:
    words = ("shell", str(manifest), "--", sys.executable, "-c", CLIENT, *wanted)
    done = norouter(*words, **more)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_command_reaches_names_vips_and_its_own_loopback(
    norouter: Program, manifest: Path, tmp_path: Path
) -> None:
    proxied = {"http_proxy": "http://127.0.0.1:3128"}
    found = run(
        *(norouter, manifest, "tcp,far,80", "tcp,FAR.example,80", "tcp,127.0.97.2,80"),
        *("udp,127.0.97.2,53", "tcp,far,81", "tcp,127.9.9.9,80", "tcp,2001:db8::1,80", "own"),
        cwd=tmp_path,
        env=proxied,
    )
    assert found["tcp,far,80"] == found["tcp,FAR.example,80"] == "echo ping"
    assert found["tcp,127.0.97.2,80"] == "echo ping"
    assert found["udp,127.0.97.2,53"] == [f"echo {n} from 127.0.97.2:53" for n in "12"]
    assert found["tcp,far,81"] == "ConnectionResetError"
    assert found["tcp,127.9.9.9,80"] == "ConnectionRefusedError"  # its own loopback
    # Nobody has that address: norouter has taken the connection, and resets it.
    assert found["tcp,2001:db8::1,80"] == "ConnectionResetError"
    assert found["own"] == "127.0.0.1"
    assert found["uid"] == os.getuid()
    assert found["directory"] == str(tmp_path)
    assert found["proxy"] is None  # it listens where the command cannot reach it


def test_the_exit_status_is_that_of_the_command(norouter: Program, manifest: Path) -> None:
    done = norouter("shell", str(manifest), "--", "sh", "-c", "exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    done = norouter("shell", str(manifest), "--")
    assert done.returncode == 2 and "missing command after '--'" in done.stderr


def test_a_directory_that_has_been_removed_is_no_obstacle(manifest: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = (sys.executable, "-m", "norouter_tui", "shell", str(manifest), "--", "pwd")
    script = f"cd {gone} && rmdir {gone} && exec {shlex.join(words)}"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=env, timeout=50)
    assert (done.returncode, done.stdout) == (0, "/\n"), done.stderr


def test_a_template_gives_the_shell_and_this_machine_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("""
hostTemplate:
  socks: {listen: "127.0.0.1:41080"}
  ports: ["8080"]
hosts:
  far: {vip: 127.0.97.2, cmd: env}
""")
    spec = load_file(path).spec
    inside = Inside(HostSpec("shell", "127.0.97.9", ("true",), options=HostOptions()), 1)
    far, local, shell = with_shell(spec, inside, ()).effective()
    assert (far.socks is None, len(far.ports)) == (False, 1)
    assert (local.is_local, local.socks, local.loopback) == (True, None, False)
    assert (shell.socks, shell.ports) == (None, ())


@pytest.mark.parametrize("program", ["nft", "iptables"])
def test_either_program_redirects_all_that_is_not_the_shells_own(program: str) -> None:
    if not shutil.which(program, path=PATH):
        pytest.skip(f"{program} is not installed")
    wanted = {"address": "127.0.97.9", "networks": ["127.0.97.0/24"], "port": 1, "files": {}}
    command = [sys.executable, "-I", "-S", namespace.__file__]
    with subprocess.Popen(
        [*command, "create"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write(json.dumps({**wanted, "ipv6": True, "programs": [program]}) + "\n")
        holder.stdin.flush()
        answer = json.loads(holder.stdout.readline())
        assert answer.get("by") == program, answer
        client = [*command, "agent", str(answer["pid"]), sys.executable, "-c", DESTINATIONS]
        done = subprocess.run(client, capture_output=True, text=True, timeout=20)
        assert done.stdout.split() == WANTED, done.stderr


def test_nothing_is_left_when_norouter_is_killed(
    start: Start, manifest: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = ("sh", "-c", "cat /etc/resolv.conf >/dev/null && echo up; sleep 60")
    shell = start("shell", str(manifest), "--", *command, env={"TMPDIR": str(temporary)})
    assert shell.stdout is not None
    assert shell.stdout.readline() == "up\n"
    left = psutil.Process(shell.pid).children(recursive=True)
    assert left
    shell.kill()
    shell.wait()
    for process in left:
        await_end(process)
    assert not list(temporary.glob("norouter-shell-*"))


FORBID = """
echo 0 >/proc/sys/user/max_user_namespaces
exec setpriv --inh-caps=-all --bounding-set=-all "$@"
"""


def test_the_failure_names_what_forbids_a_namespace(manifest: Path) -> None:
    program = (sys.executable, "-m", "norouter_tui", "shell", str(manifest), "--", "echo", "ran")
    forbid = ("unshare", "--user", "--map-root-user", "sh", "-c", FORBID, "sh", *program)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(forbid, text=True, capture_output=True, timeout=50, env=env)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "lets you make no user namespace: No space left on device" in done.stderr
    assert "sudo sysctl -w user.max_user_namespaces=" in done.stderr
