"""`python -m benchmarks.scale HOSTS PORTS`: what a large mesh costs the hub.

One local host and HOSTS remote ones, each of which publishes PORTS ports and its DNS; every host
listens for all of them. Remote hosts are network namespaces behind `nsenter`, with a real agent in
each. `--shared` puts them all into the machine's own namespace, where they share listeners;
`--local` makes them local hosts, and adds PORTS ports to one of them in one edit.

For each step: seconds, CPU seconds of the hub, the hub's memory, and the longest time that the hub
did not answer a DNS query meanwhile (its event loop stood still).
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks import ours
from benchmarks.namespaces import Namespace
from benchmarks.processes import MIB, descendants, end
from benchmarks.protocol import LoadError, run_program

_LIMIT = 600.0
"""Seconds that each step may take."""
_DNS_PORT = 10053
_NET = f"127.{60 + os.getpid() % 60}"
"""Two runs must not meet."""
_HUB_VIP = f"{_NET}.0.1"
_FIRST_PORT = 20000
_STALL = 0.25
"""Seconds that the hub's loop may stand still."""
_SIGNAL = 0.5
"""Seconds until a signal must be answered."""


class Stalls(threading.Thread):
    """Asks the mesh's DNS for a name all the time; `longest` is the slowest answer."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
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
                    self.longest = max(self.longest, time.perf_counter() - (asked or now))
                    asked = None
            time.sleep(0.005)

    def take(self) -> float:
        longest, self.longest = self.longest, 0.0
        return longest

    def stop(self) -> None:
        self._over.set()
        self.join()


class Control:
    """The hub's control socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_LIMIT)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")
        self._lines.readline()

    def run(self, line: str) -> None:
        """Run a command to its end.

        Raises:
            LoadError: it failed.
        """
        request = {"id": 1, "run": line, "confirmed": True}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        for answer in map(json.loads, self._lines):
            if "error" in answer:
                raise LoadError(f"{line[:60]}: {answer['error']}")
            if "outcome" in answer:
                if answer["outcome"]["failure"]:
                    raise LoadError(f"{line[:60]}: {answer['outcome']['failure']}")
                return
        raise LoadError(f"{line[:60]}: the hub has ended")


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
                self._output.seek(0)
                raise LoadError(f"the mesh is not ready: {self._output.read()[-2000:]}")
            time.sleep(0.01)

    def control(self) -> Control:
        (path,) = Path(self._folder, "norouter").glob("*.sock")
        return Control(str(path))

    def cpu(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> float:
        return float(self._usage.memory_info().rss / MIB)

    def agents_rss(self) -> float:
        """MiB of the largest process below the hub."""
        found = [0.0]
        for process in descendants(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(process.memory_info().rss / MIB)
        return max(found)

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    def close(self) -> None:
        end(self.process, grace=60)
        self._output.close()


class Steps:
    """Measures one step after the other, and prints a line for each."""

    def __init__(self, hub: Hub, stalls: Stalls) -> None:
        self._hub = hub
        self._stalls = stalls
        print(f"{'step':12s} {'s':>7} {'hub cpu':>8} {'stall ms':>9} {'hub MiB':>8}", flush=True)

    @contextlib.contextmanager
    def step(self, name: str, *, from_start: bool = False) -> Iterator[None]:
        self._stalls.take()
        begun, used = time.perf_counter(), 0.0 if from_start else self._hub.cpu()
        yield
        took, used = time.perf_counter() - begun, self._hub.cpu() - used
        stall = self._stalls.take()
        mark = "" if stall < _STALL else f"  missed, wanted below {_STALL * 1000:.0f} ms"
        print(
            f"{name:12s} {took:7.2f} {used:8.2f} {stall * 1000:9.0f} {self._hub.rss():8.1f}{mark}",
            flush=True,
        )


def mesh(enters: list[tuple[str, ...] | None], ports: int) -> dict[str, Any]:
    """Return the manifest: a local host and one for each way to enter (None is local too)."""
    hosts: dict[str, Any] = {"hub": {"vip": _HUB_VIP}}
    for number, enter in enumerate(enters, 1):
        listen = range(_FIRST_PORT, _FIRST_PORT + ports)
        host: dict[str, Any] = {
            "vip": f"{_NET}.{number // 250 + 1}.{number % 250 + 1}",
            "ports": [f"{port}:127.0.0.1:9" for port in listen],
        }
        if enter is not None:
            host["cmd"] = list(enter)
        hosts[f"h{number}"] = host
    return {"hosts": hosts, "hostTemplate": {"stateDir": {"disable": True}}}


def measure(hub: Hub, stalls: Stalls, late_ports: int) -> None:
    """Bring the mesh up, change it, and stop it."""
    steps = Steps(hub, stalls)
    with steps.step("ready", from_start=True):
        hub.wait_ready()
    control = hub.control()
    added = range(40000, 40000 + (late_ports or 1))
    with steps.step(f"{len(added)} more"):
        specs = " ".join(f"{port}:127.0.0.1:9" for port in added)
        control.run(f"port add h1 {specs} --wait --timeout 10m")
    with steps.step("restart"):
        control.run("host restart h1 --wait --timeout 10m")
    agents = hub.agents_rss()
    begun = time.perf_counter()
    hub.process.terminate()
    hub.process.wait(_LIMIT)
    print(f"{'stop':12s} {time.perf_counter() - begun:7.2f}")
    print(f"largest agent {agents:.1f} MiB")
    missed = [line for line in hub.output().splitlines() if "missed" in line]
    print("\n".join(missed[:3]), end="\n" if missed else "")


def answer_signals(hub_of: Any, until: float, times: int) -> None:
    """Stop the mesh at moments of its bring-up."""
    slowest = 0.0
    for number in range(times):
        hub = hub_of()
        time.sleep(0.6 + until * (number + random.random()) / times)
        begun = time.perf_counter()
        hub.process.terminate()
        hub.process.wait(_LIMIT)
        slowest = max(slowest, time.perf_counter() - begun)
        hub.close()
    print(f"SIGTERM at {times} moments of bring-up: the slowest stop took {slowest:.2f} s")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("hosts", type=int)
    parser.add_argument("ports", type=int)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--shared", action="store_true", help="agents in one network namespace")
    how.add_argument("--local", action="store_true", help="local hosts, and no agents")
    parser.add_argument("--signals", type=int, default=0, help="stop at so many moments, too")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program = ours.find_norouter()
    if program is None:
        raise LoadError("no `norouter` beside this Python (pip install -e .)")
    with contextlib.ExitStack() as stack:
        enters: list[tuple[str, ...] | None] = []
        for number in range(options.hosts):
            if options.local:
                enters.append(None)
            elif options.shared:
                enters.append(("env",))
            else:
                space = Namespace(f"h{number}")
                enters.append(stack.enter_context(contextlib.closing(space)).enter)
        manifest = mesh(enters, 0 if options.local else options.ports)
        stalls = Stalls()
        stalls.start()
        stack.callback(stalls.stop)

        def start() -> Hub:
            return Hub(stack.enter_context(tempfile.TemporaryDirectory()), program, manifest)

        begun = time.perf_counter()
        with contextlib.closing(start()) as hub:
            measure(hub, stalls, options.ports if options.local else 0)
        if options.signals:
            answer_signals(start, (time.perf_counter() - begun) / 2, options.signals)
    return 0


if __name__ == "__main__":
    run_program(main)
