"""Runs loads on demand: `python -m benchmarks.loadclient` in the namespace of the client.

One JSON list `[load, arguments...]` per line on standard input, one JSON object per line on
standard output: `{"result": ...}` or `{"fault": "what happened"}`. It ends with its input.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks import loads
from benchmarks.protocol import LoadError, Proxy


class Client:
    def __init__(self) -> None:
        self._held = loads.Held()

    def answer(self, line: str) -> str:
        """Return the answer to one line."""
        try:
            return json.dumps({"result": self._run(*json.loads(line))})
        except (OSError, LoadError) as fault:
            return json.dumps({"fault": str(fault)})

    def _run(self, load: str, *args: Any) -> Any:
        if load == "release":
            return self._held.release()
        host, port, *rest = args
        address = (host, port)
        if load in ("idle", "stalled", "humming"):
            return getattr(self._held, load)(address, *rest)
        if rest and isinstance(rest[-1], list):
            rest[-1] = Proxy(*rest[-1])
        return _LOADS[load](address, *rest)


_LOADS: dict[str, Any] = {
    "bulk": loads.bulk,
    "pingpong": loads.pingpong,
    "connections": loads.connections,
    "first_touch": loads.first_touch,
}


def main() -> None:
    client = Client()
    for line in sys.stdin:
        print(client.answer(line), flush=True)


if __name__ == "__main__":
    main()
