"""`python -m benchmarks.scale --hosts 100 --ports 2`: what a large mesh costs.

One local host and HOSTS remote ones, each of which publishes PORTS ports; every host listens for
all of them. Remote hosts are network namespaces behind `nsenter`, with a real agent in each.
`--shared` puts them all into the machine's own namespace, where they share listeners; `--local`
makes them local hosts. Two more hosts keep a ping-pong stream open while the mesh is changed.

For each step: seconds, CPU seconds of the hub and of the agents, the hub's memory, the longest time
in which the hub answered no DNS query (its loop stood still), and the longest round trip of the
ping-pong stream. Other load on the machine lengthens all but the CPU seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks import ours
from benchmarks.namespaces import ROOT, Namespaces
from benchmarks.processes import MIB, descendants, end
from benchmarks.protocol import LoadError, run_program

_LIMIT = 600.0
"""Seconds that each step may take."""
_DNS_PORT = 10053
_NET = f"127.{60 + os.getpid() % 60}"
"""Two runs must not meet."""
_HUB_VIP = f"{_NET}.0.1"
_FIRST_PORT = 20000
_PING_PORT = 19000


class Stalls(threading.Thread):
    """Asks the mesh's DNS for a name all the time; `take` returns the slowest answer."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._longest = 0.0
        self._over = threading.Event()
        question = b"\x03hub\x00" + struct.pack(">HH", 1, 1)
        self._query = struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0) + question

    def run(self) -> None:
        asked: float | None = None
        while not self._over.is_set():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(5)
                now = time.perf_counter()
                try:
                    sock.connect((_HUB_VIP, _DNS_PORT))
                    sock.send(self._query)
                    sock.recv(512)
                except ConnectionRefusedError:
                    asked = None  # nobody listens yet, or any more
                except TimeoutError:
                    asked = asked or now
                    continue
                else:
                    self._longest = max(self._longest, time.perf_counter() - (asked or now))
                    asked = None
            time.sleep(0.005)

    def take(self) -> float:
        longest, self._longest = self._longest, 0.0
        return longest

    def stop(self) -> None:
        self._over.set()
        self.join()


class PingPong:
    """A stream between two hosts; `take` returns its longest round trip."""

    def __init__(self, client: tuple[str, ...], server: tuple[str, ...], vip: str) -> None:
        self._server = self._start(server, str(_PING_PORT))
        assert self._server.stdout is not None
        self._server.stdout.readline()
        self._client = self._start(client, vip, str(_PING_PORT))

    def _start(self, enter: tuple[str, ...], *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*enter, sys.executable, "-m", "benchmarks.pingpong", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )

    def take(self) -> float:
        assert self._client.stdin is not None and self._client.stdout is not None
        self._client.stdin.write("\n")
        self._client.stdin.flush()
        return float(json.loads(self._client.stdout.readline())["longest"])

    def close(self) -> None:
        for process in (self._client, self._server):
            process.communicate()


