"""The engine: it applies a spec, supervises the hosts, relays streams and decides on access."""

from norouter_core.engine.bus import Subscription
from norouter_core.engine.engine import Engine, MeshFailed, PortsFailed
from norouter_core.engine.tap import Tap, TapBuffer, TapError
from norouter_core.timing import Timing

__all__ = [
    "Engine",
    "MeshFailed",
    "PortsFailed",
    "Subscription",
    "Tap",
    "TapBuffer",
    "TapError",
    "Timing",
]
