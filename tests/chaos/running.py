"""One run: bring the mesh up, load it, strike it, let it recover, and judge."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.control import Control
from tests.chaos.faults import Faults, agents_of
from tests.chaos.hosts import BY_NAME, HOSTS, SERVER_PORTS
from tests.chaos.plan import plan
from tests.chaos.samples import Sample, Sampler, sample
from tests.chaos.scene import ChaosMesh, Scene, scene
from tests.chaos.traffic import WARM_UP
from tests.chaos.verdict import FAULTS, Verdict
from tests.transports.procs import Background

WORKERS = 3
"""Clients at a time on each host."""
CALM = 12.0
"""Seconds of traffic without faults, before and after."""
READY = 60.0
BUILD = 240.0
"""Seconds until all hosts are ready for the first time: Go may build the native agent."""
RECOVERY = 5.0
"""Seconds after the last fault until every host is ready."""
QUIET = 40.0
"""Seconds until no stream is left: one of datagrams ends 30 s after the last."""
MORE_DESCRIPTORS = 3
IDLE_PIPES = 16
"""Descriptors of the pipes that a native agent keeps for the next spliced streams, at most."""
MORE_MEMORY = 32 << 10
"""KiB: what Python's allocator keeps after peaks."""
GROWTH = 10 << 10
"""KiB between two quarters of the run."""


