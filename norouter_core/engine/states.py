"""A host's life as one table: which state may follow which."""

from __future__ import annotations

from norouter_core.engine.status import HostState as S

TRANSITIONS: dict[S, frozenset[S]] = {
    S.STOPPED: frozenset({S.STARTING, S.FAILED}),
    S.STARTING: frozenset({S.BOOTSTRAPPING, S.READY, S.BACKING_OFF, S.FAILED, S.STOPPED}),
    S.BOOTSTRAPPING: frozenset({S.READY, S.BACKING_OFF, S.FAILED, S.STOPPED}),
    S.READY: frozenset({S.LOST, S.FAILED, S.STOPPED}),
    S.LOST: frozenset({S.BACKING_OFF, S.FAILED, S.STOPPED}),
    S.BACKING_OFF: frozenset({S.STARTING, S.FAILED, S.STOPPED}),
    S.FAILED: frozenset({S.STARTING, S.STOPPED}),
}


def check(old: S, new: S) -> S:
    """`new`, if it may follow `old`.

    Raises:
        ValueError: it may not; a mistake of the caller's.
    """
    if new not in TRANSITIONS[old]:
        raise ValueError(f"a host that is {old} cannot become {new}")
    return new
