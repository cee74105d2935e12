"""Wrong passwords for proxies: how long each waits for its answer, and what the log says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from norouter_core.agent.turns import Allowance
from norouter_core.engine.log_throttle import LogThrottle
from norouter_core.engine.publications import ListenAddress, Publication

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_RATE = 5
"""Wrong passwords that one proxy answers at once, and in a second."""
_MAX_WAIT = 20.0


class WrongLogins:
    """Those of all proxies. A right password never waits, whatever others try meanwhile."""

    def __init__(self, throttle: LogThrottle) -> None:
        self._throttle = throttle
        self._allowances: dict[ListenAddress, Allowance] = {}

    def add(self, publication: Publication, from_host: str, peer: Address) -> float:
        """Count and log one; return the seconds until its answer."""
        now = time.monotonic()
        address = publication.listen_address
        allowance = self._allowances.get(address)
        if allowance is None:
            allowance = self._allowances[address] = Allowance(_RATE, now)
        self._throttle.wrong_login(publication, from_host, peer)
        return min(_MAX_WAIT, allowance.take(1, now))
