"""`python -m benchmarks`: parse the options, set the stage, run, report."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any, NoReturn

from benchmarks import ours, report, ssh
from benchmarks.measures import MEASURES, Bench, Plan
from benchmarks.namespaces import Namespace
from benchmarks.paths import Direct, Path
from benchmarks.processes import MIB
from benchmarks.protocol import LoadError, run_program
from benchmarks.workers import ClientProcess, ServerProcess
from norouter_core.bootstrap.native_program import NoNativeAgent, native_program
from norouter_core.bootstrap.native_program import Platform as NativePlatform

PATHS = {
    "direct": "direct",
    "ssh": "ssh -L",
    "ssh-gcm": "ssh -L gcm",
    "ours": "ours",
    "ours-rr": "ours r-r",
    "native": "native",
    "native-rr": "native r-r",
}
"""Names for `--paths`, and the titles of their columns."""

_NOT_FRESH = ("direct", "ssh-gcm")
"""Paths without a forwarder, or with one that differs by the cipher only."""


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options.

    Raises:
        SystemExit: 2 for wrong ones, 0 for `--help`.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: one run of each, small")
    parser.add_argument("--only", type=_names(MEASURES), help=f"of {','.join(MEASURES)}")
    parser.add_argument("--paths", type=_names(PATHS), help=f"of {','.join(PATHS)}")
    parser.add_argument("--runs", type=_positive, help="median of how many (5)")
    parser.add_argument("--size", type=_positive, help="MiB per bulk run (512)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    parser.add_argument("--uvloop", action=argparse.BooleanOptionalAction, help="force the hub's")
    return parser.parse_args(argv)


def _names(known: Any) -> Any:
    def names(text: str) -> list[str]:
        wanted = [name.strip() for name in text.split(",") if name.strip()]
        for name in wanted:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return [name for name in known if name in wanted]

    return names


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number


def plan(options: argparse.Namespace) -> Plan:
    quick = options.quick
    runs = options.runs or (1 if quick else 5)
    return Plan(
        only=frozenset(options.only or MEASURES),
        runs=runs,
        fresh_runs=min(runs, 3),
        size=(options.size or (64 if quick else 512)) * MIB,
        trips=500 if quick else 3000,
        connections=200 if quick else 1000,
        stall_limit=5.0 if quick else 30.0,
    )


class Stage:
    """Servers, clients and namespaces; `paths` is what can be measured on this machine."""

    def __init__(self, options: argparse.Namespace, stack: contextlib.ExitStack) -> None:
        self._quick: bool = options.quick
        self._wanted: list[str] = options.paths or list(PATHS)
        self._stack = stack
        self._server: ServerProcess = self._keep(ServerProcess())
        self._client: ClientProcess = self._keep(ClientProcess())
        self.mesh: ours.Mesh | None = None
        self.paths: list[Path] = []
        self.notes: list[str] = []
        self._add_direct()
        self._add_ssh()
        self._add_ours(options)

    def _keep(self, what: Any) -> Any:
        return self._stack.enter_context(contextlib.closing(what))

    def _add(self, name: str, start: Any, client: ClientProcess, server: ServerProcess) -> None:
        if name in self._wanted:
            shared = name.removesuffix("-rr")
            fresh = name not in (*_NOT_FRESH, *(["ours-rr", "native-rr"] if self._quick else []))
            self.paths.append(Path(name, PATHS[name], client, server, start, shared, fresh))

    def _add_direct(self) -> None:
        start = Direct(self._server.address).start
        self._add("direct", start, self._client, self._server)

    def _add_ssh(self) -> None:
        program = ssh.find_sshd()
        if program is None:
            self.notes.append("ssh -L: skipped, no sshd and ssh here (package openssh-server)")
            return
        for name, cipher in (("ssh", None), ("ssh-gcm", ssh.GCM)):
            start = functools.partial(
                ssh.ssh_forward, program, self._client, self._server.address, cipher
            )
            self._add(name, start, self._client, self._server)

    def _add_ours(self, options: argparse.Namespace) -> None:
        if not {"ours", "ours-rr", "native", "native-rr"} & set(self._wanted):
            return
        program = ours.find_norouter()
        if program is None:
            self.notes.append("ours: skipped, no `norouter` beside this Python (pip install -e .)")
            return
        remotes, server = self._remotes()
        extra = _uvloop_words(program, options.uvloop)
        self.mesh = ours.Mesh(program, remotes, server.address, extra)
        self._add_mesh("ours", self.mesh, server)
        try:
            agent = native_program(NativePlatform.of(platform.system(), platform.machine()))
        except NoNativeAgent as fault:
            self.notes.append(f"native: skipped, {fault}")
        else:
            self._add_mesh("native", replace(self.mesh, agent=(str(agent),)), server)

    def _add_mesh(self, name: str, mesh: ours.Mesh, server: ServerProcess) -> None:
        start = functools.partial(ours.mesh_forward, mesh, self._client)
        self._add(name, start, self._client, server)
        if "b" in mesh.remotes and f"{name}-rr" in self._wanted:
            client = self._keep(ClientProcess(mesh.remotes["b"]))
            start = functools.partial(ours.mesh_forward, mesh, client)
            self._add(f"{name}-rr", start, client, server)

    def _remotes(self) -> tuple[dict[str, tuple[str, ...]], ServerProcess]:
        try:
            spaces = [self._keep(Namespace(name)) for name in ("a", "b")]
        except LoadError as fault:
            self.notes.append(f"ours: the remote shares this machine's loopback ({fault})")
            self.notes.append("ours r-r: skipped, it needs two network namespaces")
            return {"a": ("env",)}, self._server
        server: ServerProcess = self._keep(ServerProcess(spaces[0].enter))
        return {space.name: space.enter for space in spaces}, server


def _uvloop_words(program: str, wanted: bool | None) -> tuple[str, ...]:
    if wanted is None:
        return ()
    word = "--uvloop" if wanted else "--no-uvloop"
    shown = subprocess.run([program, "run", "--help"], capture_output=True, text=True, check=False)
    if word not in shown.stdout:
        _refuse(f"this `norouter run` has no {word}; leave the option out")
    return (word,)


def _refuse(text: str) -> NoReturn:
    print(f"benchmarks: {text}", file=sys.stderr)
    raise SystemExit(2)


def _raise_limits() -> None:
    """1000 streams are 2000 descriptors in a hub; what we start inherits the limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Progress:
    """One line on standard error that changes; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()

    def say(self, text: str) -> None:
        if self._on:
            print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        self.say("")


_ABOUT = (
    "{system}, {cpus} CPUs, Python {python}; median of {runs}, {size_mib} MiB a run; "
    "{seconds} s in all"
)


def _about(options: argparse.Namespace, how: Plan, seconds: float) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "runs": how.runs,
        "size_mib": how.size // MIB,
        "uvloop": options.uvloop,
        "seconds": round(seconds, 1),
    }


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; 0, or 1 if nothing could be measured."""
    options = parse(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _raise_limits()
    how, progress, start = plan(options), _Progress(), time.monotonic()
    with contextlib.ExitStack() as stack:
        stage = Stage(options, stack)
        bench = Bench(how, stage.paths, progress.say)
        bench.results.notes.extend(stage.notes)
        agent_start = functools.partial(ours.agent_start, stage.mesh) if stage.mesh else None
        bench.run(agent_start)
    progress.done()
    about = _about(options, how, time.monotonic() - start)
    titles = {path.name: path.title for path in stage.paths}
    report.show(bench.results, titles, _ABOUT.format(**about))
    if options.json:
        report.write_json(options.json, report.to_json(bench.results, titles, about))
    return 0 if bench.results.measured() else 1


if __name__ == "__main__":
    run_program(main)
