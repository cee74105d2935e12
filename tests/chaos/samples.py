"""Memory, descriptors and threads of processes, sampled during a run."""

from __future__ import annotations

import statistics
import threading
from dataclasses import dataclass, field
from pathlib import Path

_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process: KiB of memory, open descriptors, threads."""

    rss: int
    descriptors: int
    threads: int


def sample(pid: int) -> Sample | None:
    """Look at a process; None if it has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        lines = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        descriptors = len(list((folder / "fd").iterdir()))
        return Sample(int(lines["VmRSS"].split()[0]), descriptors, int(lines["Threads"]))
    except (OSError, KeyError):
        return None


@dataclass(slots=True)
class Sampler:
    """Samples one process in a thread until it is stopped."""

    pid: int
    samples: list[Sample] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Sampler:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stopped.wait(_INTERVAL):
            if found := sample(self.pid):
                self.samples.append(found)

    def growth(self) -> int:
        """Return by how many KiB the last quarter of the run exceeds the second one."""
        quarter = len(self.samples) // 4
        if not quarter:
            return 0
        early = self.samples[quarter : 2 * quarter]
        late = self.samples[-quarter:]
        return round(
            statistics.median(each.rss for each in late)
            - statistics.median(each.rss for each in early)
        )
