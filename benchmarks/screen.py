"""`python -m benchmarks.screen`: what a screen costs the engine behind it, and a person before it.

The same mesh and the same load twice, in turns: `norouter run --headless`, and `norouter-tui` in a
pseudo-terminal of 140x45 whose other end is read all the time. Meanwhile 500 streams each send a
little every second, as a mesh that is in use does.

- bulk: MiB/s of one stream, local to remote, and the screen's share of the headless figure;
- key: milliseconds from a key press to its picture, while the bulk transfer runs: a rare character
  is typed into the `:` line, and awaited in what the terminal is sent;
- memory: RSS of the program, at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import ours
from benchmarks.namespaces import Namespace
from benchmarks.paths import START_LIMIT, free_port
from benchmarks.processes import MIB, end
from benchmarks.protocol import Address, LoadError, run_program
from benchmarks.results import percentile
from benchmarks.workers import ClientProcess, ServerProcess

COLUMNS, ROWS = 140, 45
HUMMING = 500
_KEYS = 40
"""Presses during one transfer, at the most."""
_PAUSE = 0.1
"""Seconds between two presses: a person who types fast."""
_RARE = 0x1401
"""Canadian syllabics, one cell wide: nothing else on the screen is written in these."""


class Terminal:
    """A program in a pseudo-terminal; what it draws is read, timed and searched."""

    def __init__(self, argv: list[str]) -> None:
        self._fd, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(slave)
        self.drawn = 0
        """Bytes so far."""
        self._tail = b""
        self._wanted = b""
        self._seen = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def press(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def echo(self, character: str) -> float:
        """Seconds until a typed character was drawn.

        Raises:
            LoadError: it was not within 5 s.
        """
        self._seen.clear()
        self._wanted = character.encode()
        begun = time.perf_counter()
        self.press(character)
        if not self._seen.wait(5):
            raise LoadError(f"{character!r} was typed and never drawn")
        return time.perf_counter() - begun

    def close(self) -> None:
        end(self.process)
        os.close(self._fd)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # the program has ended, or we have closed
            while data := os.read(self._fd, 65536):
                self.drawn += len(data)
                self._tail = self._tail[-8:] + data
                if self._wanted and self._wanted in self._tail:
                    self._wanted = b""
                    self._seen.set()


@dataclass
class Figures:
    """`bulk` in MiB/s, `keys` in seconds, `rss` in MiB, `drawn` in bytes per second."""

    bulk: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    drawn: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """Two load clients, so that the small streams do not slow the one that is measured."""

    mesh: ours.Mesh
    bulk: ClientProcess
    hum: ClientProcess
    size: int

    @contextlib.contextmanager
    def headless(self) -> Iterator[tuple[psutil.Process, Address]]:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            address = self._address()
            argv = self.mesh.argv(folder, address[1])
            nowhere = subprocess.DEVNULL
            process = subprocess.Popen(
                argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
            )
            try:
                yield psutil.Process(process.pid), address
            finally:
                end(process)

    @contextlib.contextmanager
    def screen(self) -> Iterator[tuple[Terminal, Address]]:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            address = self._address()
            program = str(Path(self.mesh.program).with_name("norouter-tui"))
            terminal = Terminal([program, self.mesh.manifest(folder, address[1])])
            try:
                yield terminal, address
            finally:
                terminal.close()

    def measure(self, address: Address, process: psutil.Process, into: Figures) -> None:
        self.bulk.run("first_touch", *address, START_LIMIT, limit=2 * START_LIMIT)
        self.hum.run("humming", *address, HUMMING, 1.0)
        try:
            time.sleep(2.0)  # as long as a face may take to show them all
            got = self.bulk.run("bulk", *address, "down", 1, self.size)
            into.bulk.append(got["bytes"] / MIB / got["last"])
            into.rss.append(process.memory_info().rss / MIB)
        finally:
            self.hum.run("release")

    def type_meanwhile(self, terminal: Terminal, address: Address, into: Figures) -> None:
        """Types into the `:` line while a transfer runs that is not measured."""
        self.hum.run("humming", *address, HUMMING, 1.0)
        mover = threading.Thread(
            target=lambda: self.bulk.run("bulk", *address, "down", 1, self.size)
        )
        begun, drawn = time.perf_counter(), terminal.drawn
        try:
            terminal.press(":")
            time.sleep(0.5)
            mover.start()
            for number in range(_KEYS):
                into.keys.append(terminal.echo(chr(_RARE + number)))
                time.sleep(_PAUSE)
                if not mover.is_alive():
                    break
            into.drawn.append((terminal.drawn - drawn) / (time.perf_counter() - begun))
            terminal.press("\x1b")
        finally:
            if mover.ident is not None:
                mover.join()
            self.hum.run("release")

    def _address(self) -> Address:
        return ours._VIPS["a"], free_port(ours._VIPS["a"])


def run(stage: Stage, runs: int) -> tuple[Figures, Figures]:
    """Return the figures of the headless engine and of the screen."""
    plain, shown = Figures(), Figures()
    for _ in range(runs):
        with stage.headless() as (process, address):
            stage.measure(address, process, plain)
        with stage.screen() as (terminal, address):
            stage.measure(address, psutil.Process(terminal.process.pid), shown)
            stage.type_meanwhile(terminal, address, shown)
    return plain, shown


def report(plain: Figures, shown: Figures) -> None:
    """Print the figures, and the marks that they are to meet."""
    one, two = statistics.median(plain.bulk), statistics.median(shown.bulk)
    p50, p95 = (percentile(shown.keys, p) * 1000 for p in (50, 95))
    rss = max(shown.rss)
    drawn = statistics.median(shown.drawn) / 1024
    print(f"{HUMMING} streams, one bulk transfer, a screen of {COLUMNS}x{ROWS}")
    print(f"bulk, headless   {one:7.0f} MiB/s   runs {' '.join(f'{x:.0f}' for x in plain.bulk)}")
    print(f"bulk, screen     {two:7.0f} MiB/s   runs {' '.join(f'{x:.0f}' for x in shown.bulk)}")
    print(f"share            {two / one:7.2f}         {_mark(two / one >= 0.85)}, wanted 0.85")
    print(f"key to picture   {p50:7.1f} ms p50  {p95:.1f} ms p95 of {len(shown.keys)} presses")
    print(f"                         {_mark(p95 < 100)}, wanted below 100 ms p95")
    print(f"drawn            {drawn:7.0f} KiB/s")
    print(f"RSS, headless    {max(plain.rss):7.0f} MiB")
    print(f"RSS, screen      {rss:7.0f} MiB     {_mark(rss < 200)}, wanted below 200")


def _mark(met: bool) -> str:
    return "ok" if met else "missed"


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screen", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="median of how many (5)")
    parser.add_argument("--size", type=int, default=2048, help="MiB per transfer (2048)")
    options = parser.parse_args(argv)
    program = ours.find_norouter()
    if program is None:
        raise LoadError("no `norouter` beside this Python (pip install -e .)")
    with contextlib.ExitStack() as stack:
        space = stack.enter_context(contextlib.closing(Namespace("a")))
        server = stack.enter_context(contextlib.closing(ServerProcess(space.enter)))
        bulk, hum = (stack.enter_context(contextlib.closing(ClientProcess())) for _ in range(2))
        mesh = ours.Mesh(program, {"a": space.enter}, server.address)
        report(*run(Stage(mesh, bulk, hum, options.size * MIB), options.runs))
    return 0


if __name__ == "__main__":
    run_program(main)