def run(
    folder: Path, seed: int, minutes: float, loop: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run once in an empty folder; return the summary and the violations."""
    begun = time.monotonic()
    with (folder / "journal.jsonl").open("w", buffering=1) as journal:
        verdict = Verdict(journal)
        summary: dict[str, Any] = {"seed": seed, "minutes": minutes, "loop": loop}
        with scene(folder) as made:
            try:
                Run(made, verdict, seed, summary).run(minutes * 60, loop)
            except AssertionError as error:
                verdict.violate("the run fails", str(error))
            except OSError as error:
                verdict.violate("the run fails", repr(error))
            verdict.take_text("hub.stderr", (folder / "hub.stderr").read_text(errors="replace"))
            for path in sorted(folder.glob("*traffic*.stderr")):
                if text := path.read_text(errors="replace"):
                    verdict.violate("a traffic program fails", f"{path.name}: {text[-2000:]}")
    summary["seconds"] = round(time.monotonic() - begun)
    return {**summary, **verdict.summary()}, verdict.violations


class Run:
    """The phases of a run."""

    def __init__(self, made: Scene, verdict: Verdict, seed: int, summary: dict[str, Any]) -> None:
        self._scene, self._verdict, self._seed, self._summary = made, verdict, seed, summary
        self._servers: list[Background] = []

    def run(self, seconds: float, loop: str) -> None:
        """Run all phases, and record in the verdict what goes wrong."""
        scene = self._scene
        self._summary["link_shaped"] = scene.shaped
        self._summary["clock"] = bool(scene.clock.environment)
        for host in HOSTS:
            take = self._verdict.take_outcome
            self._servers.append(scene.traffic(host.name, "serve", on_line=take))
        for server in self._servers:
            server.wait_line("serving", READY)
        options = ["--ready-file", str(scene.disk / "ready.env")]
        options += ["--no-uvloop"] if loop == "asyncio" else []
        options += ["--watch"] if self._seed % 2 else []
        mesh = scene.start_mesh(options)
        mesh.on_event = self._verdict.take_event
        mesh.wait_event("ready", BUILD)
        control = Control(scene.control_socket)
        self._with_traffic(WARM_UP, lambda: time.sleep(CALM))
        before = self._resources(mesh)
        with Sampler(mesh.program.pid) as sampler:
            self._with_traffic(FAULTS, lambda: self._strike(mesh, seconds))
            self._recover(control)
        self._with_traffic("after", lambda: time.sleep(CALM))
        self._check_quiet(control)
        self._check_agents()
        self._compare(before, self._resources(mesh), sampler)
        control.close()
        self._stop(mesh)

    # --- phases

    def _with_traffic(self, phase: str, what: Callable[[], None]) -> None:
        self._verdict.note("phase", name=phase)
        take = self._verdict.take_outcome
        words = ("drive", str(self._seed), phase, str(WORKERS))
        clients = [self._scene.traffic(host.name, *words, on_line=take) for host in HOSTS]
        what()
        for client in clients:
            client.process.terminate()
        for client, host in zip(clients, HOSTS, strict=True):
            # A client finishes its exchanges, each of which has a bound of its own.
            try:
                status = client.process.wait(READY)
            except subprocess.TimeoutExpired:
                self._verdict.violate("client hang", f"the clients on {host.name} do not end")
                continue
            if status:
                self._verdict.violate("clients fail", f"{host.name}: {client.stderr[-2000:]}")

    def _strike(self, mesh: ChaosMesh, seconds: float) -> None:
        faults = Faults(self._scene, mesh, self._verdict.take_edit)
        begun = time.monotonic()
        for step in plan(self._seed, seconds):
            time.sleep(max(0.0, begun + step.at - time.monotonic()))
            if mesh.program.process.poll() is not None:
                raise AssertionError(f"the hub ended by itself: {mesh.program.stderr[-2000:]}")
            struck = faults.apply(step)
            line = self._scene.fill_in(step.line)[:120]
            self._verdict.note("step", step=step.kind, host=step.host, line=line, struck=struck)
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        if not faults.end():
            self._verdict.violate("command hangs", "an editor did not end")
        self._summary["faults"] = dict(sorted(faults.count.items()))

    def _recover(self, control: Control) -> None:
        """Bring back what edits took away, and wait until all hosts are ready."""
        begun = time.monotonic()
        lines = [f"load {self._scene.base} --keep"]
        # Loading starts no host that was stopped by hand.
        rows = control.rows("hosts --json")
        lines += [f"host start {row['name']}" for row in rows if row["state"] == "stopped"]
        for line in [*lines, f"wait --timeout {READY:g}s"]:
            failure = (control.run(line)[0].get("failure") or {}).get("message", "")
            self._verdict.note("recover", line=line, failure=failure)
            if line.startswith(("load", "wait")) and failure:
                self._verdict.violate("not ready again", f"{line}: {failure}")
        took = round(time.monotonic() - begun, 2)
        self._summary["ready_after_s"] = took
        if took > RECOVERY:
            self._verdict.violate("ready late", f"{took} s after the last fault")

    def _stop(self, mesh: ChaosMesh) -> None:
        for server in self._servers:
            server.stop()
        begun = time.monotonic()
        mesh.stop()
        self._summary["stop_s"] = round(time.monotonic() - begun, 2)

    # --- resources

    def _resources(self, mesh: ChaosMesh) -> dict[str, Sample]:
        """Return the resources of the hub and the agents."""
        found = {"hub": sample(mesh.program.pid)}
        found |= {host: sample(pids[0]) for host, pids in agents_of(self._scene).items() if pids}
        return {name: held for name, held in found.items() if held is not None}

    def _check_quiet(self, control: Control) -> None:
        """Check that no stream and no connection is left once the clients have ended."""

        def left() -> str:
            streams = [row["id"] for row in control.rows("streams --json")]
            open_at = {host.name: self._connections(n) for n, host in enumerate(HOSTS)}
            busy = {name: number for name, number in open_at.items() if number}
            return f"streams {streams}, connections to servers {busy}" if streams or busy else ""

        if what := _wait_until_none(left, QUIET):
            self._verdict.violate("streams left", what)

    def _connections(self, number: int) -> int:
        """Return how many connections to the servers of a host its network has."""
        table = Path(f"/proc/{self._servers[number].pid}/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in table]
        wanted = {f"{port:04X}" for port in SERVER_PORTS}
        ended = ("0A", "06")  # listening, TIME_WAIT
        return sum(row[1].split(":")[1] in wanted and row[3] not in ended for row in rows)

    def _check_agents(self) -> None:
        def odd() -> str:
            wrong = {host: pids for host, pids in agents_of(self._scene).items() if len(pids) != 1}
            return f"not one agent per host: {wrong}" if wrong else ""

        if what := _wait_until_none(odd, 15):
            self._verdict.violate("orphans", what)

    def _compare(
        self, before: dict[str, Sample], after: dict[str, Sample], sampler: Sampler
    ) -> None:
        hub = [before["hub"], after["hub"]]
        self._summary["hub_rss_kib"] = [each.rss for each in hub]
        self._summary["hub_rss_peak_kib"] = max((each.rss for each in sampler.samples), default=0)
        self._summary["hub_rss_growth_kib"] = sampler.growth()
        self._summary["hub_threads"] = [each.threads for each in hub]
        self._summary["descriptors"] = {
            name: [each.descriptors, after[name].descriptors]
            for name, each in before.items()
            if name in after
        }
        for name, each in before.items():
            now = after.get(name)
            if now is None:
                continue
            native = name in BY_NAME and BY_NAME[name].agent == "native"
            more = MORE_DESCRIPTORS + (IDLE_PIPES if native else 0)
            if now.descriptors > each.descriptors + more:
                note = f"{name}: {each.descriptors} before, {now.descriptors} after"
                self._verdict.violate("descriptors", note)
            if now.rss > each.rss + MORE_MEMORY:
                self._verdict.violate("memory", f"{name}: {each.rss} KiB before, {now.rss} after")
        if sampler.growth() > GROWTH and len(sampler.samples) > 240:
            self._verdict.violate("memory", f"the hub grows by {sampler.growth()} KiB in the run")


def _wait_until_none(what: Callable[[], str], timeout: float) -> str:
    """Ask until the answer is empty; return the last one if it never is."""
    deadline = time.monotonic() + timeout
    while (found := what()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
