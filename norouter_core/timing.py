"""The time limits of a host's start, of its link and of its next start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from norouter_core.countdown import PatientTimer


@dataclass(frozen=True, slots=True)
class Timing:
    """Time limits in seconds. One value serves a whole engine; tests pass shorter ones."""

    shell: float = 45.0
    """From the start of a command to the first answer of its shell; a login may be slow."""
    silence: float = 5.0
    """How long a shell may print nothing until it gets the line again, which something may have
    read that started before it."""
    max_shell: float = 360.0
    """The same after starts that came to nothing: each may take twice as long as the one before."""
    transfer: float = 30.0
    """How long a host may receive nothing of an agent that is being sent."""
    probe: float = 10.0
    """How long a Python may take to show that it works; the search then goes on to the next."""
    hello: float = 20.0
    """From the last byte of an agent to its hello."""
    installed: float = 20.0
    """How long an installed agent may stay silent."""
    tentative: float = 2.5
    """How long it may stay silent if there is another way to start the host."""
    removal: float = 5.0
    """How long the removal of a copied agent may take, while the agent waits 8 s for its hub."""
    heartbeat: float = 2.0
    """The interval of SPEC.md section 7."""
    request: float = 10.0
    """How long an agent may take to answer a request."""
    grace: float = 2.0
    """Between asking a command to end and killing it."""
    slow_start: float = 5.0
    """From the start of a command to a line in the log that says what it waits for."""
    first_retry: float = 1.0
    """The delay after a host's first failure; it doubles with each one that follows."""
    max_retry: float = 60.0
    """The longest such delay."""
    max_local_retry: float = 5.0
    """The same for a command that does not leave this machine: another start costs little there."""
    stable: float = 2.0
    """How long a host must be ready for its failures to be forgotten."""


class TimeLimits:
    """Time limits that stand still while the user is asked something."""

    def __init__(self) -> None:
        self._timers: set[PatientTimer] = set()
        self._is_paused = False

    @property
    def are_paused(self) -> bool:
        """Whether the user is being asked."""
        return self._is_paused

    @contextmanager
    def limit(self, seconds: float) -> Iterator[anyio.CancelScope]:
        """Cancel the block after some seconds, as `anyio.move_on_after` does."""
        with anyio.CancelScope() as scope:
            timer = PatientTimer(seconds, scope.cancel)
            self._timers.add(timer)
            if not self._is_paused:
                timer.start()
            try:
                yield scope
            finally:
                self._timers.discard(timer)
                timer.stop()

    def pause(self) -> None:
        """Stop the clock."""
        if not self._is_paused:
            self._is_paused = True
            for timer in self._timers:
                timer.stop()

    def resume(self) -> None:
        """Let the clock run on."""
        if self._is_paused:
            self._is_paused = False
            for timer in self._timers:
                timer.start()
