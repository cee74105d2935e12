"""The load server and the load client as processes of their own, seen from the benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

from benchmarks.namespaces import ROOT
from benchmarks.protocol import Address, LoadError

_GRACE = 5.0
"""Seconds a worker gets to end after its input has."""


class _Worker:
    """`enter` are the words that put it into a namespace; empty for the machine's own."""

    def __init__(self, module: str, enter: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [*enter, sys.executable, "-m", f"benchmarks.{module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the benchmark, which ends them in order
            cwd=ROOT,
        )
        assert self._process.stdin and self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    def read(self) -> str:
        """One line of what it says; empty when it has ended."""
        return self._stdout.readline()

    def ask(self, line: str, limit: float) -> str:
        """Return the answer to one line; empty when it had to be killed, or had died."""
        timer = threading.Timer(limit, self._process.kill)
        timer.start()
        try:
            self._stdin.write(line + "\n")
            self._stdin.flush()
            return self.read()
        except BrokenPipeError:
            return ""
        finally:
            timer.cancel()

    def close(self) -> None:
        try:
            self._stdin.close()
            self._process.wait(_GRACE)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._stdout.close()


class ServerProcess(_Worker):
    """A running load server; `address` is where it listens in its namespace."""

    def __init__(self, enter: tuple[str, ...] = ()) -> None:
        super().__init__("loadserver", enter)
        port = self.read()
        if not port:
            raise LoadError("the load server did not start; what it said is above")
        self.address: Address = ("127.0.0.1", int(port))

    def release(self) -> None:
        """Drop the connections whose reader was to stall."""
        self._stdin.write("release\n")
        self._stdin.flush()


class ClientProcess:
    """A load client; the process is made anew when a load had to be cut off."""

    def __init__(self, enter: tuple[str, ...] = ()) -> None:
        self._enter = enter
        self._worker = _Worker("loadclient", enter)

    def run(self, load: str, *args: Any, limit: float = 180.0) -> Any:
        """Return the result of one load of `benchmarks.loads`.

        Raises:
            LoadError: it failed, or had not ended after `limit` seconds.
        """
        worker = self._worker
        line = worker.ask(json.dumps([load, *args]), limit)
        if not line:
            worker.close()
            self._worker = _Worker("loadclient", self._enter)
            raise LoadError(f"{load}: no result within {limit:.0f} s, or the load client died")
        answer = json.loads(line)
        if "fault" in answer:
            raise LoadError(f"{load}: {answer['fault']}")
        return answer["result"]

    def close(self) -> None:
        self._worker.close()