class Control:
    """The hub's control socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_LIMIT)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()

    def request(self, last: str, **request: object) -> int:
        """Send a request and read its answers up to the one with `last`; return their bytes.

        Raises:
            LoadError: it failed.
        """
        self._socket.sendall(
            json.dumps({"id": 1} | request if "cancel" not in request else request).encode() + b"\n"
        )
        return self.read(last, str(request)[:80])

    def read(self, last: str, request: str = "") -> int:
        """Read answers up to the one with `last`; return their bytes."""
        size = 0
        for line in self._lines:
            size += len(line)
            answer = json.loads(line)
            failure = answer.get("error") or (answer.get("outcome") or {}).get("failure")
            if failure:
                raise LoadError(f"{request}: {failure}")
            if last in answer:
                return size
        raise LoadError(f"{request}: the hub has ended")

    def run(self, line: str) -> int:
        return self.request("outcome", run=line, confirmed=True)


class Hub:
    """A headless run of a mesh."""

    def __init__(self, folder: str, program: str, manifest: dict[str, Any]) -> None:
        file = Path(folder, "mesh.yaml")
        file.write_text(json.dumps(manifest))
        self._ready = Path(folder, "ready")
        self._output = open(Path(folder, "output"), "w+")  # closed by `close`
        env = {**os.environ, "XDG_RUNTIME_DIR": folder, "HOME": folder}
        argv = [program, "run", str(file), "--headless", "--ready-file", str(self._ready)]
        self.process = subprocess.Popen(
            argv, env=env, stdout=self._output, stderr=self._output, start_new_session=True
        )
        self._usage = psutil.Process(self.process.pid)
        self._folder = folder

    def wait_ready(self) -> None:
        deadline = time.monotonic() + _LIMIT
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise LoadError(f"the mesh is not ready: {self.output()[-2000:]}")
            time.sleep(0.01)

    def control(self) -> Control:
        (path,) = Path(self._folder, "norouter").glob("*.sock")
        return Control(str(path))

    def cpu(self) -> tuple[float, float]:
        """Return the CPU seconds of the hub, and those of the agents that run."""
        times = self._usage.cpu_times()
        agents = 0.0
        for process in descendants(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                of = process.cpu_times()
                agents += of.user + of.system + of.children_user + of.children_system
        return times.user + times.system, agents

    def rss(self) -> float:
        return float(self._usage.memory_info().rss / MIB)

    def agents_rss(self) -> list[float]:
        """MiB of each process below the hub."""
        found = []
        for process in descendants(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(process.memory_info().rss / MIB)
        return found

    def output(self) -> str:
        self._output.flush()
        return Path(self._output.name).read_text()

    def close(self) -> None:
        end(self.process, grace=60)
        self._output.close()


class Steps:
    """Measures one step after the other, prints a line for each, and keeps its figures."""

    def __init__(self, hub: Hub, stalls: Stalls, ping: PingPong | None) -> None:
        self._hub = hub
        self._stalls = stalls
        self._ping = ping
        self.figures: dict[str, dict[str, float]] = {}
        titles = ("s", "hub cpu", "agents cpu", "stall ms", "ping ms", "hub MiB", "bytes")
        print(f"{'step':16s}" + "".join(f"{title:>11}" for title in titles), flush=True)

    @contextlib.contextmanager
    def step(self, name: str, *, from_start: bool = False) -> Iterator[Callable[[int], None]]:
        """Measure the block, which may call what it gets with a number of bytes."""
        size = 0

        def note(count: int) -> None:
            nonlocal size
            size += count

        self._take()
        begun, used = time.perf_counter(), (0.0, 0.0) if from_start else self._hub.cpu()
        yield note
        took, now = time.perf_counter() - begun, self._hub.cpu()
        stall, ping = self._take()
        figures = (
            took, now[0] - used[0], now[1] - used[1], stall * 1000, ping * 1000, self._hub.rss()
        )  # fmt: skip
        print(f"{name:16s}" + "".join(f"{each:11.2f}" for each in figures) + f"{size:11d}")
        sys.stdout.flush()
        keys = ("seconds", "hub_cpu", "agents_cpu", "stall_ms", "ping_ms", "hub_mib")
        self.figures[name] = {**dict(zip(keys, figures, strict=True)), "bytes": size}

    def _take(self) -> tuple[float, float]:
        return self._stalls.take(), self._ping.take() if self._ping else 0.0


def vip(number: int) -> str:
    return f"{_NET}.{number // 250 + 1}.{number % 250 + 1}"


def mesh(enters: list[tuple[str, ...] | None], ports: int) -> dict[str, Any]:
    """Return the manifest: a local host and one for each way to enter (None is local too)."""
    hosts: dict[str, Any] = {"hub": {"vip": _HUB_VIP}}
    for number, enter in enumerate(enters, 1):
        listen = range(_FIRST_PORT, _FIRST_PORT + ports)
        host: dict[str, Any] = {
            "vip": vip(number),
            "ports": [f"{port}:127.0.0.1:9" for port in listen],
        }
        if enter is not None:
            host["cmd"] = list(enter)
        hosts[f"h{number}"] = host
    hosts["h1"]["ports"].append(f"{_PING_PORT}:127.0.0.1:{_PING_PORT}")
    return {"hosts": hosts, "hostTemplate": {"stateDir": {"disable": True}}}


def measure(hub: Hub, stalls: Stalls, ping: PingPong | None, late: str) -> dict[str, Any]:
    """Bring the mesh up, change it, ask about it, and stop it; `late` is the command
    of a host that is added.
    """
    steps = Steps(hub, stalls, ping)
    with steps.step("ready", from_start=True):
        hub.wait_ready()
    control = hub.control()
    wait = "--wait --timeout 10m"
    edits = {
        "port add": f"port add h3 40000:127.0.0.1:9 {wait}",
        "port rm": "port rm h3 40000",
        "host add": f"host add late {wait} --vip {_NET}.200.1 --port 20000:127.0.0.1:9 {late}",
        "host rm": "host rm late",
        "undo": "undo",
        "redo": "redo",
        "host set": "host set h3 --alias third",
        "route add": "route add h3 *.example",
        "restart": f"host restart h4 {wait}",
    }
    for name, line in edits.items():
        with steps.step(name):
            control.run(line)
            time.sleep(0.3)
    for line in ("hosts", "ports", "streams", "status", "diff", "export"):
        with steps.step(line) as note:
            note(control.run(line))
    with steps.step("complete") as note:
        note(control.request("completions", complete="host restart h", cursor=14))
    with steps.step("snapshot") as note:
        note(control.request("snapshot", snapshots=True, interval=0.4))
    with steps.step("next snapshot") as note:
        note(control.read("snapshot"))
    control.request("cancelled", cancel=1)
    with steps.step("idle 3 s"):
        time.sleep(3)
    agents = hub.agents_rss()
    print(f"agents: {len(agents)}, {sum(agents):.0f} MiB, the largest {max(agents or [0]):.1f} MiB")
    begun = time.perf_counter()
    hub.process.terminate()
    hub.process.wait(_LIMIT)
    steps.figures["stop"] = {"seconds": time.perf_counter() - begun}
    print(f"{'stop':16s}{steps.figures['stop']['seconds']:11.2f}")
    lines = hub.output().splitlines()
    print(f"the run printed {len(lines)} lines, {sum(map(len, lines))} characters")
    missed = [line for line in lines if "missed" in line]
    print("\n".join(missed[:3]), end="\n" if missed else "")
    return {**steps.figures, "agents": {"mib": sum(agents), "largest": max(agents or [0])}}


def answer_signals(hub_of: Callable[[], Hub], until: float, times: int) -> dict[str, float]:
    """Interrupt the mesh at moments of its bring-up; return the slowest answer and stop."""
    slowest = {"answer": 0.0, "stop": 0.0}
    for number in range(times):
        hub = hub_of()
        time.sleep(until * (number + random.random()) / times)
        begun = time.perf_counter()
        hub.process.send_signal(signal.SIGINT)
        while "stopping" not in hub.output() and hub.process.poll() is None:
            time.sleep(0.005)
        answered = time.perf_counter() - begun
        status = hub.process.wait(_LIMIT)
        stopped = time.perf_counter() - begun
        output = hub.output()
        if "Traceback" in output or status not in (0, 130):
            raise LoadError(f"SIGINT: exit status {status}: {output[-2000:]}")
        print(f"SIGINT: answered in {answered:.2f} s, stopped in {stopped:.2f} s", flush=True)
        slowest = {
            "answer": max(slowest["answer"], answered),
            "stop": max(slowest["stop"], stopped),
        }
        hub.close()
    return slowest


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--ports", type=int, default=1)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--shared", action="store_true", help="agents in one network namespace")
    how.add_argument("--local", action="store_true", help="local hosts, and no agents")
    parser.add_argument("--signals", type=int, default=0, help="interrupt at so many moments, too")
    parser.add_argument("--within", type=float, default=10, help="seconds in which these are")
    parser.add_argument("--only-signals", action="store_true", help="measure nothing else")
    parser.add_argument("--json", help="write the figures to a file")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program = ours.find_norouter()
    if program is None:
        raise LoadError("no `norouter` beside this Python (pip install -e .)")
    figures: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        enters: list[tuple[str, ...] | None] = [None] * options.hosts
        late = "-- env"
        ping = None
        if options.shared:
            enters = [("env",)] * options.hosts
        elif not options.local:
            spaces = stack.enter_context(contextlib.closing(Namespaces(options.hosts + 1)))
            enters = list(spaces.enters[1:])
            late = "-- " + " ".join(spaces.enters[0])
        manifest = mesh(enters, options.ports)
        stalls = Stalls()
        stalls.start()
        stack.callback(stalls.stop)

        def start() -> Hub:
            return Hub(stack.enter_context(tempfile.TemporaryDirectory()), program, manifest)

        if not options.only_signals:
            if enters[0] and enters[1]:
                ping = PingPong(enters[1], enters[0], vip(1))
                stack.callback(ping.close)
            with contextlib.closing(start()) as hub:
                figures = measure(hub, stalls, ping, late)
        if options.signals:
            figures["signals"] = answer_signals(start, options.within, options.signals)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    run_program(main)
