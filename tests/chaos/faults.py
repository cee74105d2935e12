"""Carries out the steps of a plan."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable

import psutil

from tests.chaos.control import Edited, Editor
from tests.chaos.hosts import HOSTS, LOCAL
from tests.chaos.plan import Step
from tests.chaos.scene import MARK, ChaosMesh, Scene
from tests.transports.mesh import norouter
from tests.transports.procs import agents_in, cmdline, processes_in

_BROKEN = (b"", b"hosts: {", b"\xff\xfe\0", b"hosts: {}\n", b"- 1\n", b"hosts: [local]\n")
_CTL_TIMEOUT = 60.0


class Faults:
    """What a run does to its mesh.

    Args:
        scene: of the run.
        mesh: which is ready.
        on_edited: takes each command, how it failed, and its seconds.
    """

    def __init__(self, scene: Scene, mesh: ChaosMesh, on_edited: Edited) -> None:
        self._scene, self._mesh, self._on_edited = scene, mesh, on_edited
        self._editors = [Editor(scene.control_socket, on_edited) for _ in range(2)]
        self._pending: dict[threading.Timer, Callable[[], object]] = {}
        self._commands: list[threading.Thread] = []
        self.count: Counter[str] = Counter()

    def apply(self, step: Step) -> bool:
        """Carry out a step; return whether there was anything that it could strike."""
        verb, _, what = step.kind.partition("-")
        match verb:
            case "edit":
                struck = self._edit(step)
            case "kill" | "tap" if what == "stream":
                line = "stream kill STREAM" if verb == "kill" else "stream tap STREAM --for 200ms"
                struck = self._put(line, step.pick)
            case "kill":
                struck = self._signal(step, what, signal.SIGKILL)
            case "stop":
                struck = self._signal(step, what, signal.SIGSTOP)
            case "cut" | "stall":
                number = signal.SIGUSR2 if verb == "cut" else signal.SIGUSR1
                struck = self._signal(step, "client", number)
            case _:
                struck = getattr(self, f"_{step.kind.replace('-', '_')}")(step)
        self.count[step.kind] += struck
        return struck

    def end(self) -> bool:
        """End the faults that last, and wait for all commands; return whether they ended."""
        for timer, action in list(self._pending.items()):
            timer.cancel()
            action()
        self._scene.clock.jump(0)
        ended = [editor.finish() for editor in self._editors]
        for thread in self._commands:
            thread.join(_CTL_TIMEOUT)
        return all(ended)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        def run() -> None:
            self._pending.pop(timer, None)
            action()

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        self._pending[timer] = action
        timer.start()

    # --- processes

    def _signal(self, step: Step, what: str, number: signal.Signals) -> bool:
        pids = sorted(
            {"agent": self._agents, "client": self._clients, "sshd": self._sshds}[what](step.host)
        )
        if not pids:
            return False
        pid = pids[int(step.pick * len(pids))]
        if not _send(pid, number):
            return False
        if number is signal.SIGSTOP:
            self._later(step.seconds, lambda: _send(pid, signal.SIGCONT))
        return True

    def _agents(self, host: str) -> list[int]:
        return list(agents_in([self._scene.places[host].inode]))

    def _clients(self, host: str) -> list[int]:
        """Return the hub's children that lead to a host."""
        children = psutil.Process(self._mesh.program.pid).children()
        return [child.pid for child in children if _mark_of(child) == host]

    def _sshds(self, host: str) -> list[int]:
        """Return the sshds of sessions on a host, not one that listens."""
        found = processes_in([self._scene.places[host].inode])
        return [
            pid
            for pid in found
            if cmdline(pid).startswith("sshd:") and pid != self._scene.daemon.pid
        ]

    def _suspend_hub(self, step: Step) -> bool:
        pid = self._mesh.program.pid
        self._later(step.seconds, lambda: _send(pid, signal.SIGCONT))
        return _send(pid, signal.SIGSTOP)

    # --- edits

    def _edit(self, step: Step) -> bool:
        line = self._scene.fill_in(step.line)
        if step.kind == "edit-by-ctl":
            thread = threading.Thread(target=self._ctl, args=(line,), daemon=True)
            self._commands.append(thread)
            thread.start()
        elif step.kind == "edit-twice":
            for editor in self._editors:
                editor.put(line)
        else:
            self._put(line, step.pick)
        return True

    def _put(self, line: str, pick: float) -> bool:
        self._editors[int(pick * len(self._editors))].put(line, pick)
        return True

    def _ctl(self, line: str) -> None:
        argv = [norouter(), "ctl", "--yes", *shlex.split(line)]
        env = {**os.environ, **self._scene.environment}
        try:
            done = subprocess.run(
                self._scene.places[LOCAL].enter(*argv),
                env=env,
                capture_output=True,
                text=True,
                timeout=_CTL_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self._on_edited(line, "no answer: norouter ctl hangs", _CTL_TIMEOUT)
            return
        inside = done.returncode in (1, 2, 0) and "Traceback" not in done.stderr
        # The status of `exec` is that of its command.
        failure = "" if inside or line.startswith("exec") else f"internal error: {done.stderr}"
        self._on_edited(line, failure, 0)

    def _break_manifest(self, step: Step) -> bool:
        self._reload_with(_BROKEN[int(step.pick * len(_BROKEN))])
        self._later(step.seconds, lambda: self._reload_with(self._scene.base.read_bytes()))
        return True

    def _reload(self, step: Step) -> bool:
        file = self._scene.base if step.pick < 0.7 else self._scene.other
        self._reload_with(file.read_bytes())
        return True

    def _reload_with(self, text: bytes) -> None:
        (self._scene.folder / "mesh.yaml").write_bytes(text)
        _send(self._mesh.program.pid, signal.SIGHUP)

    # --- environment

    def _fill_disk(self, step: Step) -> bool:
        filler = self._scene.disk / "filler"
        try:
            with filler.open("ab", buffering=0) as file:
                for size in (1 << 16, 1 << 12, 1 << 8):
                    _fill(file.fileno(), bytes(size))
        except OSError:
            pass
        self._later(step.seconds, lambda: filler.unlink(missing_ok=True))
        return True

    def _jump_clock(self, step: Step) -> bool:
        self._scene.clock.jump(step.seconds)
        return bool(self._scene.clock.environment)


def _fill(fd: int, block: bytes) -> None:
    """Write until the disk is full."""
    try:
        while True:
            os.write(fd, block)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _mark_of(process: psutil.Process) -> str:
    try:
        return str(process.environ().get(MARK, ""))
    except psutil.Error:
        return ""


def _send(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def agents_of(scene: Scene) -> dict[str, list[int]]:
    """Return the agents that run on each host."""
    return {
        host.name: sorted(agents_in([scene.places[host.name].inode]))
        for host in HOSTS
        if host.name != LOCAL
    }
